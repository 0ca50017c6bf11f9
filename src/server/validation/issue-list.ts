import { endOfList, MAX_ANSWER_BYTES } from "../../answers.ts";
import type { ValidationIssue } from "../../errors.ts";
import { Echo, OMITTED } from "./echo.ts";

/** Thrown once the answer is full: nobody has to look any further. */
export const ANSWER_FULL: unique symbol = Symbol("answer full");

/** A place in a value: the last step, and where it was taken from. */
export interface Place {
  readonly from: Place | undefined;
  readonly key: string | number;
  readonly depth: number;
}

/** The place of a part of what is at another. */
export function below(from: Place | undefined, key: string | number): Place {
  return { from, key, depth: from === undefined ? 1 : from.depth + 1 };
}

/** A fault, as it was found. */
export type Fault = Omit<ValidationIssue, "loc">;

/** Keys are the caller's, and as long as it likes. */
const MAX_KEY = 200;
/** Keys that a place is told by, the first and the last ones where it is deeper. */
const MAX_KEYS = 40;
const MAX_TEXT = 1200;
/** For the last entry, and what is around the list. */
const RESERVE = 512;

/** The faults of one answer: each once, as many as it has room for. */
export class IssueList {
  readonly #issues: ValidationIssue[] = [];
  readonly #seen = new Set<string>();
  readonly #echo = new Echo();
  #room = MAX_ANSWER_BYTES - RESERVE;

  get isEmpty(): boolean {
    return this.#issues.length === 0;
  }

  /** @throws ANSWER_FULL */
  add(fault: Fault, at: Place): void {
    const { type, input, ctx } = fault;
    const msg = cut(fault.msg, MAX_TEXT);
    const loc = locationOf(at);
    // The members of an intersection may find the same fault at the same place.
    const key = JSON.stringify([type, loc, msg]);
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    const issue: ValidationIssue = { type, loc, msg };
    if ("input" in fault) issue.input = this.#echo.show(input);
    if (ctx !== undefined) issue.ctx = bounded(ctx);
    if (!this.#fits(issue)) {
      if (issue.input === undefined) throw ANSWER_FULL;
      issue.input = OMITTED;
      if (!this.#fits(issue)) throw ANSWER_FULL;
    }
    this.#issues.push(issue);
  }

  /** @param why what was left out, where something was. */
  finish(why: "full" | "work" | undefined): ValidationIssue[] {
    return why === undefined
      ? this.#issues
      : [...this.#issues, endOfList(why, this.#issues[0]?.loc.slice(0, 1))];
  }

  #fits(issue: ValidationIssue): boolean {
    const bytes = Buffer.byteLength(JSON.stringify(issue)) + 1;
    if (bytes > this.#room) return false;
    this.#room -= bytes;
    return true;
  }
}

function locationOf(at: Place): (string | number)[] {
  const keys: (string | number)[] = [];
  for (let place: Place | undefined = at; place !== undefined; place = place.from) keys.push(place.key);
  keys.reverse();
  const told =
    keys.length <= MAX_KEYS ? keys : [...keys.slice(0, MAX_KEYS / 2), "…", ...keys.slice(-MAX_KEYS / 2)];
  return told.map((key) => (typeof key === "string" ? cut(key, MAX_KEY) : key));
}

function bounded(ctx: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(ctx).map(([key, value]) => [
      key,
      typeof value === "string" ? cut(value, MAX_TEXT) : value,
    ]),
  );
}

function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  return `${text.slice(0, length - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}
