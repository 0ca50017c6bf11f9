import { isSchemaNode, type SchemaNode } from "../../routes/schema-walk.ts";
import { Applicators } from "./applicators.ts";
import { listOf, mapOf } from "./canonical-nodes.ts";
import type { CanonicalSchema } from "./canonical.ts";
import { Discriminators } from "./discriminators.ts";
import { isFields, readField, writeField, type Fields } from "./fields.ts";
import type { KeyPattern } from "./object-steps.ts";
import { patternTest } from "./patterns/refusal.ts";

/** All schemas that may speak of a value at some place, whether they apply to this one or not. */
interface Place {
  readonly nodes: readonly SchemaNode[];
  readonly names: ReadonlyMap<string, Place>;
  readonly patterns: readonly (readonly [KeyPattern, Place])[];
  readonly rest: Place | undefined;
  readonly items: readonly Place[];
}

/**
 * Compiles what asks every `toJSON()` of a result, wherever its schema looks: a `Date` is judged as the text that it
 * goes out as. What holds none is given back as it is, else a copy. What no schema names is not looked at: it may be
 * anything, and is dropped in the end.
 */
export function compileSettle({ root, definitions }: CanonicalSchema): (value: unknown) => unknown {
  const settler = new Settler(
    new Applicators(definitions, { matches: () => true, discriminators: new Discriminators(definitions) }),
  );
  const place = settler.place([root]);
  return (value) => settler.settle(place, value, "");
}

class Settler {
  readonly #applicators: Applicators;
  readonly #places = new Map<string, Place>();
  readonly #ids = new Map<SchemaNode, number>();

  constructor(applicators: Applicators) {
    this.#applicators = applicators;
  }

  settle(place: Place, value: unknown, key: string): unknown {
    if (typeof value !== "object" || value === null) return value;
    const told = toldBy(value, key);
    if (Array.isArray(told)) return this.#list(place, told);
    return isFields(told) ? this.#fields(place, told) : told;
  }

  #list(place: Place, list: readonly unknown[]): unknown {
    if (place.items.length === 0) return list;
    let copy: unknown[] | undefined;
    for (let index = 0; index < list.length; index++) {
      const inner = place.items[Math.min(index, place.items.length - 1)] as Place;
      const settled = this.settle(inner, list[index], String(index));
      if (settled !== list[index]) (copy ??= Array.from(list))[index] = settled;
    }
    return copy ?? list;
  }

  #fields(place: Place, fields: Fields): unknown {
    let copy: Fields | undefined;
    const settle = (key: string, inner: Place): void => {
      const item = readField(fields, key);
      if (typeof item !== "object" || item === null) return;
      const settled = this.settle(inner, item, key);
      if (settled !== item) writeField((copy ??= this.#copyOf(place, fields)), key, settled);
    };
    for (const [key, inner] of place.names) settle(key, inner);
    if (place.rest === undefined && place.patterns.length === 0) return copy ?? fields;
    for (const key of Object.keys(fields)) {
      if (place.names.has(key)) continue;
      const matching = place.patterns.find(([pattern]) => pattern.test(key))?.[1] ?? place.rest;
      if (matching !== undefined) settle(key, matching);
    }
    return copy ?? fields;
  }

  /** What the schema may read of an object: its own fields, and what a class's getters say under names that count. */
  #copyOf(place: Place, fields: Fields): Fields {
    const copy: Fields = {};
    for (const key of Object.keys(fields)) writeField(copy, key, fields[key]);
    for (const key of place.names.keys()) {
      const item = readField(fields, key);
      if (item !== undefined) writeField(copy, key, item);
    }
    return copy;
  }

  place(nodes: readonly SchemaNode[]): Place {
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
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const names = new Map<string, Place>();
    const patterns: [KeyPattern, Place][] = [];
    const items: Place[] = [];
    const place: { -readonly [Key in keyof Place]: Place[Key] } = {
      ...{ nodes: [...all], names, patterns, rest: undefined, items },
    };
    this.#places.set(key, place); // before its parts: they may lead back here
    const parts = place.nodes;
    for (const name of new Set(parts.flatMap((part) => Object.keys(mapOf(part["properties"]))))) {
      names.set(name, this.place(schemasOf(parts, (part) => schemaAt(part, name))));
    }
    const rest = schemasOf(parts, (part) => [part["additionalProperties"], part["unevaluatedProperties"]]);
    if (rest.length > 0) place.rest = this.place(rest);
    for (const pattern of new Set(parts.flatMap((part) => Object.keys(mapOf(part["patternProperties"]))))) {
      const schemas = schemasOf(parts, (part) => [mapOf(part["patternProperties"])[pattern]]);
      patterns.push([{ test: patternTest(pattern) }, this.place([...schemas, ...rest])]);
    }
    items.push(...this.#itemsOf(parts));
    return place;
  }

  /** The places of lists, the last of which stands for all that follow. */
  #itemsOf(parts: readonly SchemaNode[]): Place[] {
    const length = Math.max(0, ...parts.map((part) => tupleOf(part).length));
    const places = Array.from({ length: length + 1 }, (_, index) =>
      schemasOf(parts, (part) => {
        return [tupleOf(part)[index] ?? part["items"], part["contains"], part["unevaluatedItems"]];
      }),
    );
    return places.every((schemas) => schemas.length === 0)
      ? []
      : places.map((schemas) => this.place(schemas));
  }

  #idOf(node: SchemaNode): number {
    let id = this.#ids.get(node);
    if (id === undefined) this.#ids.set(node, (id = this.#ids.size));
    return id;
  }
}

/** What a value's toJSON() makes of it; an invalid Date and bytes stay what they are, to be refused as that. */
function toldBy(value: object, key: string): unknown {
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
