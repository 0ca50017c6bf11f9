import { isSchemaNode, type SchemaNode } from "../../routes/schema-walk.ts";
import { conjuncts, dereference, listOf, mapOf } from "./canonical-nodes.ts";
import { literalsOf, type CanonicalSchema } from "./canonical.ts";

/** A field whose value selects the branch of a union. */
export interface Discriminator {
  readonly field: string;
  /** The branch for each value of the field. */
  readonly branchOf: ReadonlyMap<unknown, SchemaNode>;
  /** The values of each object branch; other branches are missing. */
  readonly valuesOf: ReadonlyMap<SchemaNode, readonly unknown[]>;
}

/** Finds discriminators of unions. */
export class Discriminators {
  readonly #definitions: CanonicalSchema["definitions"];
  readonly #known = new WeakMap<readonly unknown[], { found: Discriminator | undefined }>();

  constructor(definitions: CanonicalSchema["definitions"]) {
    this.#definitions = definitions;
  }

  /**
   * The field that selects the branch of a union: every object branch requires it and limits it to literals that no
   * other branch has. Its position among the fields and branches for other types don't matter. Undefined if there is no
   * such field.
   */
  of(branches: unknown): Discriminator | undefined {
    if (!Array.isArray(branches)) return undefined;
    let known = this.#known.get(branches);
    if (known === undefined) this.#known.set(branches, (known = { found: this.#find(branches) }));
    return known.found;
  }

  #find(branches: readonly unknown[]): Discriminator | undefined {
    const objects: SchemaNode[] = [];
    for (const branch of branches) {
      const takes = isSchemaNode(branch)
        ? takesObjects(conjuncts(branch, this.#definitions))
        : branch === false
          ? "never"
          : "perhaps";
      if (takes === "perhaps") return undefined;
      if (takes === "only") objects.push(branch as SchemaNode);
    }
    if (objects.length < 2) return undefined;
    const [first = new Map<string, readonly unknown[]>(), ...others] = objects.map((branch) =>
      this.#literalFields(branch),
    );
    for (const field of first.keys()) {
      const lists = [first, ...others].map((fields) => fields.get(field));
      const values = lists.flatMap((list) => list ?? []);
      if (lists.includes(undefined) || new Set(values).size < values.length) continue;
      const branchOf = new Map<unknown, SchemaNode>();
      const valuesOf = new Map<SchemaNode, readonly unknown[]>();
      for (const [index, branch] of objects.entries()) {
        valuesOf.set(branch, lists[index] ?? []);
        for (const value of lists[index] ?? []) branchOf.set(value, branch);
      }
      if (valuesOf.size === objects.length) return { field, branchOf, valuesOf };
    }
    return undefined;
  }

  /** The required fields of a branch that accept literals only. */
  #literalFields(branch: SchemaNode): Map<string, readonly unknown[]> {
    const parts = conjuncts(branch, this.#definitions);
    const required = new Set(parts.flatMap((part) => listOf(part["required"])));
    const fields = new Map<string, readonly unknown[]>();
    for (const { properties } of parts) {
      for (const [key, property] of Object.entries(mapOf(properties))) {
        if (!required.has(key) || fields.has(key) || !isSchemaNode(property)) continue;
        const values = literalsOf(property) ?? literalsOf(dereference(property, this.#definitions));
        const areScalars = values?.every((value) => typeof value !== "object" || value === null);
        if (values !== undefined && areScalars === true) fields.set(key, values);
      }
    }
    return fields;
  }
}

function takesObjects(parts: readonly SchemaNode[]): "only" | "never" | "perhaps" {
  const types = parts.map(({ type }) => type).filter((type) => type !== undefined);
  if (types.includes("object")) return "only";
  if (types.some((type) => !(Array.isArray(type) && type.includes("object")))) return "never";
  const literals = parts.map(literalsOf).find((values) => values !== undefined);
  return literals?.every((value) => typeof value !== "object" || value === null) === true
    ? "never"
    : "perhaps";
}
