import { isSchemaNode, type SchemaNode } from "../../routes/schema-walk.ts";
import { Applicators } from "./applicators.ts";
import { listOf, mapOf } from "./canonical-nodes.ts";
import type { CanonicalSchema } from "./canonical.ts";
import { Discriminators } from "./discriminators.ts";
import { isFields, readField, writeField, type Fields } from "./json-values.ts";
import type { KeyPattern } from "./normalizer-steps.ts";
import { patternTest } from "./patterns/pattern-safety.ts";

/** The schemas that may apply to a value, whether or not they apply to this one, with the plans of its parts. */
interface ConversionPlan {
  readonly nodes: readonly SchemaNode[];
  readonly names: ReadonlyMap<string, ConversionPlan>;
  readonly patterns: readonly (readonly [KeyPattern, ConversionPlan])[];
  readonly rest: ConversionPlan | undefined;
  readonly items: readonly ConversionPlan[];
}

/**
 * Compiles a function that calls `toJSON()` wherever the schema describes a result: a `Date` is validated as the text
 * that it is sent as. Values without `toJSON()` are returned unchanged, others are copied. Parts without a schema are
 * not converted: they are dropped later.
 */
export function compileJsonConversion({ root, definitions }: CanonicalSchema): (value: unknown) => unknown {
  const converter = new JsonConverter(
    new Applicators(definitions, { matches: () => true, discriminators: new Discriminators(definitions) }),
  );
  const plan = converter.plan([root]);
  return (value) => converter.convert(plan, value, "");
}

class JsonConverter {
  readonly #applicators: Applicators;
  readonly #plans = new Map<string, ConversionPlan>();
  readonly #ids = new Map<SchemaNode, number>();

  constructor(applicators: Applicators) {
    this.#applicators = applicators;
  }

  convert(plan: ConversionPlan, value: unknown, key: string): unknown {
    if (typeof value !== "object" || value === null) return value;
    const json = callToJson(value, key);
    if (Array.isArray(json)) return this.#list(plan, json);
    return isFields(json) ? this.#fields(plan, json) : json;
  }

  #list(plan: ConversionPlan, list: readonly unknown[]): unknown {
    if (plan.items.length === 0) return list;
    let copy: unknown[] | undefined;
    for (let index = 0; index < list.length; index++) {
      const inner = plan.items[Math.min(index, plan.items.length - 1)] as ConversionPlan;
      const converted = this.convert(inner, list[index], String(index));
      if (converted !== list[index]) (copy ??= Array.from(list))[index] = converted;
    }
    return copy ?? list;
  }

  #fields(plan: ConversionPlan, fields: Fields): unknown {
    let copy: Fields | undefined;
    const convert = (key: string, inner: ConversionPlan): void => {
      const item = readField(fields, key);
      if (typeof item !== "object" || item === null) return;
      const converted = this.convert(inner, item, key);
      if (converted !== item) writeField((copy ??= this.#copyOf(plan, fields)), key, converted);
    };
    for (const [key, inner] of plan.names) convert(key, inner);
    if (plan.rest === undefined && plan.patterns.length === 0) return copy ?? fields;
    for (const key of Object.keys(fields)) {
      if (plan.names.has(key)) continue;
      const matching = plan.patterns.find(([pattern]) => pattern.test(key))?.[1] ?? plan.rest;
      if (matching !== undefined) convert(key, matching);
    }
    return copy ?? fields;
  }

  /** The fields of an object that the schema may read: own fields, and getters of a class that the schema names. */
  #copyOf(plan: ConversionPlan, fields: Fields): Fields {
    const copy: Fields = {};
    for (const key of Object.keys(fields)) writeField(copy, key, fields[key]);
    for (const key of plan.names.keys()) {
      const item = readField(fields, key);
      if (item !== undefined) writeField(copy, key, item);
    }
    return copy;
  }

  plan(nodes: readonly SchemaNode[]): ConversionPlan {
    const all = new Set<SchemaNode>();
    const read = (node: SchemaNode): void => {
      for (const part of this.#applicators.parts(node)) {
        if (all.has(part)) continue;
        all.add(part);
        for (const branch of this.#applicators.branches(part)) read(branch);
      }
    };
    nodes.forEach(read);
    const key = [...all].map((node) => this.#idOf(node)).join();
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    const names = new Map<string, ConversionPlan>();
    const patterns: [KeyPattern, ConversionPlan][] = [];
    const items: ConversionPlan[] = [];
    const plan: { -readonly [Key in keyof ConversionPlan]: ConversionPlan[Key] } = {
      ...{ nodes: [...all], names, patterns, rest: undefined, items },
    };
    this.#plans.set(key, plan); // stored before its parts are planned: they may refer to it
    const parts = plan.nodes;
    for (const name of new Set(parts.flatMap((part) => Object.keys(mapOf(part["properties"]))))) {
      names.set(name, this.plan(schemasOf(parts, (part) => schemaAt(part, name))));
    }
    const rest = schemasOf(parts, (part) => [part["additionalProperties"], part["unevaluatedProperties"]]);
    if (rest.length > 0) plan.rest = this.plan(rest);
    for (const pattern of new Set(parts.flatMap((part) => Object.keys(mapOf(part["patternProperties"]))))) {
      const schemas = schemasOf(parts, (part) => [mapOf(part["patternProperties"])[pattern]]);
      patterns.push([{ test: patternTest(pattern) }, this.plan([...schemas, ...rest])]);
    }
    items.push(...this.#itemsOf(parts));
    return plan;
  }

  /** The plans of list items; the last one applies to all further items. */
  #itemsOf(parts: readonly SchemaNode[]): ConversionPlan[] {
    const length = Math.max(0, ...parts.map((part) => tupleOf(part).length));
    const plans = Array.from({ length: length + 1 }, (_, index) =>
      schemasOf(parts, (part) => {
        return [tupleOf(part)[index] ?? part["items"], part["contains"], part["unevaluatedItems"]];
      }),
    );
    return plans.every((schemas) => schemas.length === 0) ? [] : plans.map((schemas) => this.plan(schemas));
  }

  #idOf(node: SchemaNode): number {
    let id = this.#ids.get(node);
    if (id === undefined) this.#ids.set(node, (id = this.#ids.size));
    return id;
  }
}

/** The result of `toJSON()`. An invalid Date and bytes are returned unchanged, so that validation refuses them. */
function callToJson(value: object, key: string): unknown {
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON !== "function" || ArrayBuffer.isView(value)) return value;
  if (value instanceof Date && Number.isNaN(value.getTime())) return value;
  return (toJSON as (key: string) => unknown).call(value, key);
}

function schemaAt(part: SchemaNode, name: string): unknown[] {
  const patterns = Object.entries(mapOf(part["patternProperties"]))
    .filter(([pattern]) => patternTest(pattern)(name))
    .map(([, schema]) => schema);
  const properties = mapOf(part["properties"]);
  const own = Object.hasOwn(properties, name) ? [properties[name]] : [];
  return [...own, ...patterns, part["additionalProperties"]];
}

function tupleOf(part: SchemaNode): readonly unknown[] {
  return listOf(part["prefixItems"]);
}

function schemasOf(
  parts: readonly SchemaNode[],
  read: (part: SchemaNode) => readonly unknown[],
): SchemaNode[] {
  return parts.flatMap(read).filter(isSchemaNode);
}
