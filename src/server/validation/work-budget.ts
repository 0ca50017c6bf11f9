import type { SchemaNode } from "../../routes/schema-walk.ts";

/** Whoever looks for reasons has looked long enough. */
export const OUT_OF_BUDGET: unique symbol = Symbol("out of work");

/** Steps that are always to be had, about a millisecond: a small body may break many rules. */
export const BASE_STEPS = 5000;
/** Steps for each step that the value itself is large: a fraction of five times what parsing has taken. */
export const STEPS_PER_SIZE = 3;

/** How much is done about one value, and what was found about its parts. */
export class WorkBudget {
  readonly limit: number;
  #steps = 0;
  readonly #found = new Map<SchemaNode, Map<object, boolean>>();

  constructor(limit: number) {
    this.limit = limit;
  }

  /** For judging: a value gets its answer, whatever it takes. */
  static unlimited(): WorkBudget {
    return new WorkBudget(Infinity);
  }

  /** For explaining: in proportion to the value. */
  static proportionalTo(value: unknown): WorkBudget {
    return new WorkBudget(BASE_STEPS + STEPS_PER_SIZE * sizeOf(value));
  }

  get steps(): number {
    return this.#steps;
  }

  /** @throws OUT_OF_BUDGET */
  step(count: number = 1): void {
    this.#steps += count;
    if (this.#steps > this.limit) throw OUT_OF_BUDGET;
  }

  found(node: SchemaNode, value: object): boolean | undefined {
    return this.#found.get(node)?.get(value);
  }

  remember(node: SchemaNode, value: object, fits: boolean): void {
    let ofNode = this.#found.get(node);
    if (ofNode === undefined) this.#found.set(node, (ofNode = new Map()));
    ofNode.set(value, fits);
  }
}

/** How many characters of a text cost about as much as one value does. */
const CHARACTERS_A_STEP = 16;

/**
 * How much there is of a value, in steps: one for each value and key in it, and some for long texts. About what
 * parsing it has cost.
 */
export function sizeOf(root: unknown): number {
  let size = 0;
  const pending: unknown[] = [root];
  while (pending.length > 0) {
    const value = pending.pop();
    size++;
    if (typeof value === "string") size += Math.ceil(value.length / CHARACTERS_A_STEP);
    else if (Array.isArray(value)) for (const item of value) pending.push(item);
    else if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
      for (const key in value) {
        size += 1 + Math.ceil(key.length / CHARACTERS_A_STEP);
        pending.push((value as Record<string, unknown>)[key]);
      }
    }
    if (size > MAX_SIZE) return size;
  }
  return size;
}

/** Nothing larger arrives; a result may hold itself. */
const MAX_SIZE = 100_000_000;
