import type { Ajv2020, ValidateFunction } from "ajv/dist/2020.js";
import type { SchemaNode } from "../../routes/schema-walk.ts";
import { createAjv } from "./ajv.ts";

/** Compiles schemas with Ajv. Schemas that are the same share a function, whichever routes they belong to. */
export class SchemaCompiler {
  readonly #create: () => Pick<Ajv2020, "compile">;
  readonly #compiled = new Map<string, ValidateFunction>();
  #ajv: Pick<Ajv2020, "compile"> | undefined;

  /** @param create called when the first schema is compiled */
  constructor(create: () => Pick<Ajv2020, "compile"> = createAjv) {
    this.#create = create;
  }

  compile(document: SchemaNode): ValidateFunction {
    const text = textOf(document);
    const known = text === undefined ? undefined : this.#compiled.get(text);
    if (known !== undefined) return known;
    const fits = (this.#ajv ??= this.#create()).compile(document);
    if (text !== undefined) this.#compiled.set(text, fits);
    return fits;
  }
}

/** A schema as JSON; undefined if it holds a value that JSON would change, such as a function or a Date. */
function textOf(document: SchemaNode): string | undefined {
  let isExact = true;
  const text = JSON.stringify(
    document,
    function (this: Readonly<Record<string, unknown>>, key, value: unknown) {
      isExact &&= value === this[key] && isJson(value); // otherwise toJSON() was called
      return value;
    },
  );
  return isExact ? text : undefined;
}

function isJson(value: unknown): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value);
    case "object": {
      if (value === null || Array.isArray(value)) return true;
      const prototype: unknown = Object.getPrototypeOf(value);
      return prototype === Object.prototype || prototype === null;
    }
    default:
      return false;
  }
}
