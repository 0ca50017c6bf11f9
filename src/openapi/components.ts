import { isDeepStrictEqual } from "node:util";
import type { TSchema } from "typebox";
import { DefinitionError } from "../errors.ts";
import {
  enterScope,
  resolveReference,
  type Scope,
  type ResolvedReference,
} from "../routes/schema-references.ts";
import {
  isSchemaNode,
  literalValues,
  mapSubschemas,
  modernise,
  type SchemaNode,
} from "../routes/schema-walk.ts";
import type { RouteSignature } from "../routes/signature.ts";

/** The schemas of a document, by name, with every reference between them written `NAME#`. */
export interface Components {
  readonly schemas: Readonly<Record<string, SchemaNode>>;
  /**
   * What a route's body or result refers to.
   * @param use whose it is: a schema without a name has a component for each of its uses
   */
  reference(schema: TSchema, use?: SchemaUse): SchemaNode;
}

/** One use of a schema: by which route, and as what. */
export interface SchemaUse {
  readonly route: RouteSignature;
  readonly as: "input" | "output";
}

/**
 * Names the schemas of all routes: by their `$id`, nested ones too; those without one after the method they belong
 * to. Adds titles and order marks.
 * @throws DefinitionError when two different schemas carry one `$id`.
 */
export function collectComponents(routes: Iterable<RouteSignature>): Components {
  const schemas = Object.create(null) as Record<string, SchemaNode>; // "constructor" is a name like any other
  const owners = new Map<string, SchemaNode>();
  const roots = new Map<TSchema, SchemaNode>();
  const unnamed = new Map<TSchema, Map<RouteSignature, Partial<Record<"Input" | "Output", string>>>>();
  const list = [...routes];

  /** Makes a component of a schema, or finds the one made before; returns its name. */
  const claim = (id: string, source: SchemaNode, scope: Scope | undefined): string => {
    const name = id.replaceAll(/[^A-Za-z0-9._-]/g, "_"); // what the specification allows
    if (Object.hasOwn(VALIDATION_SCHEMAS, name)) {
      throw new DefinitionError(
        "SCHEMA_NAME_TAKEN",
        `The $id "${id}" is the framework's own; rename the schema.`,
      );
    }
    const owner = owners.get(name);
    if (owner === undefined) {
      owners.set(name, source);
      const { default: _default, ...own } = source; // belongs to the place where the schema is used
      schemas[name] = annotateRoot(name, rewrite(own, scope));
    } else if (owner !== source && !isDeepStrictEqual(withoutNotes(owner), withoutNotes(source))) {
      throw new DefinitionError(
        "SCHEMA_NAME_TAKEN",
        `Two different schemas carry the $id "${id}"; rename one, or use the same schema in both places.`,
      );
    }
    return name;
  };

  /** The node as it stands inside another: a reference where it has a name. */
  const place = (node: SchemaNode, scope: Scope | undefined): SchemaNode => {
    const { $id } = node;
    if (typeof $id !== "string") return rewrite(node, scope);
    const name = claim($id, node, scope);
    return { $ref: `${name}#`, ...notesBeside(node, owners.get(name)) };
  };

  const rewrite = (node: SchemaNode, outer: Scope | undefined): SchemaNode => {
    const scope = enterScope(node, outer);
    const rest = modernise(node);
    for (const keyword of NAMING) delete rest[keyword];
    const copy = mapSubschemas(rest, (subschema) => place(subschema, scope));
    const ref = node["$ref"] ?? node["$dynamicRef"];
    if (typeof ref !== "string") return annotate(copy);
    if (ref === "#") return { ...copy, $ref: ref };
    const target = resolveReference(ref, scope);
    return target === undefined ? { ...copy, $ref: ref } : { ...copy, ...referTo(target) };
  };

  const referTo = ({ node, scope, name }: ResolvedReference): SchemaNode => {
    if (typeof node === "boolean") return node ? {} : { not: {} };
    const { $id } = node;
    if (typeof $id === "string") return { $ref: `${claim($id, node, scope)}#` };
    const own = [...owners].find(([, owner]) => owner === node)?.[0];
    // A place within a schema has no name of its own, and must not take another's.
    const isTaken = owners.has(name) && !isDeepStrictEqual(owners.get(name), node);
    return { $ref: `${own ?? claim(isTaken ? freeName(name, schemas) : name, node, scope)}#` };
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
      const names =
        unnamed.get(schema) ?? new Map<RouteSignature, Partial<Record<"Input" | "Output", string>>>();
      unnamed.set(schema, names.set(route, { ...names.get(route), [suffix]: name }));
    }
  }
  const reference = (schema: TSchema, use?: SchemaUse): SchemaNode => {
    const uses = unnamed.get(schema);
    if (uses !== undefined) {
      const own = use === undefined ? [...uses.values()][0] : uses.get(use.route);
      const name = use?.as === "output" ? (own?.Output ?? own?.Input) : (own?.Input ?? own?.Output);
      return { $ref: `${name}#` };
    }
    const { $ref } = roots.get(schema) ?? {};
    return $ref === undefined ? {} : { $ref };
  };
  return { schemas, reference };
}

