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
