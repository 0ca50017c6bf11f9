import type { Schema as FastJsonSchema } from "fast-json-stringify";
import { eachSubschema, type SchemaNode } from "../../routes/schema-walk.ts";
import { loadFastJsonStringify } from "../packages.ts";
import { fastSchema, ordinary } from "./fast-schema.ts";
import { compileFieldCopy } from "./field-copy.ts";
import type { Step } from "./normalizer-steps.ts";

/** Writes the valid results of one schema. */
export interface FastWriter {
  /** Whether the writer can write a result that fits: it has no `toJSON()`, maps or promises. */
  isOrdinary(value: unknown): boolean;
  /** The result as JSON, without fields that the schema lacks. */
  write(value: unknown): string;
  /** Compiles what the first call of {@link write} would. */
  prepare(): void;
  /** Copies the declared fields of a result, with their defaults; undefined for very wide objects. */
  readonly copy: Step | undefined;
}

/** Number of levels up to which fast-json-stringify certainly compiles a schema. */
const MOST_LEVELS = 50;

function isDeep(node: SchemaNode, levels = 0): boolean {
  if (levels > MOST_LEVELS) return true;
  let found = false;
  eachSubschema(node, (subschema) => (found ||= isDeep(subschema, levels + 1)));
  return found;
}

type Write = (value: unknown) => string;

function compile(fast: SchemaNode): Write {
  return loadFastJsonStringify().default(fast as unknown as FastJsonSchema);
}

/** Number of fields of an object from which it is written in parts, and of those of a part. */
const MANY_FIELDS = 200;
const FIELDS_OF_PART = 100;

/**
 * Compiles an object of many fields in parts: the engine doesn't optimize very long functions. Undefined for any other
 * schema.
 */
function inParts({ type, properties, required, nullable }: SchemaNode): Write | undefined {
  const demanded = new Set(required as readonly string[] | undefined);
  const fields = Object.entries((properties ?? {}) as SchemaNode);
  if (type !== "object" || nullable === true || fields.length < MANY_FIELDS) return undefined;
  const first = fields.filter(([key]) => demanded.has(key)); // as fast-json-stringify sorts them
  const sorted = [...first, ...fields.filter(([key]) => !demanded.has(key))];
  const parts: Write[] = [];
  for (let start = 0; start < sorted.length; start += FIELDS_OF_PART) {
    const some = sorted.slice(start, start + FIELDS_OF_PART);
    const names = some.map(([key]) => key).filter((key) => demanded.has(key));
    parts.push(compile({ type, properties: Object.fromEntries(some), required: names }));
  }
  return (value) => {
    let text = "";
    for (const write of parts) {
      const part = write(value).slice(1, -1);
      if (part !== "") text += text === "" ? part : `,${part}`;
    }
    return `{${text}}`;
  };
}

/** Creates the writers of schemas. Schemas whose results are written alike share the compiled code. */
export class FastWriters {
  readonly #compiled = new Map<string, Write>();

  /** Undefined for a schema that is not fast: see {@link fastSchema}. */
  create(document: SchemaNode): FastWriter | undefined {
    const fast = fastSchema(document);
    if (fast === undefined || isDeep(fast)) return undefined;
    let write: Write | undefined;
    let copying: { step: Step | undefined } | undefined;
    const compiled = (): Write => (write ??= this.#compile(fast));
    return {
      isOrdinary: ordinary(fast) ?? (() => true),
      write: (value) => compiled()(value),
      prepare: () => void compiled(),
      get copy() {
        return (copying ??= { step: compileFieldCopy(fast) }).step;
      },
    };
  }

  #compile(fast: SchemaNode): Write {
    const text = JSON.stringify(fast);
    let write = this.#compiled.get(text);
    if (write === undefined) this.#compiled.set(text, (write = inParts(fast) ?? compile(fast)));
    return write;
  }
}
