import { isSchemaNode, type SchemaNode } from "../../routes/schema-walk.ts";
import { patternTest } from "./patterns/pattern-safety.ts";
import { entriesOf, listOf, refTarget } from "./canonical-nodes.ts";
import type { CanonicalSchema } from "./canonical.ts";
import type { Discriminators } from "./discriminators.ts";
import { isObject, readField } from "./json-values.ts";
import { rulesOf } from "./rules.ts";
import type { WorkBudget } from "./work-budget.ts";

/** The evaluated fields and items of a value, for `unevaluatedProperties` and `unevaluatedItems`. */
class Evaluated {
  readonly keys = new Set<string>();
  readonly indexes = new Set<number>();

  take({ keys, indexes }: Evaluated): void {
    for (const key of keys) this.keys.add(key);
    for (const index of indexes) this.indexes.add(index);
  }
}

type Check = (value: unknown, work: WorkBudget, seen?: Evaluated) => boolean;

/**
 * Validates values by all of JSON Schema 2020-12, in time proportional to the value: results about parts of a value are
 * cached, and each step is counted. Ajv is faster unless it repeats work.
 */
export class Checker {
  readonly #definitions: CanonicalSchema["definitions"];
  readonly #discriminators: Discriminators;
  readonly #checks = new Map<SchemaNode, Check>();
  readonly #parts = new Map<SchemaNode, readonly Check[]>();

  constructor(definitions: CanonicalSchema["definitions"], discriminators: Discriminators) {
    this.#definitions = definitions;
    this.#discriminators = discriminators;
  }

  fits(node: unknown, value: unknown, work: WorkBudget): boolean {
    return this.#check(node)(value, work);
  }

  #check(node: unknown): Check {
    if (!isSchemaNode(node)) return node === false ? NEVER : ALWAYS;
    let check = this.#checks.get(node);
    if (check === undefined) {
      check = remembering(node, this.#compile(node));
      this.#checks.set(node, check);
    }
    return check;
  }

  #compile(node: SchemaNode): Check {
    const rules = rulesOf(node);
    const parts = [...this.#inPlace(node), ...this.#ofArrays(node), ...this.#ofObjects(node)];
    const tracks = "unevaluatedItems" in node || "unevaluatedProperties" in node;
    const rest = tracks ? this.#unevaluated(node) : undefined;
    return (value, work, outer) => {
      work.step();
      for (const rule of rules) {
        if (rule.cost !== undefined) work.step(rule.cost(value));
        if (!rule.fits(value)) return false;
      }
      const seen = tracks ? new Evaluated() : outer;
      for (const part of parts) if (!part(value, work, seen)) return false;
      if (rest === undefined) return true;
      if (!rest(value, work, seen)) return false;
      outer?.take(seen as Evaluated);
      return true;
    };
  }

