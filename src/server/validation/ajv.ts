import type { Ajv2020, AnySchema, Options } from "ajv/dist/2020.js";
import { BYTES, type BytesLimits } from "../../routes/bytes.ts";
import { MEDIA, type MediaRule } from "../../routes/media-rule.ts";
import { loadAjv } from "../packages.ts";
import { areUnique, memberOf } from "./equality.ts";
import { isFields } from "./json-values.ts";
import { FORMAT_NAMES, formatCheck } from "./formats.ts";
import { patternTest } from "./patterns/pattern-safety.ts";
import { bytesFault } from "./rules.ts";

/** Keyword: a field of the value selects the branch of a long union; the other branches are not checked. */
export const DECIDED = "x-servable-decided";

/**
 * Keyword: the value is in this list, which is checked by a look-up. Ajv's `enum` compares the value with each item,
 * and objects recursively.
 */
export const ONE_OF = "x-servable-one-of";

/**
 * Keyword: all of these schemas apply, and each is a function of its own. The engine doesn't optimize very long
 * functions.
 */
export const PARTS = "x-servable-parts";

/** Keyword: these are own fields of the object. Ajv's `required` accepts inherited ones such as `toString`. */
export const OWN_FIELDS = "x-servable-own";

/**
 * Creates an Ajv that coerces no types and knows the framework's own keywords. Schemas have been checked before, so Ajv
 * does not validate them: compiling its meta-schema takes longer than anything else.
 */
export function createAjv(): Ajv2020 {
  const ajv = new (loadAjv().Ajv2020)({
    strict: false,
    strictNumbers: true,
    multipleOfPrecision: 9, // 0.3 is a multiple of 0.1, though 0.3 / 0.1 is not whole
    logger: false,
    validateSchema: false,
    meta: false,
    messages: false, // the issue finder writes its own
    // Without Ajv's passes over its code, compiling takes two thirds of the time, and the engine makes as fast code.
    code: { regExp: patternEngine, optimize: false },
  });
  // The checker handles unevaluated fields and items; tracking them in Ajv would slow down every other schema.
  ajv.opts.unevaluated = false;
  for (const name of FORMAT_NAMES) {
    const { type, fits } = formatCheck(name);
    if (type === "number") ajv.addFormat(name, { type, validate: (value: number) => fits(value) });
    else ajv.addFormat(name, { type, validate: (value: string) => fits(value) });
  }
  ajv.addKeyword({
    keyword: BYTES,
    schemaType: "object",
    validate: (limits: BytesLimits, value: unknown) => bytesFault(limits, value) === undefined,
  });
  ajv.addKeyword({
    keyword: MEDIA,
    schemaType: "object",
    validate: (rule: MediaRule, value: unknown) => rule.fits(value),
  });
  // Ajv's own keyword compares all pairs of items.
  ajv.removeKeyword("uniqueItems").addKeyword({
    keyword: "uniqueItems",
    type: "array",
    schemaType: "boolean",
    validate: (wanted: boolean, items: readonly unknown[]) => !wanted || areUnique(items),
  });
  ajv.addKeyword({
    keyword: DECIDED,
    type: "object",
    schemaType: "object",
    compile: ({ fits }: { fits: (value: unknown) => boolean }) => fits,
  });
  ajv.addKeyword({
    keyword: PARTS,
    type: "object",
    schemaType: "array",
    compile: (schemas: readonly AnySchema[]) => {
      const parts = schemas.map((schema) => ajv.compile(schema));
      return (value: unknown) => {
        for (const fits of parts) if (!fits(value)) return false;
        return true;
      };
    },
  });
  ajv.addKeyword({ keyword: ONE_OF, schemaType: "array", compile: memberOf });
  ajv.addKeyword({
    keyword: OWN_FIELDS,
    schemaType: "array",
    validate: (names: readonly string[], value: unknown) =>
      !isFields(value) || names.every((name) => Object.hasOwn(value, name) && value[name] !== undefined),
  });
  return ajv;
}

const patternEngine: NonNullable<NonNullable<Options["code"]>["regExp"]> = Object.assign(
  (source: string) => ({ test: patternTest(source), toString: () => `/${source}/` }) as unknown as RegExp,
  { code: "servablePattern" },
);
