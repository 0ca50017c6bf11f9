import { isSchemaNode, mapSubschemas, type SchemaNode } from "../../routes/schema-walk.ts";
import { Applicators, Role, type Condition, type AppliedSchema, type UnionResolver } from "./applicators.ts";
import { listOf, mapOf, refTarget } from "./canonical-nodes.ts";
import type { CanonicalSchema } from "./canonical.ts";
import {
  DROPPED,
  type KeyPattern,
  type ObjectPlan,
  type Step,
  type NormalizerStyle,
} from "./normalizer-steps.ts";
import { patternTest } from "./patterns/pattern-safety.ts";

/** So many ways in which a caller's values may combine the schemas of a place are kept compiled. */
const MAX_COMPILED = 2000;

/** The schemas that speak of one value, each once, with all that they say at once and without conditions. */
type Parts = ReadonlyMap<SchemaNode, Role>;

/**
 * Compiles what fills in defaults and drops unknown fields in a value that is already known to fit; undefined where
 * there is nothing to fill or drop. What is known at a place is what all schemas know that apply to the value there:
 * those beside a `$ref`, all members of an `allOf`, the branches of a union that the value fits, `if` with `then` or
 * `else`, and `dependentSchemas`.
 */
export function compileNormalizer(
  schema: CanonicalSchema,
  judge: UnionResolver,
  style: NormalizerStyle,
): Step | undefined {
  return new NormalizerCompiler(schema.definitions, judge, style).compile([[schema.root, Role.fills]]);
}

class NormalizerCompiler {
  readonly #definitions: CanonicalSchema["definitions"];
  readonly #applicators: Applicators;
  readonly #style: NormalizerStyle;
  readonly #compiled = new Map<string, { step?: Step | undefined }>();
  readonly #ids = new Map<SchemaNode, number>();
  readonly #active = new Map<SchemaNode, boolean>();
  readonly #contained = new Map<SchemaNode, SchemaNode>();

  constructor(definitions: CanonicalSchema["definitions"], judge: UnionResolver, style: NormalizerStyle) {
    this.#definitions = definitions;
    this.#applicators = new Applicators(definitions, judge);
    this.#style = style;
  }

