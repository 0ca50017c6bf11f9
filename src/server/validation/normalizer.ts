import { MEDIA, mediaRuleOf } from "../../routes/media-rule.ts";
import { eachSubschema, isSchemaNode, type SchemaNode } from "../../routes/schema-walk.ts";
import { Applicators, Role, type Condition, type AppliedSchema, type UnionResolver } from "./applicators.ts";
import { listOf, mapOf, refTarget, rootsOf, someNode } from "./canonical-nodes.ts";
import type { CanonicalSchema } from "./canonical.ts";
import {
  DROPPED,
  type KeyPattern,
  type ObjectPlan,
  type Step,
  type NormalizerStyle,
} from "./normalizer-steps.ts";
import { patternTest } from "./patterns/pattern-safety.ts";

/** Maximum number of compiled combinations of schemas, which depend on the callers' values. */
const MAX_COMPILED = 2000;

/** The schemas that apply unconditionally to one value, with their roles. */
type Parts = ReadonlyMap<SchemaNode, Role>;

/**
 * Compiles a function that fills in defaults and drops unknown fields of a valid value; undefined if there is nothing
 * to do. The known fields are those of all schemas that apply to the value: beside a `$ref`, in `allOf`, in the union
 * branches that the value fits, in `if` with `then` or `else`, and in `dependentSchemas`.
 */
export function compileNormalizer(
  schema: CanonicalSchema,
  judge: UnionResolver,
  style: NormalizerStyle,
): Step | undefined {
  return new NormalizerCompiler(schema, judge, style).compile([[schema.root, Role.fills]]);
}

class NormalizerCompiler {
  readonly #definitions: CanonicalSchema["definitions"];
  readonly #applicators: Applicators;
  readonly #style: NormalizerStyle;
  readonly #compiled = new Map<string, { step?: Step | undefined }>();
  readonly #ids = new Map<SchemaNode, number>();
  readonly #active = new Map<SchemaNode, boolean>();
  readonly #contained = new Map<SchemaNode, SchemaNode>();
  /** Whether texts are converted, too: those that are URLs of files. */
  readonly #hasMedia: boolean;

  constructor(schema: CanonicalSchema, judge: UnionResolver, style: NormalizerStyle) {
    const { definitions } = schema;
    this.#definitions = definitions;
    this.#hasMedia = rootsOf(schema).some((root) => someNode(root, (node) => MEDIA in node));
    this.#applicators = new Applicators(definitions, judge);
    this.#style = style;
  }

  /** The step for a value that these schemas apply to. */
  compile(applied: readonly AppliedSchema[]): Step | undefined {
    if (!applied.some(([node]) => this.#isActive(node))) return undefined;
    const parts = this.#partsOf(applied);
    return this.#once(parts, "?", () => {
      const conditional = [...parts].some(([part]) => this.#applicators.conditions(part).length > 0);
      return conditional ? this.#conditional(parts) : this.#unconditional(parts);
    });
  }

  /** Compiles the same parts once. Recursive parts refer to themselves while they are being compiled. */
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

  /** Determines for each value which schemas apply to it, before any default is filled in. */
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
      if ((typeof value !== "object" || value === null) && !this.#hasMedia) return value;
      const judged = prepare(value);
      const all = new Map(parts);
      const pending = [...always]; // grows with the conditions of schemas that apply
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
    for (const [part, role] of parts) {
      const rule = role === Role.mentions ? undefined : mediaRuleOf(part);
      if (rule !== undefined) return (value) => (rule.fits(value) ? this.#style.media(rule, value) : value);
    }
    const steps = [this.#array(parts), this.#style.object(this.#planOf(parts))];
    const [first, second] = steps.filter((step) => step !== undefined);
    return first === undefined || second === undefined ? first : (value) => second(first(value));
  }

  #array(parts: Parts): Step | undefined {
    const length = Math.max(0, ...[...parts.keys()].map((part) => prefixItemsOf(part).length));
    const stepAt = (index: number): Step | undefined => {
      const applied: AppliedSchema[] = [];
      for (const [part, role] of parts) {
        const schema = prefixItemsOf(part)[index] ?? part["items"];
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
    const itemSteps = Array.from({ length }, (_, index) => stepAt(index));
    const rest = stepAt(length);
    if (rest === undefined && itemSteps.every((step) => step === undefined)) return undefined;
    return this.#style.array(
      length === 0 ? () => rest : (index) => (index < length ? itemSteps[index] : rest),
    );
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

  /** Every field that a part names, with the schemas that apply to it. */
  #propertiesOf(parts: Parts): [key: string, applied: AppliedSchema[]][] {
    const names = new Set<string>();
    for (const part of parts.keys()) {
      for (const key of Object.keys(mapOf(part["properties"]))) names.add(key);
      // A required field is known.
      for (const key of listOf(part["required"])) names.add(String(key));
    }
    const patterns = patternsOf(parts);
    return [...names].map((key) => [key, this.#appliedTo(parts, patterns, key)]);
  }

  /** The schemas that apply to a field. */
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
    // The set of matching patterns determines the step of a name.
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

  /** Wraps `contains`, so that it applies to the items that fit it. */
  #ifContained(schema: SchemaNode): SchemaNode {
    let node = this.#contained.get(schema);
    if (node === undefined) this.#contained.set(schema, (node = { if: schema }));
    return node;
  }

  /** Whether a schema, or one that it refers to, normalizes any fields. */
  #isActive(node: SchemaNode): boolean {
    const known = this.#active.get(node);
    if (known !== undefined) return known;
    const seen = new Set<SchemaNode>();
    const find = (schema: SchemaNode): boolean => {
      if (seen.has(schema)) return false;
      seen.add(schema);
      if (isSchemaNode(schema["properties"]) || schema["additionalProperties"] === false) return true;
      if (MEDIA in schema) return true;
      const target = refTarget(schema, this.#definitions);
      let found = target !== undefined && find(target);
      eachSubschema(schema, (subschema) => (found ||= find(subschema)));
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

/** The item schemas of a tuple. */
function prefixItemsOf(part: SchemaNode): readonly unknown[] {
  return listOf(part["prefixItems"]);
}

/** Keywords that allow undeclared fields. */
const OPENING = ["additionalProperties", "unevaluatedProperties"];

/** A name that stands for any undeclared field. */
const NO_NAME = "\0";

const ROLE_LETTERS = ["m", "d", "f"];
