import type { Ajv, Options } from "ajv";
import { loadAjv, loadAjvFormats } from "../packages.ts";
import { addBytesKeyword } from "./bytes-keyword.ts";
import { isFields } from "./fields.ts";
import { OWN_FIELDS } from "./own-fields.ts";

/**
 * An Ajv that takes values for nothing but what they are, and knows the framework's own keywords. Give
 * `validateSchema: false` where schemas have been held against the schema of schemas before: compiling that one takes
 * longer than anything else.
 */
export function createAjv(options: Pick<Options, "allErrors" | "validateSchema"> = {}): Ajv {
  const ajv = new (loadAjv().Ajv)({
    strict: false,
    strictNumbers: true,
    multipleOfPrecision: 9, // 0.3 is a multiple of 0.1, though 0.3 / 0.1 is not whole
    logger: false,
    ...options,
  });
  loadAjvFormats().default(ajv);
  // The package's own pattern takes line breaks, and runs out of stack on some megabytes.
  ajv.addFormat("byte", { type: "string", validate: isBase64 });
  addBytesKeyword(ajv);
  ajv.addKeyword({
    keyword: OWN_FIELDS,
    schemaType: "array",
    validate: (names: readonly string[], value: unknown) =>
      !isFields(value) || names.every((name) => Object.hasOwn(value, name) && value[name] !== undefined),
  });
  return ajv;
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}
