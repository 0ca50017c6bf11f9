import { eachSubschema, isSchemaNode, type SchemaNode } from "../../routes/schema-walk.ts";
import type { CanonicalSchema } from "./canonical.ts";
import type { Discriminators } from "./discriminators.ts";

/** Keywords whose subschemas apply to the same value as the node itself. */
const IN_PLACE: ReadonlySet<string> = new Set([
  ...["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"],
]);

/** Maximum number of schemas that apply to one value; more are a mistake. */
const MAX_LOOKS = 10_000;

/**
 * Number of definitions from which on a chain of references is treated like recursion, because the work can double at
 * each of them.
 */
const LONG_CHAIN = 8;

/** Number of visits to parts of a value: each field by its name, all others under `*`. */
type Looks = ReadonlyMap<string, number>;

/**
 * Whether a plain validator would need exponential time: it visits one part of a value twice, that part's parts four
 * times, and so on. This happens in recursive unions without a discriminator.
 * @throws Error for a reference cycle that does not descend into the value, or too many schemas for one value
 */
export function hasExponentialCost(schema: CanonicalSchema, discriminators: Discriminators): boolean {
  const { definitions } = schema;
  const nameOf = (ref: unknown): string => String(ref).slice("#/$defs/".length);
  assertEnds(schema, nameOf);
  const names = Object.keys(definitions);
  if (names.length === 0) return false;
  const suspects = names.length > LONG_CHAIN ? new Set(names) : recursive(definitions, nameOf);
  if (suspects.size === 0) return false;

  const leadsBack = new Map<SchemaNode, boolean>();
  const leads = (node: unknown): boolean => {
    if (!isSchemaNode(node)) return false;
    const known = leadsBack.get(node);
    if (known !== undefined) return known;
    leadsBack.set(node, false);
    let found =
      typeof node["$ref"] === "string" &&
      (suspects.has(nameOf(node["$ref"])) || leads(definitions[nameOf(node["$ref"])]));
    eachSubschema(node, (subschema) => (found = leads(subschema) || found));
    leadsBack.set(node, found);
    return found;
  };

  const looksAt = (node: unknown): Looks => {
    const looks = new Map<string, number>();
    if (!isSchemaNode(node)) return looks;
    const add = (more: Looks): void => {
      for (const [key, count] of more) looks.set(key, Math.min((looks.get(key) ?? 0) + count, 1000));
    };
    for (const [keyword, key, subschema] of subschemasOf(node)) {
      if (!IN_PLACE.has(keyword) && leads(subschema))
        add(new Map([[keyword === "properties" ? String(key) : "*", 1]]));
    }
    if (typeof node["$ref"] === "string") add(looksAt(definitions[nameOf(node["$ref"])]));
    for (const keyword of IN_PLACE) {
      const inner = subschemasOf(node).filter(([name]) => name === keyword);
      const looksOfEach = inner.map(([, , subschema]) => looksAt(subschema));
      const isDecided =
        (keyword === "anyOf" || keyword === "oneOf") && discriminators.of(node[keyword]) !== undefined;
      if (isDecided) add(largest(looksOfEach));
      else for (const looks of looksOfEach) add(looks);
    }
    return looks;
  };

  const isTwice = (node: SchemaNode): boolean => {
    const looks = looksAt(node);
    const others = looks.get("*") ?? 0;
    if ([...looks].some(([key, count]) => (key === "*" ? count : count + others) > 1)) return true;
    return subschemasOf(node).some(([, , subschema]) => isTwice(subschema));
  };
  return [schema.root, ...Object.values(definitions)].some(isTwice);
}

function largest(all: readonly Looks[]): Looks {
  const most = new Map<string, number>();
  for (const looks of all)
    for (const [key, count] of looks) most.set(key, Math.max(most.get(key) ?? 0, count));
  return most;
}

function subschemasOf(node: SchemaNode): [keyword: string, key: string | number | undefined, SchemaNode][] {
  const all: [string, string | number | undefined, SchemaNode][] = [];
  eachSubschema(node, (subschema, [keyword, key]) => all.push([keyword, key, subschema]));
  return all;
}

/** Definitions that refer back to themselves. */
function recursive(
  definitions: CanonicalSchema["definitions"],
  nameOf: (ref: unknown) => string,
): ReadonlySet<string> {
  const refsIn = (node: SchemaNode, found: Set<string>): Set<string> => {
    if (typeof node["$ref"] === "string") found.add(nameOf(node["$ref"]));
    eachSubschema(node, (subschema) => refsIn(subschema, found));
    return found;
  };
  const refs = new Map(Object.entries(definitions).map(([name, node]) => [name, refsIn(node, new Set())]));
  return new Set(
    [...refs.keys()].filter((name) => {
      const seen = new Set<string>();
      const pending = [...(refs.get(name) ?? [])];
      for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
        if (seen.has(next)) continue;
        seen.add(next);
        pending.push(...(refs.get(next) ?? []));
      }
      return seen.has(name);
    }),
  );
}

/** Checks that validation ends: no reference leads back to itself without descending into the value. */
function assertEnds({ root, definitions }: CanonicalSchema, nameOf: (ref: unknown) => string): void {
  const looks = new Map<SchemaNode, number>();
  const count = (node: SchemaNode): number => {
    const known = looks.get(node);
    if (known === -1) throw new Error('a "$ref" leads back to itself without going into the value');
    if (known !== undefined) return known;
    looks.set(node, -1);
    let all = 1;
    if (typeof node["$ref"] === "string") all += count(definitions[nameOf(node["$ref"])] ?? {});
    for (const [keyword, , subschema] of subschemasOf(node))
      if (IN_PLACE.has(keyword)) all += count(subschema);
    if (all > MAX_LOOKS) throw new Error(`its references lead to one value more than ${MAX_LOOKS} times`);
    looks.set(node, all);
    return all;
  };
  const countAll = (node: SchemaNode): void => {
    count(node);
    for (const [, , subschema] of subschemasOf(node)) countAll(subschema);
  };
  for (const node of [root, ...Object.values(definitions)]) countAll(node);
}
