import {
  Alphabet,
  overlap,
  type CharacterSet,
  buildAutomaton,
  TooLargeError,
  type Automaton,
  type State,
} from "./automaton.ts";
import { parsePattern, type Part } from "./syntax.ts";

/** Growth of the matching time with the text's length. */
export type Complexity = "linear" | "polynomial" | "exponential";

/** Maximum number of paths through bounded loops that is considered safe. */
const FEW_WAYS = 4096;
const MAX_STATES = 2000;
/** Maximum number of search steps; a more complex pattern counts as unsafe. */
const MAX_STEPS = 1_000_000;

/**
 * Determines how many paths a backtracking engine may try: two paths through a loop for one text (`(a+)+`, `(a|a)*`)
 * take exponential time, two loops that can share a text (`\d+\d+$`; the search for the first state is a loop, too)
 * polynomial time.
 */
export function patternComplexity(source: string): Complexity {
  try {
    return judgePart(parsePattern(source), new Alphabet(source), false);
  } catch (error) {
    if (error instanceof TooLargeError) return "exponential"; // undecided, so assumed unsafe
    throw error;
  }
}

function judgePart(part: Part, alphabet: Alphabet, isLook: boolean): Complexity {
  const inner = new Set(looksWithin(part).map((look) => judgePart(look, alphabet, true)));
  if (inner.has("exponential")) return "exponential";
  const searches = !isLook && !beginsAtStart(part);
  const ways = new Ways(buildAutomaton(part, MAX_STATES), alphabet, {
    searches,
    // Without an assertion after it that can fail, the engine stops at the first path.
    endsAnywhere: !has(part, ["end", "boundary", "look", "backreference"]),
  });
  if (has(part, ["backreference"]) && ways.hasLoops) return "exponential";
  if (ways.twoWaysThroughLoop() || ways.tooManyWays()) return "exponential";
  if (inner.has("polynomial") || ways.loopsShareText()) return "polynomial";
  return looksInLoops(part, searches) ? "polynomial" : "linear";
}

/** The paths through an automaton. */
class Ways {
  readonly #states: readonly State[];
  readonly #sets: readonly CharacterSet[];
  readonly #loops: readonly (readonly number[])[];
  readonly #loopOf = new Map<number, number>();
  readonly #accepting: ReadonlySet<number>;
  readonly #first: readonly number[];
  readonly #searches: boolean;
  #steps = 0;

