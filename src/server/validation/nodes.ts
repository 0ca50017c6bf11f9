import type { Ajv, ValidateFunction } from "ajv";
import { mapSubschemas, type SchemaNode } from "../../routes/schema-walk.ts";
import { documentOf, type CanonicalSchema } from "./canonical.ts";
import { namesInherited, onlyOwn } from "./own-fields.ts";

/** Compiles a schema, and single nodes of it, each once. */
export class NodeCompiler {
  readonly #ajv: Ajv;
  readonly #documentOf: (node: SchemaNode) => SchemaNode;
  readonly #compiled = new Map<SchemaNode, ValidateFunction>();

  constructor(ajv: Ajv, { root, definitions }: CanonicalSchema) {
    this.#ajv = ajv;
    if ([root, ...Object.values(definitions)].some(namesInherited)) {
      const own = Object.fromEntries(
        Object.entries(definitions).map(([name, node]) => [name, onlyOwn(node)]),
      );
      this.#documentOf = (node) => documentOf(onlyOwn(node), own);
    } else this.#documentOf = (node) => documentOf(node, definitions);
  }

  /** @param ajv the one to compile with, where it is not the usual one. */
  compile(node: SchemaNode, ajv = this.#ajv): ValidateFunction {
    let fits = this.#compiled.get(node);
    if (fits === undefined) {
      const document = this.#documentOf(node);
      fits = ajv.compile(document);
      if (comparesObjects(document)) fits = comparing(fits);
      this.#compiled.set(node, fits);
    }
    return fits;
  }
}

/** Whether objects are compared: with what is listed, or with each other. */
function comparesObjects(node: SchemaNode): boolean {
  const { uniqueItems, enum: listed = [], const: only } = node;
  let found =
    uniqueItems === true || [only, ...(listed as unknown[])].some((value) => typeof value === "object");
  mapSubschemas(node, (subschema) => (found ||= comparesObjects(subschema)));
  return found;
}

/**
 * Ajv compares objects by calling their `toString` and `valueOf`, which fails on fields of those names. Whatever holds
 * them is refused: it hardly means well.
 */
function comparing(fits: ValidateFunction): ValidateFunction {
  const careful = (value: unknown): boolean => {
    try {
      return fits(value);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      const fault = { keyword: "equality", message: "can't be compared", params: {} };
      fits.errors = [{ ...fault, instancePath: "", schemaPath: "" }];
      return false;
    }
  };
  return Object.defineProperty(careful, "errors", { get: () => fits.errors }) as unknown as ValidateFunction;
}
