import type { StreamEvent } from "../../routes/stream-event.ts";

/** How the items of a stream are written. */
export interface StreamFormat {
  readonly contentType: string;
  /** Sent while there is no item; readers skip it. */
  readonly heartbeat: string;
  /** Writes an item, given as JSON. */
  item(json: string): string;
  /** Writes an event; "" if the format can't carry it. */
  event(event: StreamEvent<unknown>, serialize: (data: unknown) => string): string;
  /** Writes the error that ends a stream. */
  error(body: object): string;
}

/** Server-sent events. */
export const EVENTS: StreamFormat = {
  contentType: "text/event-stream; charset=utf-8",
  heartbeat: ": heartbeat\n\n",
  item: (json) => `data: ${json}\n\n`,
  event({ head, data, text }, serialize) {
    if (text !== undefined) return `${head}data: ${text.replaceAll(LINE_BREAK, "\ndata: ")}\n\n`;
    return data === undefined ? `${head}\n` : `${head}data: ${serialize(data)}\n\n`;
  },
  error: (body) => `event: error\ndata: ${JSON.stringify(body)}\n\n`,
};

/** The line breaks of server-sent events. */
const LINE_BREAK = /\r\n|\r|\n/g;

/** The media types of lines that each hold one JSON value. */
const LINE_TYPES = ["application/x-ndjson", "application/jsonl"] as const;

function linesOf(contentType: string): StreamFormat {
  return {
    contentType,
    heartbeat: " ", // JSON allows white space before a value; many parsers reject an empty line
    item: (json) => `${json}\n`,
    event: ({ data }, serialize) => (data === undefined ? "" : `${serialize(data)}\n`),
    error: (body) => `${JSON.stringify({ error: body })}\n`,
  };
}

const LINES = LINE_TYPES.map(linesOf);
const IS_FOR_LINES = /ndjson|jsonl/i;

/**
 * The format that a request asks for with its header `accept`: lines if it prefers their type to server-sent events,
 * otherwise server-sent events.
 */
export function formatFor(accept: string | undefined): StreamFormat {
  if (accept === undefined || !IS_FOR_LINES.test(accept)) return EVENTS;
  const weights = new Map<string, number>();
  for (const range of accept.toLowerCase().split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    const weight = parameters.find((each) => each.startsWith("q="))?.slice(2);
    weights.set(type, weight === undefined ? 1 : Number(weight));
  }
  const weightOf = (type: string): number => weights.get(type) ?? 0;
  const [first, second] = LINES;
  const best = LINE_TYPES.map(weightOf);
  const index = (best[1] ?? 0) > (best[0] ?? 0) ? 1 : 0;
  const lines = index === 1 ? second : first;
  const weight = best[index] ?? 0;
  if (lines === undefined || !(weight > 0)) return EVENTS;
  const isNamed = weights.has("text/event-stream");
  const other = isNamed ? weightOf("text/event-stream") : Math.max(weightOf("text/*"), weightOf("*/*"));
  if (weight !== other) return weight > other ? lines : EVENTS;
  // Equal weights: a type that is named precedes a wildcard, otherwise the first one is used.
  const names = [...weights.keys()];
  const isFirst = names.indexOf(LINE_TYPES[index] ?? "") < names.indexOf("text/event-stream");
  return !isNamed || isFirst ? lines : EVENTS;
}