  constructor(automaton: Automaton, alphabet: Alphabet, kind: { searches: boolean; endsAnywhere: boolean }) {
    const states = [...automaton.states];
    this.#searches = kind.searches;
    if (kind.searches) {
      const next = new Map(automaton.first);
      next.set(states.length, 1);
      states.push({ source: "[^]", bound: Infinity, next });
    }
    this.#first = kind.searches ? [states.length - 1] : [...automaton.first.keys()];
    this.#states = states;
    this.#sets = states.map(({ source }) => alphabet.setOf(source));
    this.#accepting = new Set(kind.endsAnywhere ? automaton.last.keys() : []);
    if (kind.endsAnywhere && automaton.matchesEmpty) this.#first = [];
    this.#loops = this.#findLoops();
    for (const [index, loop] of this.#loops.entries())
      for (const state of loop) this.#loopOf.set(state, index);
  }

  get hasLoops(): boolean {
    return this.#loops.length > (this.#searches ? 1 : 0);
  }

  /** Whether a text leads from a state back to it on two paths: each iteration doubles the number of paths. */
  twoWaysThroughLoop(): boolean {
    return this.#loops.some((loop) => {
      const inside = new Set(loop);
      const fails = loop.some((state) => !this.#accepting.has(state));
      if (!fails) return false;
      for (const state of loop) {
        for (const [next, count] of this.#next(state)) if (inside.has(next) && count > 1) return true;
      }
      const pairs = this.#reach(
        loop.map((state) => [state, state]),
        [inside, inside],
      );
      return [...pairs.values()].some(
        (pair) =>
          pair[0] !== pair[1] &&
          [...this.#reach([pair], [inside, inside]).values()].some(([one, other]) => one === other),
      );
    });
  }

  /** Whether nested bounded repetitions have too many paths, like an unsafe loop. */
  tooManyWays(): boolean {
    const characters = this.#sets[0]?.length ?? 0;
    for (let character = 0; character < characters; character++) {
      let ways = new Map<number, number>(this.#first.map((state) => [state, 1] as const));
      let total = 0;
      for (let length = 0; length < 100 && ways.size > 0; length++) {
        const next = new Map<number, number>();
        for (const [state, count] of ways) {
          if (!this.#sets[state]?.[character] || this.#bound(state) === Infinity) continue;
          total += count;
          for (const [target, more] of this.#next(state)) {
            this.#spend();
            next.set(target, (next.get(target) ?? 0) + count * more);
          }
        }
        if (total > FEW_WAYS * 16) return true;
        ways = next;
      }
    }
    return false;
  }

  /** Whether a text can be divided between two loops at any character. */
  loopsShareText(): boolean {
    const shares = new Map<number, number[]>();
    for (const [index, loop] of this.#loops.entries()) {
      const later = new Set(this.#reach(loop.map((state) => [state])).values());
      const states = new Set([...later].map(([state]) => state as number));
      for (const [other, otherLoop] of this.#loops.entries()) {
        if (index === other || !otherLoop.some((state) => states.has(state))) continue;
        if (this.#shareText(loop, otherLoop)) shares.set(index, [...(shares.get(index) ?? []), other]);
      }
    }
    const boundOf = (loop: number): number =>
      Math.max(...(this.#loops[loop] ?? []).map((state) => this.#bound(state)));
    // Along a chain of loops that share text, the numbers of paths multiply. The longest loop does not count, because
    // it only contributes the length of the text.
    const follow = (loop: number, product: number, largest: number): boolean => {
      this.#spend();
      const bound = boundOf(loop);
      const [all, most] = [product * Math.min(bound, largest), Math.max(bound, largest)];
      return all > FEW_WAYS || (shares.get(loop) ?? []).some((next) => follow(next, all, most));
    };
    return [...shares.keys()].some((loop) => follow(loop, 1, 1));
  }

  #shareText(one: readonly number[], other: readonly number[]): boolean {
    const [inOne, inOther] = [new Set(one), new Set(other)];
    return one.some((from) => {
      if (this.#accepting.has(from)) return false;
      return other.some((to) => {
        if (this.#accepting.has(to)) return false;
        const triples = this.#reach([[from, from, to]], [inOne, undefined, inOther]);
        return triples.has(`${from},${to},${to}`);
      });
    });
  }

  /** All tuples of states that one text can reach from the given ones, each within its allowed set. */
  #reach(
    from: readonly (readonly number[])[],
    within: readonly (ReadonlySet<number> | undefined)[] = [],
  ): Map<string, readonly number[]> {
    const found = new Map<string, readonly number[]>();
    const pending = [...from];
    for (let tuple = pending.pop(); tuple !== undefined; tuple = pending.pop()) {
      let nexts: number[][] = [[]];
      for (const [index, state] of tuple.entries()) {
        const allowed = [...this.#next(state).keys()].filter((next) => within[index]?.has(next) ?? true);
        nexts = nexts.flatMap((begun) => allowed.map((next) => [...begun, next]));
      }
      for (const next of nexts) {
        this.#spend();
        const key = next.join();
        if (found.has(key) || !overlap(...next.map((state) => this.#sets[state] as CharacterSet))) continue;
        found.set(key, next);
        pending.push(next);
      }
    }
    return found;
  }

  /** Strongly connected groups of states. */
  #findLoops(): number[][] {
    const reaches = this.#states.map((_, state) => {
      const seen = new Set<number>();
      const pending = [state];
      for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
        for (const next of this.#next(at).keys()) {
          this.#spend();
          if (!seen.has(next)) {
            seen.add(next);
            pending.push(next);
          }
        }
      }
      return seen;
    });
    const loops: number[][] = [];
    const done = new Set<number>();
    for (const [state, reached] of reaches.entries()) {
      if (done.has(state) || !reached.has(state)) continue;
      const loop = [...reached].filter((other) => reaches[other]?.has(state));
      for (const other of loop) done.add(other);
      loops.push(loop);
    }
    return loops;
  }

  #next(state: number): ReadonlyMap<number, number> {
    return this.#states[state]?.next ?? new Map<number, number>();
  }

  #bound(state: number): number {
    return this.#states[state]?.bound ?? 0;
  }

  #spend(): void {
    if (++this.#steps > MAX_STEPS) throw new TooLargeError();
  }
}

/** Whether the pattern can match only at the start of the text. */
function beginsAtStart(part: Part): boolean {
  switch (part.kind) {
    case "start":
      return true;
    case "choice":
      return part.parts.every(beginsAtStart);
    case "sequence": {
      const first = part.parts.find(({ kind }) => kind !== "look");
      return first !== undefined && beginsAtStart(first);
    }
    case "repeat":
      return part.min > 0 && beginsAtStart(part.part);
    default:
      return false;
  }
}

function partsOf(part: Part): readonly Part[] {
  if (part.kind === "sequence" || part.kind === "choice") return part.parts;
  return part.kind === "repeat" || part.kind === "look" ? [part.part] : [];
}

/** Whether the pattern contains a part of such a kind outside of lookarounds. */
function has(part: Part, kinds: readonly Part["kind"][]): boolean {
  return (
    kinds.includes(part.kind) || (part.kind !== "look" && partsOf(part).some((inner) => has(inner, kinds)))
  );
}

function looksWithin(part: Part): readonly Part[] {
  return part.kind === "look" ? [part.part] : partsOf(part).flatMap(looksWithin);
}

/** Whether an unbounded lookaround is evaluated in a loop. */
function looksInLoops(part: Part, inLoop: boolean): boolean {
  if (part.kind === "look") return inLoop && repeatsForEver(part.part);
  const repeats = part.kind === "repeat" && part.max > WRITTEN_OUT_LOOKS;
  return partsOf(part).some((inner) => looksInLoops(inner, inLoop || repeats));
}

const WRITTEN_OUT_LOOKS = 64;

function repeatsForEver(part: Part): boolean {
  return (part.kind === "repeat" && part.max > FEW_WAYS) || partsOf(part).some(repeatsForEver);
}
