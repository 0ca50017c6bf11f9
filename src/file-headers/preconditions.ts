/** The version of a file, which conditional requests name. */
export interface Validators {
  /** With its quotes; undefined if the file has none. */
  readonly etag: string | undefined;
  /** Time of the last change, in ms since 1970. */
  readonly modifiedMs: number;
  /** Whether the time is precise enough to tell two versions apart. */
  readonly isSettled: boolean;
}

/** The headers of a request that set conditions, with names in lower case. */
type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>;

/**
 * Evaluates the conditions of a GET or HEAD request in the order of RFC 9110, section 13.2.2.
 * @returns 412 or 304 if a condition decides the answer, otherwise undefined
 */
export function evaluateConditions(headers: RequestHeaders, validators: Validators): 304 | 412 | undefined {
  const { etag } = validators;
  const modified = wholeSeconds(validators.modifiedMs);
  const ifMatch = textOf(headers["if-match"]);
  const unmodifiedSince = dateOf(headers["if-unmodified-since"]);
  if (ifMatch !== undefined) {
    if (!listMatches(ifMatch, etag, areStronglyEqual)) return 412;
  } else if (unmodifiedSince !== undefined && modified > unmodifiedSince) return 412;
  const ifNoneMatch = textOf(headers["if-none-match"]);
  const modifiedSince = dateOf(headers["if-modified-since"]);
  if (ifNoneMatch !== undefined) return listMatches(ifNoneMatch, etag, areWeaklyEqual) ? 304 : undefined;
  return modifiedSince !== undefined && modified <= modifiedSince ? 304 : undefined;
}

/** Whether a range may be sent: there is no `if-range`, or it names the current version. */
export function isRangeCurrent(headers: RequestHeaders, validators: Validators): boolean {
  const condition = textOf(headers["if-range"]);
  if (condition === undefined) return true;
  const { etag } = validators;
  if (condition.includes('"')) return etag !== undefined && areStronglyEqual(condition.trim(), etag);
  return validators.isSettled && dateOf(condition) === wholeSeconds(validators.modifiedMs);
}

function listMatches(
  list: string,
  etag: string | undefined,
  areEqual: (one: string, other: string) => boolean,
): boolean {
  if (list.trim() === "*") return true;
  if (etag === undefined) return false;
  return (list.match(/(?:W\/)?"[^"]*"/g) ?? []).some((each) => areEqual(each, etag));
}

function areStronglyEqual(one: string, other: string): boolean {
  return one === other && !one.startsWith("W/");
}

function areWeaklyEqual(one: string, other: string): boolean {
  return one.replace(/^W\//, "") === other.replace(/^W\//, "");
}

/** HTTP dates have no fractions of seconds. */
function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}

function dateOf(header: string | string[] | undefined): number | undefined {
  const ms = Date.parse(textOf(header) ?? "");
  return Number.isNaN(ms) ? undefined : ms;
}

function textOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(",") : header;
}
