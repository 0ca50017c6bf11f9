/** Why a value does not fit a setting. */
export class Misfit {
  /** The expected kind of value, such as "a whole number of at least 1". */
  readonly expected: string;
  /** The value in words. */
  readonly got: string;
  /** Path of the misfit inside the setting, such as "[1]"; empty if the whole value does not fit. */
  readonly path: string;

  constructor(expected: string, got: string, path = "") {
    this.expected = expected;
    this.got = got;
    this.path = path;
  }

  /** The same misfit with the path of the enclosing list item or field put in front. */
  within(path: string): Misfit {
    return new Misfit(this.expected, this.got, `${path}${this.path}`);
  }
}

/** Returns the value to keep, copied where the caller could change it later, or a {@link Misfit}. */
export type Check<Value = unknown> = (value: unknown) => Value | Misfit;

/** The type of the values that a check lets through. */
export type Checked<C> = C extends (value: unknown) => infer Result ? Exclude<Result, Misfit> : never;

/** The longest delay of a Node timer, about 24.8 days, in seconds. */
export const MAX_SECONDS = Math.floor((2 ** 31 - 1) / 1000);

export function misfit(expected: string, value: unknown): Misfit {
  return new Misfit(expected, shown(value));
}

/** A value as text for a message: data as JSON, at most 80 characters; for other values, their type. */
export function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  try {
    const text = JSON.stringify(value) ?? String(value);
    return text.length <= 80 ? text : `${text.slice(0, 80)}…`;
  } catch {
    return `a value of type ${typeof value}`;
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Throws an error about an invalid option. The caller chooses its class and the text before the message. */
export type Refuse = (message: string) => never;

/** Refuses a value that does not pass the check. @param refuse throws an error with the message */
export function assertFits(name: string, value: unknown, check: Check, refuse: Refuse): void {
  const result = check(value);
  if (!(result instanceof Misfit)) return;
  refuse(`${name}${result.path} must be ${result.expected}, got ${result.got}.`);
}

export const flag: Check<boolean> = (value) =>
  typeof value === "boolean" ? value : misfit("true or false", value);

export function text(example?: string): Check<string> {
  const expected = example === undefined ? "a text" : `a text, such as "${example}"`;
  return (value) => (typeof value === "string" && value.trim() !== "" ? value : misfit(expected, value));
}

export function texts(example?: string): Check<readonly string[]> {
  const expected = example === undefined ? "a list of texts" : `a list of texts, such as ["${example}"]`;
  return (value) => readList(value, expected, text(example));
}

export function textMatching(pattern: RegExp, expected: string): Check<string> {
  return (value) => (typeof value === "string" && pattern.test(value) ? value : misfit(expected, value));
}

export function wholeNumber(minimum: number, maximum = Number.MAX_SAFE_INTEGER): Check<number> {
  const isOpen = maximum >= Number.MAX_SAFE_INTEGER;
  const expected = `a whole number ${isOpen ? "of at least" : "from"} ${minimum}${isOpen ? "" : ` to ${maximum}`}`;
  return (value) =>
    typeof value === "number" && Number.isInteger(value) && value >= minimum && value <= maximum
      ? value
      : misfit(expected, value);
}

export const positive: Check<number> = (value) =>
  typeof value === "number" && value > 0 && Number.isFinite(value)
    ? value
    : misfit("a positive number", value);

/** Seconds, fractions included, that a timer can wait. */
export const seconds: Check<number> = (value) =>
  typeof value === "number" && value > 0 && value <= MAX_SECONDS
    ? value
    : misfit(`a positive number of seconds, at most ${MAX_SECONDS}`, value);

export function oneOf<const Value extends string | number>(...values: readonly Value[]): Check<Value> {
  const names = values.map((value) => JSON.stringify(value));
  const expected = names.length <= 2 ? names.join(" or ") : `one of ${names.join(", ")}`;
  return (value) => (values.includes(value as Value) ? (value as Value) : misfit(expected, value));
}

export function readList<Item>(
  value: unknown,
  expected: string,
  check: Check<Item>,
): readonly Item[] | Misfit {
  if (!Array.isArray(value)) return misfit(expected, value);
  const items: Item[] = [];
  // By index, to find holes.
  for (let index = 0; index < value.length; index++) {
    const item = check(value[index]);
    if (item instanceof Misfit) return item.within(`[${index}]`);
    items.push(item);
  }
  return Object.freeze(items);
}
