import type { Ajv2020 } from "ajv/dist/2020.js";
import { BYTES, type BytesLimits } from "../../routes/bytes.ts";

/** Teaches Ajv the keyword of `bytes()`. */
export function addBytesKeyword(ajv: Ajv2020): void {
  ajv.addKeyword({
    keyword: BYTES,
    schemaType: "object",
    validate: (limits: BytesLimits, value: unknown) => bytesFault(limits, value) === undefined,
  });
}

/** What is wrong with a value: the type, or the limit that it breaks. Undefined where it fits. */
export function bytesFault(
  { minBytes = 0, maxBytes = Infinity }: BytesLimits,
  value: unknown,
): Record<string, number> | undefined {
  if (!(value instanceof Uint8Array)) return {};
  if (value.byteLength < minBytes) return { minBytes };
  return value.byteLength > maxBytes ? { maxBytes } : undefined;
}
