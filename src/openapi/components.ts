import { isDeepStrictEqual } from "node:util";
import type { TSchema } from "typebox";
import { DefinitionError } from "../errors.ts";
import {
  isSchemaNode,
  literalValues,
  mapSubschemas,
  refName,
  type SchemaNode,
} from "../routes/schema-walk.ts";
import type { RouteSignature } from "../routes/signature.ts";
import { pascalCase, titleWords } from "./titles.ts";
import { VALIDATION_SCHEMAS } from "./validation-schemas.ts";

/** The schemas of a document, by name, with every reference between them written `NAME#`. */
export interface Components {
  readonly schemas: Readonly<Record<string, SchemaNode>>;
  /** What a route's body or result refers to. */
  reference(schema: TSchema): SchemaNode;
}

/**
 * Names the schemas of all routes: by their `$id`, nested ones too; those without one after the method they belong
 * to. Adds titles and order marks.
 * @throws DefinitionError when two different schemas carry one `$id`.
 */
export function collectComponents(routes: Iterable<RouteSignature>): Components {
  const schemas: Record<string, SchemaNode> = {};
  const owners: Record<string, SchemaNode> = {};
  const roots = new Map<TSchema, SchemaNode>();
  const list = [...routes];

  const claim = (name: string, source: SchemaNode, scope: Scope | undefined): SchemaNode => {
    if (name in VALIDATION_SCHEMAS) {
      throw new DefinitionError(
        "SCHEMA_NAME_TAKEN",
        `The $id "${name}" is the framework's own; rename the schema.`,
      );
    }
    const owner = owners[name];
    if (owner === undefined) {
      owners[name] = source;
      schemas[name] = annotateRoot(name, rewrite(source, scope));
    } else if (owner !== source && !isDeepStrictEqual(owner, source)) {
      throw new DefinitionError(
        "SCHEMA_NAME_TAKEN",
        `Two different schemas carry the $id "${name}"; rename one, or use the same schema in both places.`,
      );
    }
    return { $ref: `${name}#` };
  };

  /** The node as it stands inside another: a reference where it has a name. */
  const place = (node: SchemaNode, scope: Scope | undefined): SchemaNode => {
    const { $id } = node;
    return typeof $id === "string" ? claim($id, node, scope) : rewrite(node, scope);
  };

  const rewrite = (node: SchemaNode, outer: Scope | undefined): SchemaNode => {
    const names = node["$defs"] ?? node["definitions"];
    const scope = isSchemaNode(names) ? { names, outer } : outer;
    const { $id: _id, $defs: _defs, definitions: _definitions, $ref, ...rest } = node;
    const copy = mapSubschemas(rest, (subschema) => place(subschema, scope));
    if (typeof $ref === "string") {
      const [target, where] = resolve(refName($ref), scope);
      if (target === undefined) return { ...copy, $ref };
      return { ...copy, ...claim(String(target["$id"] ?? refName($ref)), target, where) };
    }
    return annotate(copy);
  };

  for (const route of list) {
    for (const schema of [route.input, route.output]) {
      if (schema !== undefined && !roots.has(schema))
        roots.set(schema, place(schema as SchemaNode, undefined));
    }
  }
  // Only once all $ids are known can the others be given names that nobody uses.
  for (const route of list) {
    for (const [schema, suffix] of [
      [route.input, "Input"],
      [route.output, "Output"],
    ] as const) {
      const placed = schema === undefined ? undefined : roots.get(schema);
      if (schema === undefined || placed === undefined || "$ref" in placed) continue;
      const name = freeName(pascalCase(route.methodName) + suffix, schemas);
      schemas[name] = annotateRoot(name, placed);
      roots.set(schema, { $ref: `${name}#` });
    }
  }
  return { schemas, reference: (schema) => roots.get(schema) ?? {} };
}

interface Scope {
  readonly names: SchemaNode;
  readonly outer: Scope | undefined;
}

function resolve(name: string, scope: Scope | undefined): [SchemaNode | undefined, Scope | undefined] {
  for (let place = scope; place !== undefined; place = place.outer) {
    const target = place.names[name];
    if (isSchemaNode(target)) return [target, place];
  }
  return [undefined, undefined];
}

function freeName(wanted: string, taken: object): string {
  let name = wanted;
  for (let count = 2; name in taken; count++) name = `${wanted}${count}`;
  return name;
}

function annotateRoot(name: string, node: SchemaNode): SchemaNode {
  return "$ref" in node ? node : { ...node, title: node["title"] ?? name };
}

/** Says in the document's dialect what TypeBox says in its own, and adds titles and order. */
function annotate(node: Record<string, unknown>): SchemaNode {
  const literals = literalValues(node);
  if (literals !== undefined && !("const" in node)) {
    const { anyOf: _any, oneOf: _one, enum: _enum, ...rest } = node;
    const types = new Set(literals.map(jsonType));
    return { ...rest, type: types.size === 1 ? [...types][0] : [...types], enum: literals };
  }
  if (Array.isArray(node["items"])) {
    const { items, additionalItems, ...rest } = node;
    return {
      ...rest,
      prefixItems: items,
      ...(additionalItems === undefined ? {} : { items: additionalItems }),
    };
  }
  if (!isSchemaNode(node["properties"])) return node;
  const properties = Object.entries(node["properties"]).map(([key, property]) => [
    key,
    withTitle(key, property),
  ]);
  const { required, ...rest } = node;
  const demanded = (Array.isArray(required) ? required : []).filter(
    (key) => !hasDefault(node["properties"], key),
  );
  return {
    ...rest,
    properties: Object.fromEntries(properties) as SchemaNode,
    ...(demanded.length === 0 ? {} : { required: demanded }),
    "x-fal-order-properties": Object.keys(node["properties"]),
  };
}

/** A field with a default is filled in when it is missing, so callers need not send it. */
function hasDefault(properties: unknown, key: string): boolean {
  const property = (properties as SchemaNode)[key];
  return isSchemaNode(property) && "default" in property;
}

function withTitle(key: string, property: unknown): unknown {
  if (!isSchemaNode(property) || "title" in property || "$ref" in property) return property;
  return { ...property, title: titleWords(key) };
}

function jsonType(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}
