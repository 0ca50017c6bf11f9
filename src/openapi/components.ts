import { isDeepStrictEqual } from "node:util";
import type { TSchema } from "typebox";
import { DefinitionError } from "../errors.ts";
import { bytesRuleOf } from "../routes/bytes.ts";
import { NOTES_BESIDE } from "../routes/field-notes.ts";
import { MEDIA } from "../routes/media-rule.ts";
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
import { isStandardSchema } from "../routes/standard-schema.ts";
import { UPLOAD } from "../routes/upload.ts";
import { describeParts } from "./request-body.ts";
import { finish, type Steps } from "./steps.ts";

/** The schemas of a document by name. References between them have the form `NAME#`: see {@link localReferences}. */
export interface Components {
  readonly schemas: Readonly<Record<string, SchemaNode>>;
  /**
   * A reference to the schema of a body or result.
   * @param use the use of the schema: a schema without a name has a component for each use
   */
  reference(schema: TSchema, use?: SchemaUse): SchemaNode;
  /** The schema of a route's parameters, which is not a component: each of its fields is a parameter. */
  parameters(schema: TSchema): SchemaNode;
}

/** A use of a schema: its route, and its role there. */
interface SchemaUse {
  readonly route: RouteSignature;
  readonly as: "input" | "output" | "item";
}

/**
 * Collects the schemas of all routes, including nested ones with an `$id`, and names each by its `$id`, else after the
 * method. Adds titles and the order of properties.
 * @throws DefinitionError if two different schemas have the same `$id`.
 */
export function collectComponents(routes: Iterable<RouteSignature>): Components {
  return finish(componentSteps(routes));
}

/** As {@link collectComponents}, with a step for each route. */
export function* componentSteps(routes: Iterable<RouteSignature>): Steps<Components> {
  const schemas = Object.create(null) as Record<string, SchemaNode>; // allows names such as "constructor"
  const owners = new Map<string, SchemaNode>();
  const roots = new Map<TSchema, SchemaNode>();
  const unnamed = new Map<
    TSchema,
    Map<RouteSignature, Partial<Record<"Input" | "Output" | "Item", string>>>
  >();
  const list = [...routes];

  /** Adds a component for a schema unless there is one already. Returns its name. */
  const claim = (id: string, source: SchemaNode, scope: Scope | undefined): string => {
    const name = id.replaceAll(/[^A-Za-z0-9._-]/g, "_"); // the characters that OpenAPI allows
    if (Object.hasOwn(VALIDATION_SCHEMAS, name)) {
      throw new DefinitionError(
        "SCHEMA_NAME_TAKEN",
        `The $id "${id}" is the framework's own; rename the schema.`,
      );
    }
    const owner = owners.get(name);
    if (owner === undefined) {
      owners.set(name, source);
      const { default: _default, [NOTES_BESIDE]: _notes, ...own } = source; // belong to each use of the schema
      schemas[name] = annotateRoot(name, rewrite(own, scope));
    } else if (owner !== source && !isDeepStrictEqual(withoutNotes(owner), withoutNotes(source))) {
      throw new DefinitionError(
        "SCHEMA_NAME_TAKEN",
        `Two different schemas carry the $id "${id}"; rename one, or use the same schema in both places.`,
      );
    }
    return name;
  };

  /** The form of a node inside another one: a reference if it has a name. */
  const embed = (node: SchemaNode, scope: Scope | undefined): SchemaNode => {
    const { $id } = node;
    if (typeof $id !== "string") return rewrite(node, scope);
    const name = claim($id, node, scope);
    return { $ref: `${name}#`, ...notesBeside(node, owners.get(name)) };
  };

  const rewrite = (node: SchemaNode, outer: Scope | undefined): SchemaNode => {
    const scope = enterScope(node, outer);
    const rest: Record<string, unknown> = { ...modernise(node), ...(node[NOTES_BESIDE] as object) };
    for (const keyword of NAMING) delete rest[keyword];
    const copy = mapSubschemas(rest, (subschema) => embed(subschema, scope));
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
    // A position in a schema has no name, and must not take that of another component.
    const isTaken = owners.has(name) && !isDeepStrictEqual(owners.get(name), node);
    return { $ref: `${own ?? claim(isTaken ? freeName(name, schemas) : name, node, scope)}#` };
  };

  for (const route of list) {
    const { body } = route;
    const input = bodySchema(route);
    for (const schema of [input, resultSchema(route), route.item]) {
      if (schema === undefined || roots.has(schema)) continue;
      const isForm = schema === input && body?.kind === "multipart";
      const node = schema as SchemaNode;
      roots.set(schema, embed(isForm ? describeParts(body, node) : node, undefined));
    }
    yield;
  }
  const parameters = new Map<TSchema, SchemaNode>();
  for (const { params, query, headers } of list) {
    for (const schema of [params, query, headers]) {
      if (schema !== undefined && !isStandardSchema(schema)) {
        // Embedded without its name: only the schemas within it are components.
        const { $id: _id, ...unnamedSchema } = schema as SchemaNode;
        parameters.set(schema, rewrite(unnamedSchema, undefined));
      }
    }
    yield;
  }
  // Schemas without a $id are named last, when all names in use are known.
  for (const route of list) {
    for (const [schema, suffix] of [
      [bodySchema(route), "Input"],
      [resultSchema(route), "Output"],
      [route.item, "Item"],
    ] as const) {
      const placed = schema === undefined ? undefined : roots.get(schema);
      if (schema === undefined || placed === undefined || "$ref" in placed) continue;
      const name = freeName(pascalCase(route.methodName) + suffix, schemas);
      schemas[name] = annotateRoot(name, placed);
      const names =
        unnamed.get(schema) ??
        new Map<RouteSignature, Partial<Record<"Input" | "Output" | "Item", string>>>();
      unnamed.set(schema, names.set(route, { ...names.get(route), [suffix]: name }));
    }
    yield;
  }
  const reference = (schema: TSchema, use?: SchemaUse): SchemaNode => {
    const uses = unnamed.get(schema);
    if (uses !== undefined) {
      const own = use === undefined ? [...uses.values()][0] : uses.get(use.route);
      const { Input, Output, Item } = own ?? {};
      const name =
        use?.as === "item"
          ? (Item ?? Output ?? Input)
          : use?.as === "output"
            ? (Output ?? Input ?? Item)
            : (Input ?? Output ?? Item);
      return { $ref: `${name}#` };
    }
    const { $ref } = roots.get(schema) ?? {};
    return $ref === undefined ? {} : { $ref };
  };
  return { schemas, reference, parameters: (schema) => parameters.get(schema) ?? {} };
}

