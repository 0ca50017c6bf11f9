import type { ErrorObject } from "ajv";
import type { ValidationIssue } from "../../errors.ts";
import { isSchemaNode, literalValues, type SchemaNode } from "../../routes/schema-walk.ts";
import { dereference, type CanonicalSchema } from "./canonical.ts";
import { BYTES } from "../../routes/bytes.ts";
import { readField } from "./fields.ts";
import { Echo } from "./echo.ts";
import { leafIssue, typeIssue } from "./messages.ts";

/** What the explainer asks of the validator. */
export interface Judge {
  /** Whether the value fits this node. */
  fits(node: SchemaNode, value: unknown): boolean;
  /** The faults of the value under the node's own keywords, those about parts of the value left out. */
  faults(leaf: SchemaNode, value: unknown): readonly ErrorObject[];
}

/** One answer lists this many faults at most: a hostile body could otherwise have millions. */
export const MAX_ISSUES = 1000;

type Location = readonly (string | number)[];

/** Keywords that speak of parts of the value, or say nothing about it: not judged at the node itself. */
const STRUCTURAL = new Set([
  ...[
    "$ref",
    "allOf",
    "anyOf",
    "oneOf",
    "properties",
    "required",
    "patternProperties",
    "additionalProperties",
  ],
  ...["items", "additionalItems", "default", "title", "description", "examples", "$schema", "$comment"],
]);

/**
 * Lists why a value does not fit, in schema order, in the words of wire contract's table. The validator remains
 * the judge of every single rule; this walk only decides where to look and how to name the place.
 */
export class Explainer {
  readonly #definitions: CanonicalSchema["definitions"];
  readonly #judge: Judge;
  readonly #leaves = new Map<SchemaNode, SchemaNode>();

  constructor(schema: CanonicalSchema, judge: Judge) {
    this.#definitions = schema.definitions;
    this.#judge = judge;
  }

  explain(root: SchemaNode, value: unknown, at: Location): ValidationIssue[] {
    const issues: ValidationIssue[] = [];
    this.#walk(root, value, at, issues);
    if (issues.length === 0) {
      issues.push({ type: "value_error", loc: [...at], msg: "Value does not fit the schema", input: value });
    }
    const echo = new Echo();
    return withoutRepeats(issues).map((issue) =>
      "input" in issue ? { ...issue, input: echo.show(issue.input) } : issue,
    );
  }

  #walk(node: unknown, value: unknown, at: Location, issues: ValidationIssue[]): void {
    if (issues.length >= MAX_ISSUES) return;
    if (node === false) {
      issues.push({
        type: "extra_forbidden",
        loc: [...at],
        msg: "Extra inputs are not permitted",
        input: value,
      });
      return;
    }
    if (!isSchemaNode(node)) return;
    if (node["$ref"] !== undefined) this.#walk(dereference(node, this.#definitions), value, at, issues);
    if (ArrayBuffer.isView(value) && node["type"] !== undefined) {
      issues.push(typeIssue(node, value, at)); // a body that is no JSON, or bytes in a frame, fits no JSON type
      return;
    }
    const faults = this.#judge.faults(this.#leaf(node), value);
    const typeFault = faults.find(({ keyword }) => keyword === "type");
    const literals = literalValues(node);
    if (literals !== undefined) {
      if (!this.#judge.fits(node, value))
        issues.push(leafIssue("enum", { allowedValues: literals }, value, at));
      return;
    }
    if (typeFault !== undefined) {
      issues.push(typeIssue(node, value, at));
      return;
    }
    for (const fault of faults) issues.push(leafIssue(fault.keyword, fault.params, value, at, fault.message));
    for (const part of listOf(node["allOf"])) this.#walk(part, value, at, issues);
    for (const union of [node["anyOf"], node["oneOf"]]) this.#walkUnion(listOf(union), value, at, issues);
    if (node["oneOf"] !== undefined) this.#checkOnlyOne(listOf(node["oneOf"]), value, at, issues);
    if (Array.isArray(value)) this.#walkItems(node, value, at, issues);
    else if (typeof value === "object" && value !== null) this.#walkFields(node, value, at, issues);
  }

