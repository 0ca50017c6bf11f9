import type { Part } from "./syntax.ts";

/** A state, which consumes one character. */
export interface State {
  readonly source: string;
  /** Maximum number of iterations of the loops around the state; 0 outside of loops. */
  readonly bound: number;
  /** The successor states, with the number of paths to each. */
  readonly next: Map<number, number>;
}

/** A pattern as an automaton. */
export interface Automaton {
  readonly states: readonly State[];
  /** The initial states. */
  readonly first: ReadonlyMap<number, number>;
  /** The accepting states. */
  readonly last: ReadonlyMap<number, number>;
  readonly matchesEmpty: boolean;
  /** The automaton is equivalent to the pattern: no counts or lookarounds were dropped. */
  readonly isExact: boolean;
}

/** The pattern has too many states to analyse. */
export class TooLargeError extends Error {}

/** Repetitions up to this number are unrolled; others become loops. */
const WRITTEN_OUT = 8;

interface Built {
  readonly first: Map<number, number>;
  readonly last: Map<number, number>;
  /** The number of ways to match the empty text. */
  readonly empty: number;
}

const NOTHING: Built = { first: new Map(), last: new Map(), empty: 1 };

/**
 * @param writtenOut repetitions up to this number are unrolled
 * @throws TooLargeError
 */
export function buildAutomaton(
  pattern: Part,
  maxStates: number,
  writtenOut: number = WRITTEN_OUT,
): Automaton {
  const states: State[] = [];
  let isExact = true;

  const build = (part: Part, bound: number): Built => {
    switch (part.kind) {
      case "character": {
        const index = states.push({ source: part.source, bound, next: new Map() }) - 1;
        if (states.length > maxStates) throw new TooLargeError();
        return { first: new Map([[index, 1]]), last: new Map([[index, 1]]), empty: 0 };
      }
      case "sequence":
        return part.parts.reduce((before: Built, next) => join(before, build(next, bound)), NOTHING);
      case "choice":
        return part.parts.map((one) => build(one, bound)).reduce(either);
      case "repeat":
        return repeat(part.part, part.min, part.max, bound);
      case "start":
      case "end":
        return NOTHING;
      default:
        isExact = false;
        return NOTHING;
    }
  };

  const connect = (from: Built, to: Built): void => {
    for (const [source, out] of from.last) {
      const { next } = states[source] as State;
      for (const [target, into] of to.first) add(next, target, out * into);
    }
  };

  const join = (before: Built, after: Built): Built => {
    connect(before, after);
    return {
      first: merge(before.first, after.first, before.empty),
      last: merge(after.last, before.last, after.empty),
      empty: before.empty * after.empty,
    };
  };

  const repeat = (part: Part, min: number, max: number, bound: number): Built => {
    if (max === 0) return NOTHING;
    if (max <= writtenOut) {
      let built = NOTHING;
      // From the end, so that each optional iteration contains all later ones: `x{1,3}` is `x(x(x)?)?`.
      for (let count = max; count > 0; count--) {
        built = join(build(part, bound), built);
        if (count > min) built = optional(built);
      }
      return built;
    }
    if (max === Infinity && min > 1 && min <= writtenOut) {
      return join(repeat(part, min - 1, min - 1, bound), repeat(part, 1, Infinity, bound));
    }
    if (min > 1 || max !== Infinity) isExact = false;
    const body = build(part, Math.max(bound, max));
    connect(body, body);
    // If required iterations may be empty, the next character can belong to this iteration or to a later one: there are
    // two ways.
    if (min > 1 && body.empty > 0) connect(body, body);
    return min === 0 ? optional(body) : body;
  };

  const { first, last, empty } = build(pattern, 0);
  return { states, first, last, matchesEmpty: empty > 0, isExact };
}

/** Engines skip empty iterations of a loop, so there is one way to match nothing. */
function optional({ first, last }: Built): Built {
  return { first, last, empty: 1 };
}

function either(one: Built, other: Built): Built {
  return {
    first: merge(one.first, other.first, 1),
    last: merge(one.last, other.last, 1),
    empty: one.empty + other.empty,
  };
}

function merge(
  one: ReadonlyMap<number, number>,
  other: ReadonlyMap<number, number>,
  ways: number,
): Map<number, number> {
  const all = new Map(one);
  if (ways > 0) for (const [state, count] of other) add(all, state, count * ways);
  return all;
}

function add(map: Map<number, number>, key: number, count: number): void {
  map.set(key, Math.min((map.get(key) ?? 0) + count, 1000));
}

/** Representative characters, in addition to those that a pattern names. */
const SAMPLES = [..."a9A_ \n\r\t-.@:/%+é中Яαאعक😀\u{10FFFF}\u2028\u00a0\0!\"#$&'()*,;<=>?[\\]^`{|}~zZ05fFgG"];

/** A set of sample characters, as flags by position. */
export type CharacterSet = readonly boolean[];

/** Represents character classes as sets of sample characters, to test whether two of them overlap. */
export class Alphabet {
  readonly #characters: readonly string[];
  readonly #sets = new Map<string, CharacterSet>();

  constructor(source: string) {
    const named = [...source].flatMap((character) => {
      const code = character.codePointAt(0) as number;
      return [code - 1, code, code + 1];
    });
    for (const [, hex = ""] of source.matchAll(/\\(?:x|u\{?)([0-9a-fA-F]+)/g)) {
      const code = Number.parseInt(hex, 16);
      named.push(code - 1, code, code + 1);
    }
    const codes = new Set(named.filter((code) => code >= 0 && code <= 0x10ffff));
    if (/\\p/i.test(source)) for (let code = 0; code < 0x3100; code += 7) codes.add(code);
    this.#characters = [...new Set([...SAMPLES, ...[...codes].map((code) => String.fromCodePoint(code))])];
  }

  /** The set of a single-character pattern: `a`, `\d`, `[^x]`. */
  setOf(source: string): CharacterSet {
    let set = this.#sets.get(source);
    if (set === undefined) {
      const pattern = new RegExp(`^(?:${source})$`, "u");
      set = this.#characters.map((character) => pattern.test(character));
      this.#sets.set(source, set);
    }
    return set;
  }

  /** The number of sample characters. */
  get size(): number {
    return this.#characters.length;
  }
}

/** Whether the sets have a character in common. */
export function overlap(...sets: readonly CharacterSet[]): boolean {
  const [first = [], ...others] = sets;
  return first.some((has, index) => has && others.every((set) => set[index]));
}
