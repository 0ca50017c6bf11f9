import type { Ajv, ValidateFunction } from "ajv";
import type { SchemaNode } from "../../routes/schema-walk.ts";
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
      fits = ajv.compile(this.#documentOf(node));
      this.#compiled.set(node, fits);
    }
    return fits;
  }
}
