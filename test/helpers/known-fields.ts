/**
 * An independent, simple model of a value after defaults are filled in and unknown fields dropped: it determines, for
 * each path, which schemas apply there and which fields they name.
 */

type Node = Readonly<Record<string, unknown>>;
/** Whether a value fits a schema. */
export type Fits = (schema: object, value: unknown) => boolean;

/** A schema that applies to a value: it fills in defaults, declares fields, or only mentions fields that others declare. */
interface Speaker {
  readonly node: Node;
  readonly role: "fills" | "declares" | "mentions";
}

export function knownPart(schema: object, value: unknown, fits: Fits): unknown {
  const { $defs = {} } = schema as { $defs?: Node };
  return new Reference($defs, fits).treat([{ node: schema as Node, role: "fills" }], value);
}

class Reference {
  readonly #defs: Node;
  readonly #fits: Fits;

  constructor(defs: Node, fits: Fits) {
    const documents = new Map<object, object>(); // a schema is compiled once
    this.#defs = defs;
    this.#fits = (node, value) => {
      const document = documents.get(node) ?? { ...node, $defs: defs };
      documents.set(node, document);
      return fits(document, value);
    };
  }

  treat(speakers: readonly Speaker[], value: unknown): unknown {
    if (Array.isArray(value)) return this.#list(this.#applying(speakers, value), value);
    return isObject(value) ? this.#object(speakers, value) : value;
  }

  #list(speakers: readonly Speaker[], value: readonly unknown[]): unknown[] {
    return value.map((item, index) => {
      const inner = speakers.flatMap(({ node, role }): Speaker[] => {
        const places = (node["prefixItems"] ?? node["items"]) as unknown;
        const rest = Array.isArray(node["items"]) ? node["additionalItems"] : node["items"];
        const schema: unknown = Array.isArray(places) && index < places.length ? places[index] : rest;
        const { contains } = node;
        return [
          ...(isObject(schema) ? [{ node: schema, role }] : []),
          ...(isObject(contains) && this.#fits(contains, item)
            ? [{ node: contains, role: "mentions" } as const]
            : []),
        ];
      });
      return this.treat(inner, item);
    });
  }

  #object(speakers: readonly Speaker[], value: Node): unknown {
    const sure = this.#always(speakers);
    const judged = Object.create(value) as Record<string, unknown>;
    let isJudged = false;
    for (const [key, fallback] of this.#defaults(sure)) {
      if (read(value, key) !== undefined) continue;
      isJudged = true;
      Object.defineProperty(judged, key, { value: fallback, enumerable: true });
    }
    const all = this.#applying(speakers, isJudged ? flat(judged) : value);
    const defaults = new Map(this.#defaults(all));
    const named = new Set(
      all.flatMap(({ node }) => [...Object.keys(mapOf(node["properties"])), ...requiredOf(node)]),
    );
    const declaring = all.filter(({ role }) => role !== "mentions").map(({ node }) => node);
    const isDeclared = declaring.some(
      (node) => isObject(node["properties"]) || node["additionalProperties"] === false,
    );
    const isOpen = declaring.some((node) =>
      ["additionalProperties", "unevaluatedProperties"].some((keyword) => (node[keyword] ?? false) !== false),
    );
    const result: [string, unknown][] = [];
    for (const key of new Set([...named, ...Object.keys(value)])) {
      const item = read(value, key) ?? (read(value, key) === null ? null : defaults.get(key));
      if (item === undefined) continue;
      const inner = all.flatMap(({ node, role }): Speaker[] =>
        schemasFor(node, key)
          .filter(isObject)
          .map((schema) => ({ node: schema, role })),
      );
      const isMatched = all.some(({ node }) =>
        Object.keys(mapOf(node["patternProperties"])).some((pattern) => new RegExp(pattern, "u").test(key)),
      );
      if (!named.has(key) && !isMatched && isDeclared && !isOpen) continue;
      if (all.some(({ node }) => schemasFor(node, key).length > 0))
        result.push([key, this.treat(inner, item)]);
      else {
        const rest = all.flatMap(({ node, role }) =>
          isObject(node["unevaluatedProperties"]) ? [{ node: node["unevaluatedProperties"], role }] : [],
        );
        result.push([key, this.treat(rest, item)]);
      }
    }
    return Object.fromEntries(result);
  }

  /** The schemas that apply to every value. */
  #always(speakers: readonly Speaker[]): Speaker[] {
    return speakers.flatMap((speaker) => {
      const { node, role } = speaker;
      const { $ref, allOf = [] } = node as { $ref?: string; allOf?: readonly Node[] };
      const target = $ref === undefined ? [] : [this.#defs[$ref.replace("#/$defs/", "")] as Node];
      return [speaker, ...this.#always([...target, ...allOf].map((inner) => ({ node: inner, role })))];
    });
  }

  #applying(speakers: readonly Speaker[], value: unknown): Speaker[] {
    return this.#always(speakers).flatMap((speaker) => {
      const { node, role } = speaker;
      const found: Speaker[] = [];
      for (const keyword of ["anyOf", "oneOf"]) {
        const branches = ((node[keyword] ?? []) as Node[]).filter((branch) => this.#fits(branch, value));
        const knows = (branch: Node): number => {
          const parts = this.#always([{ node: branch, role }]);
          const names = new Set(parts.flatMap((part) => Object.keys(mapOf(part.node["properties"]))));
          return isObject(value) ? [...names].filter((key) => read(value, key) !== undefined).length : 0;
        };
        const most = Math.max(...branches.map(knows));
        const best = branches.find((branch) => knows(branch) === most);
        for (const branch of branches) {
          found.push({ node: branch, role: role === "fills" && branch !== best ? "declares" : role });
        }
      }
      const { if: test, then: yes, else: no } = node as { if?: Node; then?: Node; else?: Node };
      if (test !== undefined) {
        const held = this.#fits(test, value);
        if (held) found.push({ node: test, role: "mentions" });
        const branch = held ? yes : no;
        if (branch !== undefined) found.push({ node: branch, role });
      }
      for (const [key, schema] of Object.entries(mapOf(node["dependentSchemas"]))) {
        if (isObject(value) && read(value, key) !== undefined) found.push({ node: schema as Node, role });
      }
      return [speaker, ...this.#applying(found, value)];
    });
  }

  #defaults(speakers: readonly Speaker[]): [string, unknown][] {
    const found = speakers
      .filter(({ role }) => role === "fills")
      .flatMap(({ node }) =>
        [...new Set([...Object.keys(mapOf(node["properties"]))])].flatMap((key): [string, unknown][] => {
          const property = mapOf(node["properties"])[key] as Node;
          return "default" in property ? [[key, property["default"]]] : [];
        }),
      );
    return found.toReversed(); // the first of several defaults is used
  }
}

/** The schemas that the node itself has for a field. */
function schemasFor(node: Node, key: string): unknown[] {
  const properties = mapOf(node["properties"]);
  const own = Object.hasOwn(properties, key) ? [properties[key]] : [];
  for (const [pattern, schema] of Object.entries(mapOf(node["patternProperties"]))) {
    if (new RegExp(pattern, "u").test(key)) own.push(schema);
  }
  if (own.length === 0 && node["additionalProperties"] !== undefined) own.push(node["additionalProperties"]);
  return own;
}

function requiredOf(node: Node): string[] {
  return (node["required"] ?? []) as string[];
}

function flat(value: object): Node {
  const copy: Record<string, unknown> = {};
  for (const key in value) {
    const item = (value as Record<string, unknown>)[key];
    Object.defineProperty(copy, key, { value: item, enumerable: true });
  }
  return copy;
}

function mapOf(value: unknown): Node {
  return isObject(value) ? value : {};
}

function isObject(value: unknown): value is Node {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function read(value: Node, key: string): unknown {
  return Object.hasOwn(value, key) || !(key in Object.prototype) ? value[key] : undefined;
}