/** The schema of a route's body; undefined for a body of bytes, which needs no component. */
function bodySchema({ input, body }: RouteSignature): TSchema | undefined {
  return body?.kind === "bytes" ? undefined : input;
}

/** The schema of a route's result; undefined for bytes, which need no component. */
function resultSchema({ output }: RouteSignature): TSchema | undefined {
  return bytesRuleOf(output) === undefined ? output : undefined;
}

/** Keywords that name and refer within a schema, and the framework's own marks. They do not appear in documents. */
const NAMING = [
  ...["$id", "$schema", "$defs", "definitions", "$ref", "$dynamicRef", "$anchor", "$dynamicAnchor"],
  "x-servable-trusted-pattern",
  UPLOAD,
  MEDIA,
  NOTES_BESIDE,
] as const;

/** Annotations, which may differ between two uses of a schema. */
const NOTES = ["default", "deprecated", "description", "examples", "readOnly", "title", "writeOnly"] as const;

function withoutNotes(node: SchemaNode): SchemaNode {
  return Object.fromEntries(Object.entries(node).filter(([key]) => !UNCOMPARED.has(key)));
}

/** Keywords that may differ between two uses of a schema: annotations, and the limits of files, which documents lack. */
const UNCOMPARED: ReadonlySet<string> = new Set([...NOTES, MEDIA, NOTES_BESIDE]);

/** The annotations to put next to a reference: its default, and annotations that differ from those of the component. */
function notesBeside(node: SchemaNode, component: SchemaNode | undefined): SchemaNode {
  const notes = NOTES.filter(
    (key) => key in node && (key === "default" || !isDeepStrictEqual(node[key], component?.[key])),
  );
  return { ...Object.fromEntries(notes.map((key) => [key, node[key]])), ...(node[NOTES_BESIDE] as object) };
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

/** Replaces "#", which means the schema itself here but would mean the whole document there. */
function pointHome(node: SchemaNode, name: string): SchemaNode {
  const copy = mapSubschemas(node, (subschema) => pointHome(subschema, name));
  return copy["$ref"] === "#" ? { ...copy, $ref: `${name}#` } : copy;
}

/** Converts TypeBox's form of enumerations and maps to the usual one, and adds titles and the order of properties. */
function annotate(node: Record<string, unknown>): SchemaNode {
  const literals = literalValues(node);
  if (literals !== undefined && !("const" in node)) {
    const { anyOf: _any, oneOf: _one, enum: _enum, ...rest } = node;
    const types = new Set(literals.map(jsonType));
    return { ...rest, type: types.size === 1 ? [...types][0] : [...types], enum: literals };
  }
  if (!isSchemaNode(node["properties"])) return asMap(node);
  const order = propertyOrder(node);
  const own = node["properties"];
  const properties = order.map((key) => [key, withTitle(key, own[key])]);
  const { required, ...rest } = node;
  const demanded = (Array.isArray(required) ? required : []).filter(
    (key) => !hasDefault(node["properties"], key),
  );
  return {
    ...rest,
    properties: Object.fromEntries(properties) as SchemaNode,
    ...(demanded.length === 0 ? {} : { required: demanded }),
    [ORDER]: order,
  };
}

/** The order in which documents and fal's playground show properties. */
const ORDER = "x-fal-order-properties";

/** The names of the properties: first those that the schema lists, then the others as they are written. */
function propertyOrder(node: SchemaNode): string[] {
  const names = Object.keys(node["properties"] as SchemaNode);
  const first = (node[ORDER] ?? []) as readonly string[]; // checked with the other keywords
  return [...first, ...names.filter((name) => !first.includes(name))];
}

/** Whether a field has a default, which makes it optional for callers. */
function hasDefault(properties: unknown, key: string): boolean {
  const property = (properties as SchemaNode)[key];
  return isSchemaNode(property) && "default" in property;
}

/** Converts a map to the usual form: the schema of its values, and the pattern of keys if others are not allowed. */
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

/** Patterns that match every key. */
const ANY_KEY: ReadonlySet<string> = new Set(["^.*$", "^(.*)$", ".*", ""]);

/** Adds a title, except to a reference to a component, nullable or not, which has the component's title. */
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

/** The schemas of the answer to an invalid body. */
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
