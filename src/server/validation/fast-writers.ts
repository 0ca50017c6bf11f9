import type { Schema as FastJsonSchema } from "fast-json-stringify";
import { eachSubschema, type SchemaNode } from "../../routes/schema-walk.ts";
import { loadFastJsonStringify } from "../packages.ts";
import { fastSchema, ordinary } from "./fast-schema.ts";

/** Writes the valid results of one schema. */
export interface FastWriter {
  /** Whether the writer can write a result that fits: it has no `toJSON()`, maps or promises. */
  isOrdinary(value: unknown): boolean;
  /** The result as JSON, without fields that the schema lacks. */
  write(value: unknown): string;
  /** Compiles what the first call of {@link write} would. */
  prepare(): void;
}

/** Number of levels up to which fast-json-stringify certainly compiles a schema. */
const MOST_LEVELS = 50;

function isDeep(node: SchemaNode, levels = 0): boolean {
  if (levels > MOST_LEVELS) return true;
  let found = false;
  eachSubschema(node, (subschema) => (found ||= isDeep(subschema, levels + 1)));
  return found;
}

/** Creates the writers of schemas. Schemas whose results are written alike share the compiled code. */
export class FastWriters {
  readonly #compiled = new Map<string, (value: unknown) => string>();

  /** Undefined for a schema that is not fast: see {@link fastSchema}. */
  create(document: SchemaNode): FastWriter | undefined {
    const fast = fastSchema(document);
    if (fast === undefined || isDeep(fast)) return undefined;
    let write: ((value: unknown) => string) | undefined;
    const compiled = (): ((value: unknown) => string) => (write ??= this.#compile(fast));
    return {
      isOrdinary: ordinary(fast) ?? (() => true),
      write: (value) => compiled()(value),
      prepare: () => void compiled(),
    };
  }

  #compile(fast: SchemaNode): (value: unknown) => string {
    const text = JSON.stringify(fast);
    let write = this.#compiled.get(text);
    if (write === undefined) {
      write = loadFastJsonStringify().default(fast as unknown as FastJsonSchema);
      this.#compiled.set(text, write);
    }
    return write;
  }
}
