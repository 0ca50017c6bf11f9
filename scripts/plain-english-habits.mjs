// The habits of English that `plain-english.mjs` counts. `pattern` is matched against one sentence; `start` means at the
// start of a sentence or of a part after a semicolon; `unless` takes a match back where the word has its technical
// or its ordinary meaning.

/** @type {{ name: string, pattern: RegExp, start?: boolean, instead: string, unless?: RegExp }[]} */
export const HABITS = [
  {
    name: "person-subject",
    start: true,
    pattern: /^(?:who(?:ever)?|whom|whose|those (?:that|who|which)|he who)\b/i,
    unless: /\?["”)]*$|\bwho may (?:call|use|read)\b/i,
    instead: "the thing as subject: Queued calls keep the process alive",
  },
  {
    name: "whoever",
    pattern: /\b(?:whoever|whom|for who|of who|to who)\b/i,
    instead: "clients, callers, the handler",
  },
  {
    name: "what-subject",
    start: true,
    pattern: /^what (?!(?:to|next|else|happens)\b)[a-z]/i,
    unless: /\?["”)]*$/,
    instead: "a noun: The result is validated",
  },
  {
    name: "what-noun",
    pattern:
      /\bwhat (?:is|was|are) (?:not|no|left|there)\b|\bwhat would\b|\b(?:all|anything|nothing) what\b/i,
    instead: "a noun: missing fields, other requests",
  },
  {
    name: "is-no",
    pattern:
      /(?<!\b[Tt]here )\b(?:is|are|was|were|be) (?:no|none)\b(?! (?:longer|more|less|later|larger|earlier|sooner|faster|slower|deeper)\b)/,
    instead: "is not a valid X, invalid, missing",
  },
  {
    name: "so-long",
    pattern:
      /\b(?:for|after|up to|in|has|have|had|every|by) so (?:long|many|much|few)\b(?! (?:as|that)\b)|\bso (?:long|many|much) (?:to|until|without|at a time)\b/i,
    instead: "the quantity: maximum time to …, in ms",
  },
  {
    name: "that-clause",
    start: true,
    pattern: /^that (?:there|a|an|the|no|it|one|this|these|each|every)\b/i,
    instead: "a main clause: Succeeds if the app does not exist",
  },
  {
    name: "of-those",
    start: true,
    pattern: /^(?:of (?:those|these|them|what|all)\b|.{0,20}\bof those (?:that|who|which)\b)/i,
    instead: "a list: Three settings have defaults",
  },
  {
    name: "in-vain",
    pattern: /\bin vain\b|\bfor want of\b/i,
    instead: "would miss their deadline, without",
  },
  { name: "likes", pattern: /\blikes? its\b/i, instead: "is faster with, needs" },
  { name: "mend", pattern: /\bmend(?:s|ed|ing)?\b/i, instead: "fix, repair" },
  {
    name: "told",
    pattern: /\btold\b|\btells? (?:of|about|it|him|them|so)\b/i,
    instead: "reported, informed, sent",
  },
  {
    name: "goes-on",
    pattern: /\b(?:go|goes|going|went|gone) on\b(?! (?:a|an|the|every|each|all|its|port|one|standard|npm)\b)/,
    instead: "continues, proceeds",
  },
  { name: "gone", pattern: /\bgone\b(?! on\b)/, unless: /\b410\b/, instead: "closed, removed, disconnected" },
  {
    name: "stands",
    pattern:
      /\b(?:stands|stood)\b(?! for\b|-)|\b(?:to|can|may|must|could|would|will|they|that) stand\b(?! for\b|-)/i,
    instead: "is written, is listed, comes",
  },
  {
    name: "all-the-same",
    pattern: /\ball the same\b/i,
    instead: "anyway, still",
  },
  {
    name: "counts",
    pattern: /\bcounts(?=[.;,]|$)|\bthat is set counts\b|\bcounts as none\b/i,
    unless: /\b(?:large|all|the|their) counts\b/i,
    instead: "is used, takes precedence, is ignored",
  },
  {
    name: "left-out",
    start: true,
    pattern: /^left out,|^not given,|^given, /i,
    instead: "If omitted, …",
  },
  {
    name: "line",
    pattern:
      /\b(?:waiting[- ]lines?|(?:stands?|waits?|waiting|wait|places?|room) in (?:a|the|one|its|their) line\b|(?:joins?|leaves?) (?:a|the|its|their) line\b|lines? (?:before|for) (?:all|each|its)|one line for all)\b/i,
    unless: /\b(?:text|log|NDJSON|standard|output|stack|source|command|file|page|comment|first|last)\b/i,
    instead: "queue",
  },
  {
    name: "cut",
    pattern: /\b(?:cut|cuts|cutting)\b/i,
    unless: /\bcuts? (?:each line out|short)\b/,
    instead: "batch plan; abort, close, truncate",
  },
  { name: "tally", pattern: /\btall(?:y|ies|ied|ying)\b/i, instead: "metrics, count" },
  {
    name: "place",
    pattern: /\b(?:calling[- ]place|names? the place|place of (?:its|the|a) call|which place)\b/i,
    instead: "source location, path",
  },
  { name: "guest", pattern: /\bguests?\b/i, instead: "runtime" },
  { name: "travel", pattern: /\btravell?(?:s|ed|ing|ers?)?\b/i, instead: "serialize, is sent" },
  { name: "outlet", pattern: /\boutlets?\b/i, instead: "sink" },
  { name: "attendance", pattern: /\battendances?\b/i, instead: "abortable wait" },
  { name: "turn-away", pattern: /\bturn(?:s|ed|ing)? (?:\w+ )?away\b/i, instead: "reject" },
];