  /** The step for a value that these schemas speak of. */
  compile(applied: readonly AppliedSchema[]): Step | undefined {
    if (!applied.some(([node]) => this.#isActive(node))) return undefined;
    const parts = this.#partsOf(applied);
    return this.#once(parts, "?", () => {
      const conditional = [...parts].some(([part]) => this.#applicators.conditions(part).length > 0);
      return conditional ? this.#conditional(parts) : this.#unconditional(parts);
    });
  }

  /** Compiles the same parts once. Those that refer to themselves are met again while they are being compiled. */
  #once(parts: Parts, kind: string, compile: () => Step | undefined): Step | undefined {
    const key = kind + this.#keyOf(parts);
    const known = this.#compiled.get(key);
    if (known !== undefined) {
      return "step" in known ? known.step : (value) => (known.step === undefined ? value : known.step(value));
    }
    if (this.#compiled.size >= MAX_COMPILED) this.#compiled.clear();
    const entry: { step?: Step | undefined } = {};
    this.#compiled.set(key, entry);
    entry.step = compile();
    return entry.step;
  }

  /** Finds out for each value which schemas apply to it, before any of their defaults is filled in. */
  #conditional(parts: Parts): Step {
    const conditionsOf = (part: SchemaNode, role: Role): (readonly [Condition, Role])[] =>
      this.#applicators.conditions(part).map((condition) => [condition, role]);
    const always = [...parts].flatMap(([part, role]) => conditionsOf(part, role));
    const prepare = this.#style.withDefaults(
      this.#propertiesOf(parts).flatMap(([key, applied]) => {
        const fallback = fallbackOf(applied);
        return fallback === undefined ? [] : [{ key, fallback }];
      }),
    );
    return (value) => {
      if (typeof value !== "object" || value === null) return value;
      const judged = prepare(value);
      const all = new Map(parts);
      const pending = [...always]; // grows with the conditions of what is found to apply
      for (const [condition, role] of pending) {
        for (const [node, branchRole] of condition(judged, role)) {
          for (const part of this.#applicators.parts(node)) {
            const before = all.get(part);
            if (before !== undefined && before >= branchRole) continue;
            all.set(part, branchRole);
            pending.push(...conditionsOf(part, branchRole));
          }
        }
      }
      const step = this.#once(all, "=", () => this.#unconditional(all));
      return step === undefined ? value : step(value);
    };
  }

  #unconditional(parts: Parts): Step | undefined {
    const steps = [this.#array(parts), this.#style.object(this.#planOf(parts))];
    const [first, second] = steps.filter((step) => step !== undefined);
    return first === undefined || second === undefined ? first : (value) => second(first(value));
  }

  #array(parts: Parts): Step | undefined {
    const length = Math.max(0, ...[...parts.keys()].map((part) => placesOf(part).length));
    const stepAt = (index: number): Step | undefined => {
      const applied: AppliedSchema[] = [];
      for (const [part, role] of parts) {
        const schema = placesOf(part)[index] ?? part["items"];
        if (isSchemaNode(schema)) applied.push([schema, role]);
        if (isSchemaNode(part["contains"]))
          applied.push([this.#ifContained(part["contains"]), Role.mentions]);
      }
      if (applied.length === 0) {
        for (const [part, role] of parts) {
          const other = part["unevaluatedItems"];
          if (isSchemaNode(other)) applied.push([other, role]);
        }
      }
      return this.compile(applied);
    };
    const places = Array.from({ length }, (_, index) => stepAt(index));
    const rest = stepAt(length);
    if (rest === undefined && places.every((step) => step === undefined)) return undefined;
    return this.#style.array(length === 0 ? () => rest : (index) => (index < length ? places[index] : rest));
  }

  #planOf(parts: Parts): ObjectPlan {
    const properties = this.#propertiesOf(parts).map(([key, applied]) => ({
      key,
      step: this.compile(applied),
      fallback: fallbackOf(applied),
    }));
    let declared = false;
    let open = false;
    for (const [part, role] of parts) {
      if (role === Role.mentions) continue;
      declared ||= isSchemaNode(part["properties"]) || part["additionalProperties"] === false;
      open ||= OPENING.some((keyword) => (part[keyword] ?? false) !== false);
    }
    return {
      properties,
      declared: new Set(properties.map(({ key }) => key)),
      others: this.#othersOf(parts, declared && !open),
    };
  }

  /** Every field that a part names, with the schemas that speak of it. */
  #propertiesOf(parts: Parts): [key: string, applied: AppliedSchema[]][] {
    const names = new Set<string>();
    for (const part of parts.keys()) {
      for (const key of Object.keys(mapOf(part["properties"]))) names.add(key);
      // What has to be there can't be unknown.
      for (const key of listOf(part["required"])) names.add(String(key));
    }
    const patterns = patternsOf(parts);
    return [...names].map((key) => [key, this.#appliedTo(parts, patterns, key)]);
  }

  /** The schemas that speak of a field. */
  #appliedTo(parts: Parts, patterns: readonly Pattern[], key: string): AppliedSchema[] {
    const applied: AppliedSchema[] = [];
    let evaluated = false;
    for (const [part, role] of parts) {
      const properties = mapOf(part["properties"]);
      const own = Object.hasOwn(properties, key) ? [properties[key]] : [];
      for (const { owner, pattern, schema } of patterns) {
        if (owner === part && pattern.test(key)) own.push(schema);
      }
      if (own.length === 0 && part["additionalProperties"] !== undefined)
        own.push(part["additionalProperties"]);
      evaluated ||= own.length > 0;
      for (const schema of own) if (isSchemaNode(schema)) applied.push([schema, role]);
    }
    if (evaluated) return applied;
    for (const [part, role] of parts) {
      const other = part["unevaluatedProperties"];
      if (isSchemaNode(other)) applied.push([other, role]);
    }
    return applied;
  }

  #othersOf(parts: Parts, drops: boolean): ObjectPlan["others"] {
    const patterns = patternsOf(parts);
    const rest = this.compile(this.#appliedTo(parts, [], NO_NAME));
    if (patterns.length === 0) {
      if (drops) return "drop";
      return rest === undefined ? "keep" : () => rest;
    }
    if (
      !drops &&
      rest === undefined &&
      patterns.every(({ schema }) => this.compile([[schema, 2]]) === undefined)
    )
      return "keep";
    // Which of the patterns a name matches says all that there is to know of it.
    const known = new Map<string, Step | undefined | typeof DROPPED>();
    return (key) => {
      const matching = patterns.map(({ pattern }) => (pattern.test(key) ? "1" : "0")).join("");
      if (known.has(matching)) return known.get(matching);
      const isKnown = matching.includes("1") || !drops;
      const step = isKnown ? this.compile(this.#appliedTo(parts, patterns, key)) : DROPPED;
      if (known.size < MAX_COMPILED) known.set(matching, step);
      return step;
    };
  }

  #partsOf(applied: readonly AppliedSchema[]): Parts {
    const parts = new Map<SchemaNode, Role>();
    for (const [node, role] of applied) {
      for (const part of this.#applicators.parts(node)) {
        parts.set(part, Math.max(role, parts.get(part) ?? Role.mentions) as Role);
      }
    }
    return parts;
  }

  #keyOf(parts: Parts): string {
    let key = "";
    for (const [part, role] of parts) {
      let id = this.#ids.get(part);
      if (id === undefined) this.#ids.set(part, (id = this.#ids.size));
      key += `${id}${ROLE_LETTERS[role] as string}`;
    }
    return key;
  }

  /** What `contains` says of each item: it applies to those that it fits. */
  #ifContained(schema: SchemaNode): SchemaNode {
    let node = this.#contained.get(schema);
    if (node === undefined) this.#contained.set(schema, (node = { if: schema }));
    return node;
  }

  /** Whether a schema, or one that it leads to, has something to say about an object's fields. */
  #isActive(node: SchemaNode): boolean {
    const known = this.#active.get(node);
    if (known !== undefined) return known;
    const seen = new Set<SchemaNode>();
    const find = (place: SchemaNode): boolean => {
      if (seen.has(place)) return false;
      seen.add(place);
      if (isSchemaNode(place["properties"]) || place["additionalProperties"] === false) return true;
      const target = refTarget(place, this.#definitions);
      let found = target !== undefined && find(target);
      mapSubschemas(place, (subschema) => (found ||= find(subschema)));
      return found;
    };
    const found = find(node);
    this.#active.set(node, found);
    return found;
  }
}

interface Pattern {
  readonly owner: SchemaNode;
  readonly pattern: KeyPattern;
  readonly schema: SchemaNode;
}

function patternsOf(parts: Parts): Pattern[] {
  return [...parts.keys()].flatMap((owner) =>
    Object.entries(mapOf(owner["patternProperties"])).map(([pattern, schema]) => ({
      owner,
      pattern: { test: patternTest(pattern) },
      schema: isSchemaNode(schema) ? schema : {},
    })),
  );
}

function fallbackOf(applied: readonly AppliedSchema[]): unknown {
  const [node] = applied.find(([schema, role]) => role === Role.fills && "default" in schema) ?? [];
  return node?.["default"];
}

/** The places of a tuple. */
function placesOf(part: SchemaNode): readonly unknown[] {
  return listOf(part["prefixItems"]);
}

/** Keywords by which fields that nobody names may stay. */
const OPENING = ["additionalProperties", "unevaluatedProperties"];

/** Stands for the name of any field that no schema names. */
const NO_NAME = "\0";

const ROLE_LETTERS = ["m", "d", "f"];
