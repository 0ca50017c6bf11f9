import type { Ajv, SchemaValidateFunction } from "ajv";
import { BYTES, type BytesLimits } from "../../routes/bytes.ts";

/** Teaches Ajv the keyword of `bytes()`. A fault tells in `params` what is wrong: the type, or a limit. */
export function addBytesKeyword(ajv: Ajv): void {
  const validate: SchemaValidateFunction = (
    { minBytes = 0, maxBytes = Infinity }: BytesLimits,
    value: unknown,
  ) => {
    const params = faultOf(value, minBytes, maxBytes);
    validate.errors = params === undefined ? [] : [{ keyword: BYTES, message: "must be bytes", params }];
    return params === undefined;
  };
  ajv.addKeyword({ keyword: BYTES, schemaType: "object", errors: true, validate });
}

function faultOf(value: unknown, minBytes: number, maxBytes: number): Record<string, number> | undefined {
  if (!(value instanceof Uint8Array)) return {};
  if (value.byteLength < minBytes) return { minBytes };
  return value.byteLength > maxBytes ? { maxBytes } : undefined;
}
