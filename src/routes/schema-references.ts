import { isSchemaNode, mapSubschemas, refName, type SchemaNode } from "./schema-walk.ts";

/** The position of a node in a schema, which its references are relative to. */
export interface Scope {
  /** The schema's outermost node. */
  readonly document: SchemaNode;
  /** The nearest enclosing node with an `$id`, or the outermost: the target of `#`. */
  readonly resource: SchemaNode;
  readonly uri: string;
  /** The definitions of this scope. */
  readonly names: SchemaNode | undefined;
  readonly outer: Scope | undefined;
}

/** The target of a reference, and its scope. */
export interface ResolvedReference {
  readonly node: SchemaNode | boolean;
  readonly scope: Scope | undefined;
  /** Its name: that of a definition, an `$id`, or the last part of a pointer. */
  readonly name: string;
}

const BASE = "schema://document/";

/** The scope of a node and its descendants. */
export function enterScope(node: SchemaNode, outer: Scope | undefined): Scope {
  const { $id } = node;
  const names = node["$defs"] ?? node["definitions"];
  const isResource = outer === undefined || typeof $id === "string";
  if (outer !== undefined && !isResource && !isSchemaNode(names)) return outer;
  return {
    document: outer?.document ?? node,
    resource: isResource ? node : outer.resource,
    uri: typeof $id === "string" ? absolute($id, outer?.uri ?? BASE) : (outer?.uri ?? BASE),
    names: isSchemaNode(names) ? names : undefined,
    outer,
  };
}

/**
 * Resolves a `$ref`: a definition's bare name, as TypeBox writes it, a JSON pointer, an `$id` or an `$anchor`.
 * Undefined if the target does not exist.
 */
export function resolveReference(ref: string, scope: Scope): ResolvedReference | undefined {
  const [path = "", fragment] = split(ref);
  if (path === "" && fragment === "")
    return { node: scope.resource, scope: outerResourceScope(scope), name: "" };
  if (path !== "" && fragment === "") {
    const named = byName(path, scope);
    if (named !== undefined) return named;
  }
  if (path === "") {
    const found = inResource(fragment, scope.resource, outerResourceScope(scope), scope.uri, scope);
    // The reference is relative to the root of a schema that was later embedded in another schema.
    return (
      found ?? (/^\/(?:\$defs|definitions)\/[^/]+$/.test(fragment) ? byName(refName(ref), scope) : undefined)
    );
  }
  const uri = absolute(path, scope.uri);
  const resource = indexOf(scope.document).get(uri);
  if (resource === undefined) return undefined;
  if (fragment === "") return { ...resource, name: path.split("/").at(-1) ?? path };
  return inResource(fragment, resource.node as SchemaNode, resource.scope, uri, scope);
}

/**
 * Number of `$dynamicAnchor`s with this name. If there is only one, a dynamic reference to it works like a plain
 * reference.
 */
export function countDynamicAnchors(document: SchemaNode, name: string): number {
  let count = 0;
  const look = (node: SchemaNode): void => {
    if (node["$dynamicAnchor"] === name) count++;
    mapSubschemas(node, (subschema) => (look(subschema as SchemaNode), subschema));
  };
  look(document);
  return count;
}

function split(ref: string): [path: string, fragment: string] {
  const mark = ref.indexOf("#");
  return mark === -1 ? [ref, ""] : [ref.slice(0, mark), ref.slice(mark + 1)];
}

function byName(ref: string, scope: Scope): ResolvedReference | undefined {
  const name = decoded(ref);
  for (let current: Scope | undefined = scope; current !== undefined; current = current.outer) {
    const { names } = current;
    if (names === undefined) continue;
    const direct = Object.hasOwn(names, name) ? names[name] : undefined;
    if (isSchema(direct)) return { node: direct, scope: current, name };
    const byId = Object.values(names).find((node) => isSchemaNode(node) && node["$id"] === name);
    if (byId !== undefined) return { node: byId as SchemaNode, scope: current, name };
  }
  return undefined;
}

function inResource(
  fragment: string,
  resource: SchemaNode,
  outer: Scope | undefined,
  uri: string,
  from: Scope,
): ResolvedReference | undefined {
  if (fragment.startsWith("/")) return byPointer(fragment, resource, outer);
  const anchored = indexOf(from.document).get(`${uri}#${decoded(fragment)}`);
  return anchored && { ...anchored, name: decoded(fragment) };
}

function byPointer(
  pointer: string,
  resource: SchemaNode,
  outer: Scope | undefined,
): ResolvedReference | undefined {
  let value: unknown = resource;
  let scope = outer;
  let name = "";
  for (const token of pointer.slice(1).split("/")) {
    if (isSchemaNode(value)) scope = enterScope(value, scope);
    name = decoded(token).replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return isSchema(value) ? { node: value, scope, name } : undefined;
}

interface Indexed {
  readonly node: SchemaNode | boolean;
  readonly scope: Scope | undefined;
}

const INDEXES = new WeakMap<SchemaNode, ReadonlyMap<string, Indexed>>();

/** All resources and anchors of a schema by URI. */
function indexOf(document: SchemaNode): ReadonlyMap<string, Indexed> {
  const known = INDEXES.get(document);
  if (known !== undefined) return known;
  const index = new Map<string, Indexed>();
  const look = (node: SchemaNode, outer: Scope | undefined): void => {
    const scope = enterScope(node, outer);
    const add = (uri: string): void => {
      if (!index.has(uri)) index.set(uri, { node, scope: outer });
    };
    if (typeof node["$id"] === "string") add(scope.uri);
    for (const keyword of ["$anchor", "$dynamicAnchor"]) {
      if (typeof node[keyword] === "string") add(`${scope.uri}#${node[keyword]}`);
    }
    mapSubschemas(node, (subschema) => (look(subschema, scope), subschema));
  };
  look(document, undefined);
  INDEXES.set(document, index);
  return index;
}

/** The scope that encloses the resource of a scope. */
function outerResourceScope(scope: Scope): Scope | undefined {
  let current: Scope | undefined = scope;
  while (current.outer !== undefined && current.outer.resource === scope.resource) current = current.outer;
  return current.outer;
}

function absolute(id: string, base: string): string {
  try {
    return new URL(id.replace(/#$/, ""), base).href;
  } catch {
    return id;
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function isSchema(value: unknown): value is SchemaNode | boolean {
  return isSchemaNode(value) || typeof value === "boolean";
}