/** What names and refers within a schema, and marks that are the framework's: nothing for readers of the document. */
const NAMING = [
  ...["$id", "$schema", "$defs", "definitions", "$ref", "$dynamicRef", "$anchor", "$dynamicAnchor"],
  "x-servable-trusted-pattern",
] as const;

/** Keywords that say something about one use of a schema: two uses may differ in them. */
const NOTES = ["default", "deprecated", "description", "examples", "readOnly", "title", "writeOnly"] as const;

function withoutNotes(node: SchemaNode): SchemaNode {
  return Object.fromEntries(
    Object.entries(node).filter(([key]) => !(NOTES as readonly string[]).includes(key)),
  );
}

/** What a reference has to say itself: a default, and where this use differs from the component. */
function notesBeside(node: SchemaNode, component: SchemaNode | undefined): SchemaNode {
  const notes = NOTES.filter(
    (key) => key in node && (key === "default" || !isDeepStrictEqual(node[key], component?.[key])),
  );
  return Object.fromEntries(notes.map((key) => [key, node[key]]));
}

function freeName(wanted: string, taken: object): string {
  let name = wanted;
  for (let count = 2; name in taken; count++) name = `${wanted}${count}`;
  return name;
}

function annotateRoot(name: string, node: SchemaNode): SchemaNode {
  const own = pointHome(node, name);
  return "$ref" in own ? own : { ...own, title: own["title"] ?? name };
}

/** In a schema, "#" is the schema itself; in the document it would be the document. */
function pointHome(node: SchemaNode, name: string): SchemaNode {
  const copy = mapSubschemas(node, (subschema) => pointHome(subschema, name));
  return copy["$ref"] === "#" ? { ...copy, $ref: `${name}#` } : copy;
}

/** Says in the document's dialect what TypeBox says in its own, and adds titles and order. */
function annotate(node: Record<string, unknown>): SchemaNode {
  const literals = literalValues(node);
  if (literals !== undefined && !("const" in node)) {
    const { anyOf: _any, oneOf: _one, enum: _enum, ...rest } = node;
    const types = new Set(literals.map(jsonType));
    return { ...rest, type: types.size === 1 ? [...types][0] : [...types], enum: literals };
  }
  if (!isSchemaNode(node["properties"])) return asMap(node);
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

/** A map as clients know one: the schema of its values, and, where no other keys are taken, what keys look like. */
function asMap(node: SchemaNode): SchemaNode {
  const { patternProperties, ...rest } = node;
  const [first, second] = Object.entries(isSchemaNode(patternProperties) ? patternProperties : {});
  const others = rest["additionalProperties"];
  if (first === undefined || second !== undefined || (others !== undefined && others !== false)) return node;
  const [pattern, values] = first;
  const isAnything = isSchemaNode(values) && Object.keys(values).length === 0;
  return {
    ...rest,
    additionalProperties: isAnything ? true : values,
    ...(others === false && !ANY_KEY.has(pattern) && !("propertyNames" in rest)
      ? { propertyNames: { pattern } }
      : {}),
  };
}

/** Patterns that every key matches. */
const ANY_KEY: ReadonlySet<string> = new Set(["^.*$", "^(.*)$", ".*", ""]);

/** What refers to a component, or to one or null, has that one's title. */
function withTitle(key: string, property: unknown): unknown {
  if (!isSchemaNode(property) || "title" in property || refersAlone(property)) return property;
  return { ...property, title: titleWords(key) };
}

function refersAlone(node: SchemaNode): boolean {
  if ("$ref" in node) return true;
  const branches = node["anyOf"] ?? node["oneOf"];
  if (!Array.isArray(branches)) return false;
  const others = branches.filter((branch) => !isSchemaNode(branch) || branch["type"] !== "null");
  const [only] = others;
  return others.length === 1 && others.length < branches.length && isSchemaNode(only) && refersAlone(only);
}

function jsonType(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

/** The words of a name: `num_images`, `numImages` and `NumImages` all give `Num Images`. */
export function titleWords(name: string): string {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, "$1 $2")
    .split(/[\s_-]+/)
    .filter((word) => word !== "")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join(" ");
}

/** `text_to_image` and `textToImage` give `TextToImage`. */
export function pascalCase(name: string): string {
  return titleWords(name).replaceAll(" ", "");
}

/** What every refused body is answered with. */
export const VALIDATION_SCHEMAS: Readonly<Record<string, SchemaNode>> = {
  HTTPValidationError: {
    properties: {
      detail: { items: { $ref: "#/components/schemas/ValidationError" }, type: "array", title: "Detail" },
    },
    type: "object",
    title: "HTTPValidationError",
    "x-fal-order-properties": ["detail"],
  },
  ValidationError: {
    properties: {
      loc: { items: { anyOf: [{ type: "string" }, { type: "integer" }] }, type: "array", title: "Location" },
      msg: { type: "string", title: "Message" },
      type: { type: "string", title: "Error Type" },
      input: { title: "Input" },
      ctx: { type: "object", title: "Context" },
    },
    type: "object",
    required: ["loc", "msg", "type"],
    title: "ValidationError",
    "x-fal-order-properties": ["loc", "msg", "type", "input", "ctx"],
  },
};
