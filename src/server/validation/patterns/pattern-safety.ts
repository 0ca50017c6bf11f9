import { isSchemaNode, type SchemaNode } from "../../../routes/schema-walk.ts";
import { matches } from "../formats.ts";
import { patternComplexity, type Complexity } from "./ambiguity.ts";
import { linearTest } from "./linear.ts";

/** Keyword by which an author declares the patterns of a node safe. */
export const TRUSTED_PATTERN = "x-servable-trusted-pattern";

/** Maximum length of a text for an unsafe pattern that the linear test can handle. */
const MAX_BOUND = 100_000;
/** Maximum lengths where only the regex engine can match the pattern, in polynomial and in exponential time. */
const MAX_POWER_BOUND = 256;
const MAX_SMALL_BOUND = 12;

interface Judged {
  readonly complexity: Complexity;
  readonly linear: ((text: string) => boolean) | undefined;
}

const judged = new Map<string, Judged>();

function judge(source: string): Judged {
  let known = judged.get(source);
  if (known === undefined) {
    const complexity = patternComplexity(source);
    known = { complexity, linear: complexity === "linear" ? undefined : linearTest(source) };
    judged.set(source, known);
  }
  return known;
}

/** Creates the test of a pattern: the regex engine, or the linear test for an unsafe pattern. */
export function patternTest(source: string): (text: string) => boolean {
  const { linear } = judge(source);
  if (linear !== undefined) return linear;
  const pattern = new RegExp(source, "u");
  return (text) => matches(pattern, text);
}

/** Whether only a limited text length keeps the matching time of a pattern low. */
export function needsBound(source: string): boolean {
  const { complexity, linear } = judge(source);
  return complexity !== "linear" && linear === undefined;
}

/**
 * The reason why the patterns of a node are refused: some dozens or thousands of characters could take minutes.
 * Undefined for safe patterns.
 */
export function patternFault(node: SchemaNode): string | undefined {
  if (node[TRUSTED_PATTERN] === true) return undefined;
  const { pattern, patternProperties, propertyNames } = node;
  if (typeof pattern === "string") {
    const fault = faultOf(pattern, node["maxLength"], "maxLength");
    if (fault !== undefined) return fault;
  }
  const bound = isSchemaNode(propertyNames) ? propertyNames["maxLength"] : undefined;
  for (const key of Object.keys(isSchemaNode(patternProperties) ? patternProperties : {})) {
    const fault = faultOf(key, bound, "propertyNames: { maxLength }");
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function faultOf(source: string, bound: unknown, keyword: string): string | undefined {
  const { complexity, linear } = judge(source);
  if (complexity === "linear") return undefined;
  const most =
    linear !== undefined ? MAX_BOUND : complexity === "polynomial" ? MAX_POWER_BOUND : MAX_SMALL_BOUND;
  if (typeof bound === "number" && bound <= most) return undefined;
  return (
    `the pattern ${JSON.stringify(source)} can go back over one text in too many ways, and a request could keep ` +
    `the server busy with it; say it so that each text fits in one way, add ${keyword} of at most ${most}, or ` +
    `vouch for it with "${TRUSTED_PATTERN}": true`
  );
}
