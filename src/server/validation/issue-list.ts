import { endOfList, MAX_ANSWER_BYTES } from "../../answers.ts";
import type { ValidationIssue } from "../../errors.ts";

/** Thrown when the answer is full, to end the search. */
export const ANSWER_FULL: unique symbol = Symbol("answer full");

/** A location in a value: the last key, and the location of its parent. */
export interface IssueLocation {
  readonly from: IssueLocation | undefined;
  readonly key: string | number;
  readonly depth: number;
}

/** The location of a part of a value. */
export function childLocation(from: IssueLocation | undefined, key: string | number): IssueLocation {
  return { from, key, depth: from === undefined ? 1 : from.depth + 1 };
}

/** An issue without its location. */
export type Fault = Omit<ValidationIssue, "loc">;

/** Maximum length of a key in a location: keys are the caller's. */
const MAX_KEY = 200;
/** Maximum number of keys in a location; the first and last ones of a longer one are shown. */
const MAX_KEYS = 40;
const MAX_TEXT = 1200;
/** Bytes for the closing entry and the JSON around the list. */
const RESERVE = 512;

/** The issues of one answer, without duplicates, as many as it has room for. */
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
    const msg = truncate(fault.msg, MAX_TEXT);
    const loc = locationOf(at);
    // The members of an intersection may report the same issue.
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

  /** @param why the reason why issues were omitted, if any */
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
  for (let step: IssueLocation | undefined = at; step !== undefined; step = step.from) keys.push(step.key);
  keys.reverse();
  const shown =
    keys.length <= MAX_KEYS ? keys : [...keys.slice(0, MAX_KEYS / 2), "…", ...keys.slice(-MAX_KEYS / 2)];
  return shown.map((key) => (typeof key === "string" ? truncate(key, MAX_KEY) : key));
}

function bounded(ctx: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(ctx).map(([key, value]) => [
      key,
      typeof value === "string" ? truncate(value, MAX_TEXT) : value,
    ]),
  );
}

function truncate(text: string, length: number): string {
  if (text.length <= length) return text;
  return `${text.slice(0, length - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}

/** Replaces a value that the answer has no room for. */
const OMITTED = "<omitted: too large>";

/** Maximum size of one value, in bytes of JSON. */
const MAX_VALUE_BYTES = 16 * 1024;

/**
 * Shows invalid values to the caller as JSON, whatever their type, within the room of the answer. A hostile body could
 * otherwise have its nested parts repeated at every level.
 */
export class Excerpts {
  #room: number;
  /** Bytes that may be spent on values that turn out to be too large. */
  #tries: number;
  #left = 0;

  /** @param room maximum size of all excerpts of one answer, in bytes of JSON */
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
