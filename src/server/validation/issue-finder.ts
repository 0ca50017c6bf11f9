import type { ValidationIssue } from "../../errors.ts";
import { BYTES } from "../../routes/bytes.ts";
import { MEDIA, mediaRuleOf } from "../../routes/media-rule.ts";
import { isSchemaNode, literalValues, type SchemaNode } from "../../routes/schema-walk.ts";
import { dereference, entriesOf, listOf } from "./canonical-nodes.ts";
import type { CanonicalSchema } from "./canonical.ts";
import type { Checker } from "./checker.ts";
import type { Discriminators } from "./discriminators.ts";
import { isFields, readField } from "./json-values.ts";
import { ANSWER_FULL, childLocation, IssueList, type Fault, type IssueLocation } from "./issue-list.ts";
import { count, ruleFault, typeFault } from "./messages.ts";
import { patternTest } from "./patterns/pattern-safety.ts";
import { lacking, rulesOf, type Rule } from "./rules.ts";
import { OUT_OF_BUDGET, WorkBudget } from "./work-budget.ts";

/**
 * Lists the reasons why a value does not fit, in schema order and in the words of the wire contract: as many as the
 * answer has room for, with work in proportion to the value.
 */
export class IssueFinder {
  readonly #schema: CanonicalSchema;
  readonly #checker: Checker;
  readonly #discriminators: Discriminators;
  readonly #rules = new Map<SchemaNode, readonly Rule[]>();

  constructor(schema: CanonicalSchema, checker: Checker, discriminators: Discriminators) {
    this.#schema = schema;
    this.#checker = checker;
    this.#discriminators = discriminators;
  }

  find(
    value: unknown,
    at: readonly (string | number)[],
    work: WorkBudget = WorkBudget.proportionalTo(value),
  ): ValidationIssue[] {
    const list = new IssueList();
    const root =
      at.reduce<IssueLocation | undefined>(childLocation, undefined) ?? childLocation(undefined, "body");
    const search = new IssueSearch(
      this.#schema.definitions,
      this.#checker,
      this.#discriminators,
      this.#rules,
      work,
      list,
    );
    let omitted: "full" | "work" | undefined;
    try {
      search.walk(this.#schema.root, value, root);
    } catch (error) {
      if (error === ANSWER_FULL) omitted = "full";
      else if (error === OUT_OF_BUDGET) omitted = "work";
      else throw error;
    }
    if (list.isEmpty)
      list.add({ type: "value_error", msg: "Value does not fit the schema", input: value }, root);
    return list.finish(omitted);
  }
}

/** The search in one value. */
class IssueSearch {
  readonly #definitions: CanonicalSchema["definitions"];
  readonly #checker: Checker;
  readonly #discriminators: Discriminators;
  readonly #rules: Map<SchemaNode, readonly Rule[]>;
  readonly #work: WorkBudget;
  readonly #list: IssueList;

  constructor(
    definitions: CanonicalSchema["definitions"],
    checker: Checker,
    discriminators: Discriminators,
    rules: Map<SchemaNode, readonly Rule[]>,
    work: WorkBudget,
    list: IssueList,
  ) {
    this.#definitions = definitions;
    this.#checker = checker;
    this.#discriminators = discriminators;
    this.#rules = rules;
    this.#work = work;
    this.#list = list;
  }