  #inPlace(node: SchemaNode): Check[] {
    const checks: Check[] = [];
    if (typeof node["$ref"] === "string") {
      const target = refTarget(node, this.#definitions) ?? {};
      checks.push((value, work, seen) => this.#check(target)(value, work, seen));
    }
    for (const part of listOf(node["allOf"])) checks.push(this.#lazily(part));
    if (Array.isArray(node["anyOf"])) checks.push(this.#anyOf(node["anyOf"]));
    if (Array.isArray(node["oneOf"])) checks.push(this.#oneOf(node["oneOf"]));
    if (node["not"] !== undefined) {
      const not = this.#lazily(node["not"]);
      checks.push((value, work) => !not(value, work));
    }
    if (node["if"] !== undefined) checks.push(this.#condition(node));
    for (const [key, schema] of entriesOf(node["dependentSchemas"])) {
      const check = this.#lazily(schema);
      checks.push((value, work, seen) => !hasField(value, key) || check(value, work, seen));
    }
    return checks;
  }

  #anyOf(branches: readonly unknown[]): Check {
    const checks = branches.map((branch) => this.#lazily(branch));
    const decided = this.#decided(branches);
    return (value, work, seen) => {
      const only = decided(value);
      if (only !== undefined) return only(value, work, seen);
      if (seen === undefined) return checks.some((check) => check(value, work));
      let fits = false;
      for (const check of checks) fits = attempt(check, value, work, seen) || fits; // no early exit: each branch marks its fields
      return fits;
    };
  }

  #oneOf(branches: readonly unknown[]): Check {
    const checks = branches.map((branch) => this.#lazily(branch));
    const decided = this.#decided(branches);
    return (value, work, seen) => {
      const only = decided(value);
      if (only !== undefined) return only(value, work, seen);
      let found: Evaluated | undefined;
      let count = 0;
      for (const check of checks) {
        const mine = seen && new Evaluated();
        if (!check(value, work, mine)) continue;
        if (++count > 1) return false;
        found = mine;
      }
      if (found !== undefined) seen?.take(found);
      return count === 1;
    };
  }

  /** The only branch that a value can fit, according to a discriminator. */
  #decided(branches: readonly unknown[]): (value: unknown) => Check | undefined {
    const discriminator = this.#discriminators.of(branches);
    if (discriminator === undefined) return () => undefined;
    const { field, branchOf } = discriminator;
    const checks = new Map([...branchOf].map(([value, branch]) => [value, this.#lazily(branch)]));
    return (value) => (isObject(value) ? (checks.get(readField(value, field)) ?? NEVER) : undefined);
  }

  #condition(node: SchemaNode): Check {
    const condition = this.#lazily(node["if"]);
    const [yes, no] = [this.#lazily(node["then"]), this.#lazily(node["else"])];
    return (value, work, seen) =>
      attempt(condition, value, work, seen) ? yes(value, work, seen) : no(value, work, seen);
  }

  #ofArrays(node: SchemaNode): Check[] {
    const checks: Check[] = [];
    const prefixItems = listOf(node["prefixItems"]).map((item) => this.#lazily(item));
    const others = node["items"] === undefined ? undefined : this.#lazily(node["items"]);
    if (prefixItems.length > 0 || others !== undefined) {
      checks.push((value, work, seen) => {
        if (!Array.isArray(value)) return true;
        const end = others === undefined ? Math.min(prefixItems.length, value.length) : value.length;
        for (let index = 0; index < end; index++) {
          if (!(prefixItems[index] ?? (others as Check))(value[index], work)) return false;
          seen?.indexes.add(index);
        }
        return true;
      });
    }
    if (node["contains"] !== undefined) checks.push(this.#contains(node));
    return checks;
  }

  #contains(node: SchemaNode): Check {
    const check = this.#lazily(node["contains"]);
    const least = typeof node["minContains"] === "number" ? node["minContains"] : 1;
    const most = typeof node["maxContains"] === "number" ? node["maxContains"] : Infinity;
    return (value, work, seen) => {
      if (!Array.isArray(value)) return true;
      let count = 0;
      for (let index = 0; index < value.length; index++) {
        if (!check(value[index], work)) continue;
        seen?.indexes.add(index);
        if (++count > most) return false;
        if (count >= least && most === Infinity && seen === undefined) return true;
      }
      return count >= least;
    };
  }

  #ofObjects(node: SchemaNode): Check[] {
    const checks: Check[] = [];
    const required = listOf(node["required"]) as readonly string[];
    if (required.length > 0) {
      checks.push(
        (value) => !isObject(value) || required.every((key) => readField(value, key) !== undefined),
      );
    }
    if (node["propertyNames"] !== undefined) {
      const check = this.#lazily(node["propertyNames"]);
      checks.push((value, work) => !isObject(value) || keysOf(value).every((key) => check(key, work)));
    }
    const properties = entriesOf(node["properties"]).map(
      ([key, schema]) => [key, this.#lazily(schema)] as const,
    );
    if (properties.length > 0) {
      checks.push((value, work, seen) => {
        if (!isObject(value)) return true;
        for (const [key, check] of properties) {
          const item = readField(value, key);
          if (item === undefined) continue;
          if (!check(item, work)) return false;
          seen?.keys.add(key);
        }
        return true;
      });
    }
    const patterns = entriesOf(node["patternProperties"]).map(
      ([pattern, schema]) => [patternTest(pattern), this.#lazily(schema)] as const,
    );
    const others =
      node["additionalProperties"] === undefined ? undefined : this.#lazily(node["additionalProperties"]);
    if (patterns.length === 0 && others === undefined) return checks;
    const declared = new Set(properties.map(([key]) => key));
    checks.push((value, work, seen) => {
      if (!isObject(value)) return true;
      for (const key of keysOf(value)) {
        work.step(1 + (patterns.length * key.length) / 16);
        let isKnown = declared.has(key);
        for (const [matches, check] of patterns) {
          if (!matches(key)) continue;
          if (!check(value[key], work)) return false;
          isKnown = true;
          seen?.keys.add(key);
        }
        if (isKnown || others === undefined) continue;
        if (!others(value[key], work)) return false;
        seen?.keys.add(key);
      }
      return true;
    });
    return checks;
  }

  #unevaluated(node: SchemaNode): Check {
    const [items, properties] = [node["unevaluatedItems"], node["unevaluatedProperties"]];
    const [ofItems, ofProperties] = [this.#lazily(items), this.#lazily(properties)];
    return (value, work, seen) => {
      if (Array.isArray(value) && items !== undefined) {
        for (let index = 0; index < value.length; index++) {
          if (seen?.indexes.has(index)) continue;
          if (!ofItems(value[index], work)) return false;
          seen?.indexes.add(index);
        }
      }
      if (isObject(value) && properties !== undefined) {
        for (const key of keysOf(value)) {
          if (seen?.keys.has(key)) continue;
          if (!ofProperties(value[key], work)) return false;
          seen?.keys.add(key);
        }
      }
      return true;
    };
  }

  /** Compiled on first use: a schema may contain itself. */
  #lazily(node: unknown): Check {
    if (!isSchemaNode(node)) return this.#check(node);
    let check: Check | undefined;
    return (value, work, seen) => (check ??= this.#check(node))(value, work, seen);
  }

  /** The parts of a value that `unevaluatedProperties` and `unevaluatedItems` apply to. */
  unevaluated(node: SchemaNode, value: unknown, work: WorkBudget): readonly (string | number)[] {
    const seen = new Evaluated();
    let parts = this.#parts.get(node);
    if (parts === undefined) {
      parts = [...this.#inPlace(node), ...this.#ofArrays(node), ...this.#ofObjects(node)];
      this.#parts.set(node, parts);
    }
    for (const part of parts) attempt(part, value, work, seen);
    if (Array.isArray(value)) return [...value.keys()].filter((index) => !seen.indexes.has(index));
    return isObject(value) ? keysOf(value).filter((key) => !seen.keys.has(key)) : [];
  }
}

const ALWAYS: Check = () => true;
const NEVER: Check = () => false;

/** Caches results about parts of a value while the value is validated. */
function remembering(node: SchemaNode, check: Check): Check {
  if (!Object.keys(node).some((keyword) => GOES_DEEPER.has(keyword))) return check;
  return (value, work, seen) => {
    if (seen !== undefined || typeof value !== "object" || value === null) return check(value, work, seen);
    const known = work.found(node, value);
    if (known !== undefined) return known;
    const fits = check(value, work);
    work.remember(node, value, fits);
    return fits;
  };
}

const GOES_DEEPER: ReadonlySet<string> = new Set([
  ...["$ref", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas", "prefixItems", "items", "contains"],
  ...["properties", "patternProperties", "additionalProperties", "unevaluatedItems", "unevaluatedProperties"],
]);

/** A failed check evaluates nothing. */
function attempt(check: Check, value: unknown, work: WorkBudget, seen: Evaluated | undefined): boolean {
  if (seen === undefined) return check(value, work);
  const mine = new Evaluated();
  if (!check(value, work, mine)) return false;
  seen.take(mine);
  return true;
}

function hasField(value: unknown, key: string): boolean {
  return isObject(value) && readField(value, key) !== undefined;
}

/** All enumerable keys, including inherited ones of a result's class, as in Ajv. */
function keysOf(value: object): string[] {
  const keys: string[] = [];
  for (const key in value) keys.push(key);
  return keys;
}
