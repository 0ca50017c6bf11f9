import { endOfList, MAX_ANSWER_BYTES } from "../../answers.ts";
import type { ValidationIssue } from "../../errors.ts";

/** Thrown once the answer is full: nobody has to look any further. */
export const ANSWER_FULL: unique symbol = Symbol("answer full");

/** A place in a value: the last step, and where it was taken from. */
export interface IssueLocation {
  readonly from: IssueLocation | undefined;
  readonly key: string | number;
  readonly depth: number;
}

/** The place of a part of what is at another. */
export function childLocation(from: IssueLocation | undefined, key: string | number): IssueLocation {
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
  readonly #excerpts = new Excerpts();
  #room = MAX_ANSWER_BYTES - RESERVE;

  get isEmpty(): boolean {
    return this.#issues.length === 0;
  }

  /** @throws ANSWER_FULL */
  add(fault: Fault, at: IssueLocation): void {
    const { type, input, ctx } = fault;
    const msg = cut(fault.msg, MAX_TEXT);
    const loc = locationOf(at);
    // The members of an intersection may find the same fault at the same place.
    const key = JSON.stringify([type, loc, msg]);
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    const issue: ValidationIssue = { type, loc, msg };
    if ("input" in fault) issue.input = this.#excerpts.show(input);
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

function locationOf(at: IssueLocation): (string | number)[] {
  const keys: (string | number)[] = [];
  for (let place: IssueLocation | undefined = at; place !== undefined; place = place.from)
    keys.push(place.key);
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

/** What is shown in place of a value that the answer has no room for. */
export const OMITTED = "<omitted: too large>";

/** So many bytes of JSON are shown of one value. */
const MAX_VALUE_BYTES = 16 * 1024;

/**
 * Shows an offending value back to the caller: as JSON, whatever it was, and never more of it than the answer has
 * room for. A hostile body could otherwise have its nested parts repeated at every level.
 */
export class Excerpts {
  #room: number;
  /** What may be spent on values that turn out to be too large. */
  #tries: number;
  #left = 0;

  /** @param room how many bytes of JSON all echoes of one answer may take together. */
  constructor(room: number = 32 * 1024) {
    this.#room = room;
    this.#tries = 8 * room;
  }

  show(value: unknown): unknown {
    const room = Math.min(this.#room, MAX_VALUE_BYTES, this.#tries);
    this.#left = room;
    try {
      const shown = this.#copy(value);
      this.#room -= room - this.#left;
      return shown;
    } catch (error) {
      if (error !== NO_ROOM) throw error;
      this.#tries -= room;
      return OMITTED;
    }
  }

  #copy(value: unknown): unknown {
    this.#take(1);
    switch (typeof value) {
      case "string":
        return this.#text(value);
      case "number":
        return Number.isFinite(value) ? this.#number(value) : this.#text(String(value));
      case "boolean":
        this.#take(5);
        return value;
      case "object":
        return value === null ? null : this.#structure(value);
      case "undefined":
        return null;
      default:
        return this.#text(String(value)); // bigint, symbol, function
    }
  }

  #number(value: number): number {
    this.#take(String(value).length);
    return value;
  }

  #text(text: string): string {
    if (text.length > this.#left) throw NO_ROOM;
    const shown = text.replaceAll(LONE_SURROGATE, "?");
    this.#take(Buffer.byteLength(JSON.stringify(shown)));
    return shown;
  }

  #structure(value: object): unknown {
    this.#take(2);
    if (ArrayBuffer.isView(value)) return this.#text(`<binary ${value.byteLength} bytes>`);
    if (Array.isArray(value)) {
      if (value.length > this.#left) throw NO_ROOM;
      return value.map((item) => this.#copy(item));
    }
    if (value instanceof Date)
      return this.#text(Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString());
    const copy: [string, unknown][] = [];
    const fields = value as Readonly<Record<string, unknown>>;
    for (const key of Object.keys(fields)) {
      if (fields[key] !== undefined) copy.push([this.#text(key), this.#copy(fields[key])]);
    }
    return Object.fromEntries(copy);
  }

  #take(bytes: number): void {
    if ((this.#left -= bytes) < 0) throw NO_ROOM;
  }
}

const NO_ROOM = new Error("no room");
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