  walk(node: unknown, value: unknown, at: IssueLocation): void {
    this.#work.step();
    if (node === false) return this.#add(at, "extra_forbidden", "Extra inputs are not permitted", value);
    if (!isSchemaNode(node)) return;
    if (node["$ref"] !== undefined) this.walk(dereference(node, this.#definitions), value, at);
    for (const { loc, ...fault } of mediaRuleOf(node)?.faults(value) ?? []) {
      this.#report(fault, loc.reduce(childLocation, at));
    }
    // Bytes fit no JSON type: a body of another content type, or bytes in a frame.
    if (ArrayBuffer.isView(value) && node["type"] !== undefined)
      return this.#report(typeFault(node, value), at);
    const literals = literalValues(node);
    if (literals !== undefined) {
      if (this.#fits(node, value)) return;
      return this.#report(ruleFault({ keyword: "enum", params: { allowedValues: literals } }, value), at);
    }
    const faults = this.#rulesOf(node).filter((rule) => {
      this.#work.step(1 + (rule.cost?.(value) ?? 0));
      return !rule.fits(value);
    });
    if (faults.some(({ keyword }) => keyword === "type")) return this.#report(typeFault(node, value), at);
    for (const fault of faults) {
      if (fault.keyword === "dependentRequired" || fault.keyword === MEDIA) continue; // reported elsewhere
      this.#report(ruleFault(fault, value), at);
    }
    this.#walkApplied(node, value, at);
    if (Array.isArray(value)) this.#walkItems(node, value, at);
    else if (isFields(value)) this.#walkFields(node, value, at);
    this.#walkUnevaluated(node, value, at);
  }

  /** Visits the subschemas that apply to the same value. */
  #walkApplied(node: SchemaNode, value: unknown, at: IssueLocation): void {
    for (const part of listOf(node["allOf"])) this.walk(part, value, at);
    for (const union of [node["anyOf"], node["oneOf"]]) this.#walkUnion(listOf(union), value, at);
    if (node["oneOf"] !== undefined) this.#checkOnlyOne(listOf(node["oneOf"]), value, at);
    if (node["not"] !== undefined && this.#fits(node["not"], value)) {
      this.#add(at, "value_error", "Input should not be what the schema rules out", value);
    }
    if (node["if"] !== undefined)
      this.walk(this.#fits(node["if"], value) ? node["then"] : node["else"], value, at);
    if (!isFields(value)) return;
    for (const [key, schema] of entriesOf(node["dependentSchemas"])) {
      if (readField(value, key) !== undefined) this.walk(schema, value, at);
    }
  }

  #walkUnion(branches: readonly unknown[], value: unknown, at: IssueLocation): void {
    if (branches.length === 0) return;
    const discriminator = isFields(value) ? this.#discriminators.of(branches) : undefined;
    if (discriminator !== undefined) {
      const { field, branchOf } = discriminator;
      const tag = readField(value as Record<string, unknown>, field);
      const branch = branchOf.get(tag);
      if (branch !== undefined) {
        if (this.#fits(branch, value)) return;
        return this.walk(branch, value, childLocation(at, this.#branchName(branch)));
      }
      const location = childLocation(at, field);
      if (tag === undefined) return this.#add(location, "missing", "Field required", value);
      return this.#report(
        ruleFault({ keyword: "enum", params: { allowedValues: [...branchOf.keys()] } }, tag),
        location,
      );
    }
    if (branches.some((branch) => this.#fits(branch, value))) return;
    // "Or null" is not a branch for messages: issues are reported for the other branch alone.
    const others = branches.filter((branch) => !isSchemaNode(branch) || branch["type"] !== "null");
    const reported = others.length === 0 ? branches.slice(0, 1) : others;
    if (reported.length === 1) return this.walk(reported[0], value, at);
    for (const branch of reported) this.walk(branch, value, childLocation(at, this.#branchName(branch)));
  }

  #checkOnlyOne(branches: readonly unknown[], value: unknown, at: IssueLocation): void {
    if (branches.filter((branch) => this.#fits(branch, value)).length <= 1) return;
    this.#add(at, "value_error", "Input should fit exactly one alternative", value);
  }

  #walkItems(node: SchemaNode, value: readonly unknown[], at: IssueLocation): void {
    const prefixItems = listOf(node["prefixItems"]);
    const end = node["items"] === undefined ? Math.min(prefixItems.length, value.length) : value.length;
    for (let index = 0; index < end; index++) {
      this.walk(
        index < prefixItems.length ? prefixItems[index] : node["items"],
        value[index],
        childLocation(at, index),
      );
    }
    if (node["contains"] === undefined) return;
    const { minContains: least = 1, maxContains: most = Infinity } = node as Readonly<Record<string, number>>;
    const fitting = value.filter((item) => this.#fits(node["contains"], item)).length;
    const words = (limit: number): string => `${count(limit, "item")} of the wanted kind, not ${fitting}`;
    if (fitting < least) this.#add(at, "too_short", `List should have at least ${words(least)}`, value);
    if (fitting > most) this.#add(at, "too_long", `List should have at most ${words(most)}`, value);
  }

  #walkFields(node: SchemaNode, value: Readonly<Record<string, unknown>>, at: IssueLocation): void {
    const properties = isSchemaNode(node["properties"]) ? node["properties"] : {};
    const demands = isSchemaNode(node["dependentRequired"]) ? node["dependentRequired"] : {};
    const required = new Set([
      ...(listOf(node["required"]) as readonly string[]),
      ...lacking(value, demands as Readonly<Record<string, readonly string[]>>),
    ]);
    for (const [key, property] of Object.entries(properties)) {
      const item = readField(value, key);
      if (item !== undefined) this.walk(property, item, childLocation(at, key));
      else if (required.has(key)) this.#add(childLocation(at, key), "missing", "Field required", value);
    }
    for (const key of required) {
      if (Object.hasOwn(properties, key) || readField(value, key) !== undefined) continue;
      this.#add(childLocation(at, key), "missing", "Field required", value);
    }
    const patterns = entriesOf(node["patternProperties"]).map(
      ([pattern, schema]) => [patternTest(pattern), schema] as const,
    );
    const { propertyNames: names, additionalProperties: others } = node;
    if (patterns.length === 0 && names === undefined && others === undefined) return;
    for (const key of Object.keys(value)) {
      this.#work.step(1 + (patterns.length * key.length) / 16);
      const location = childLocation(at, key);
      if (names !== undefined && !this.#fits(names, key)) this.walk(names, key, location);
      let isKnown = Object.hasOwn(properties, key);
      for (const [matches, schema] of patterns) {
        if (!matches(key)) continue;
        isKnown = true;
        this.walk(schema, value[key], location);
      }
      if (!isKnown && others !== undefined) this.walk(others, value[key], location);
    }
  }

  /**
   * Visits the fields and items that no other keyword evaluates, and that `unevaluatedProperties` or `unevaluatedItems`
   * applies to.
   */
  #walkUnevaluated(node: SchemaNode, value: unknown, at: IssueLocation): void {
    const rule = Array.isArray(value) ? node["unevaluatedItems"] : node["unevaluatedProperties"];
    if (rule === undefined || !(Array.isArray(value) || isFields(value))) return;
    for (const key of this.#checker.unevaluated(node, value, this.#work)) {
      this.walk(rule, (value as Readonly<Record<string | number, unknown>>)[key], childLocation(at, key));
    }
  }

  #add(at: IssueLocation, type: string, msg: string, input: unknown): void {
    this.#report({ type, msg, input }, at);
  }

  /** Formatting an issue takes longer than most steps, even if it is a duplicate. */
  #report(fault: Fault, at: IssueLocation): void {
    this.#work.step(10 + at.depth / 4);
    this.#list.add(fault, at);
  }

  #fits(node: unknown, value: unknown): boolean {
    return this.#checker.fits(node, value, this.#work);
  }

  #rulesOf(node: SchemaNode): readonly Rule[] {
    let rules = this.#rules.get(node);
    if (rules === undefined) this.#rules.set(node, (rules = rulesOf(node)));
    return rules;
  }

  #branchName(branch: unknown): string {
    if (!isSchemaNode(branch)) return "any";
    const target = dereference(branch, this.#definitions);
    const title = branch["title"] ?? target["title"];
    if (typeof title === "string") return title;
    if (typeof branch["$ref"] === "string") return branch["$ref"].slice("#/$defs/".length);
    const literals = literalValues(target);
    if (literals !== undefined) return `literal[${literals.slice(0, 100).map(quoted).join(",")}]`;
    const { type, items, prefixItems } = target;
    if (BYTES in target) return "bytes";
    if (type === "array") {
      return isSchemaNode(items) && prefixItems === undefined ? `list[${this.#branchName(items)}]` : "list";
    }
    return TYPE_NAMES[String(type)] ?? "any";
  }
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  integer: "int",
  number: "float",
  string: "str",
  boolean: "bool",
  object: "dict",
};

function quoted(value: unknown): string {
  return typeof value === "string" ? `'${value}'` : String(value);
}
