import type { SchemaNode } from "../../routes/schema-walk.ts";

/** Thrown when the budget is used up. */
export const OUT_OF_BUDGET: unique symbol = Symbol("out of work");

/** Minimum budget, about a millisecond: a small body may violate many rules. */
export const BASE_STEPS = 5000;
/** Steps for each unit of the value's size: the work stays below five times the parsing time. */
export const STEPS_PER_SIZE = 3;

/** Counts the steps spent on one value, and caches results about its parts. */
export class WorkBudget {
  readonly limit: number;
  #steps = 0;
  readonly #found = new Map<SchemaNode, Map<object, boolean>>();

  constructor(limit: number) {
    this.limit = limit;
  }

  /** For validation, which always ends with a result. */
  static unlimited(): WorkBudget {
    return new WorkBudget(Infinity);
  }

  /** For finding issues: proportional to the value. */
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

/** Number of characters that cost about as much as one value. */
const CHARACTERS_A_STEP = 16;

/**
 * The size of a value in steps: one for each value and key, and some for long texts. Roughly proportional to its
 * parsing time.
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

/** Maximum size. Inputs are never larger, but a result may contain itself and would be walked forever. */
const MAX_SIZE = 100_000_000;