  #walkUnion(branches: readonly unknown[], value: unknown, at: Location, issues: ValidationIssue[]): void {
    if (branches.length === 0 || branches.some((branch) => this.#fits(branch, value))) return;
    // "or null" is no branch of its own: what does not fit is told about the other branch alone.
    const others = branches.filter((branch) => !isSchemaNode(branch) || branch["type"] !== "null");
    const telling = others.length === 0 ? branches.slice(0, 1) : others;
    if (telling.length === 1) return this.#walk(telling[0], value, at, issues);
    for (const branch of telling) this.#walk(branch, value, [...at, this.#branchName(branch)], issues);
  }

  #checkOnlyOne(branches: readonly unknown[], value: unknown, at: Location, issues: ValidationIssue[]): void {
    if (branches.filter((branch) => this.#fits(branch, value)).length <= 1) return;
    issues.push({
      type: "value_error",
      loc: [...at],
      msg: "Input should fit exactly one alternative",
      input: value,
    });
  }

  #walkItems(node: SchemaNode, value: readonly unknown[], at: Location, issues: ValidationIssue[]): void {
    const places = Array.isArray(node["items"]) ? node["items"] : undefined;
    for (let index = 0; index < value.length && issues.length < MAX_ISSUES; index++) {
      const schema = places === undefined ? node["items"] : (places[index] ?? node["additionalItems"]);
      if (schema !== undefined) this.#walk(schema, value[index], [...at, index], issues);
    }
  }

  #walkFields(node: SchemaNode, value: object, at: Location, issues: ValidationIssue[]): void {
    const properties = isSchemaNode(node["properties"]) ? node["properties"] : {};
    const required = new Set(listOf(node["required"]));
    const fields = value as Record<string, unknown>;
    for (const [key, property] of Object.entries(properties)) {
      const item = readField(fields, key);
      if (item !== undefined) {
        this.#walk(property, item, [...at, key], issues);
      } else if (required.has(key)) issues.push(missing([...at, key], value));
    }
    for (const key of required) {
      const name = String(key);
      if (!Object.hasOwn(properties, name) && readField(fields, name) === undefined) {
        issues.push(missing([...at, name], value));
      }
    }
    const patterns = Object.entries(isSchemaNode(node["patternProperties"]) ? node["patternProperties"] : {});
    for (const key of Object.keys(fields)) {
      if (issues.length >= MAX_ISSUES) return;
      if (Object.hasOwn(properties, key)) continue;
      const matching = patterns.filter(([pattern]) => new RegExp(pattern, "u").test(key));
      for (const [, schema] of matching) this.#walk(schema, fields[key], [...at, key], issues);
      if (matching.length === 0) this.#walk(node["additionalProperties"], fields[key], [...at, key], issues);
    }
  }

  #fits(branch: unknown, value: unknown): boolean {
    return isSchemaNode(branch) ? this.#judge.fits(branch, value) : branch !== false;
  }

  /** The part of a node that speaks of the value as a whole. */
  #leaf(node: SchemaNode): SchemaNode {
    let leaf = this.#leaves.get(node);
    if (leaf === undefined) {
      leaf = Object.fromEntries(Object.entries(node).filter(([keyword]) => !STRUCTURAL.has(keyword)));
      this.#leaves.set(node, leaf);
    }
    return leaf;
  }

  #branchName(branch: unknown): string {
    if (!isSchemaNode(branch)) return "any";
    const target = dereference(branch, this.#definitions);
    const title = branch["title"] ?? target["title"];
    if (typeof title === "string") return title;
    if (typeof branch["$ref"] === "string") return branch["$ref"].slice("#/$defs/".length);
    const literals = literalValues(target);
    if (literals !== undefined) return `literal[${literals.map(quoted).join(",")}]`;
    const { type, items } = target;
    if (BYTES in target) return "bytes";
    if (type === "array") return isSchemaNode(items) ? `list[${this.#branchName(items)}]` : "list";
    return TYPE_NAMES[String(type)] ?? "any";
  }
}

/** The members of an intersection may find the same fault at the same place. */
function withoutRepeats(issues: readonly ValidationIssue[]): readonly ValidationIssue[] {
  const seen = new Set<string>();
  return issues.filter(({ type, loc, msg }) => {
    const key = JSON.stringify([type, loc, msg]);
    return !seen.has(key) && seen.add(key);
  });
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

function missing(loc: (string | number)[], input: unknown): ValidationIssue {
  return { type: "missing", loc, msg: "Field required", input };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
