import { isSchemaNode, literalValues, type SchemaNode } from "../../routes/schema-walk.ts";
import { conjuncts, listOf, mapOf } from "./canonical-nodes.ts";
import type { CanonicalSchema } from "./canonical.ts";
import type { Discriminators } from "./discriminators.ts";
import { isFields, readField } from "./json-values.ts";

/** How an applied schema contributes to the known fields of a value. */
export const Role = {
  /** Its fields are known, no more: an `if` whose condition holds. */
  mentions: 0,
  /** Its fields are known, and all others are unknown unless another applied schema knows them. */
  declares: 1,
  /** Like `declares`, and its defaults are filled in. */
  fills: 2,
} as const;
export type Role = (typeof Role)[keyof typeof Role];

/** A schema that applies to a value, and its role. */
export type AppliedSchema = readonly [node: SchemaNode, role: Role];

/** Whether a value fits a conditional schema. */
export type NodeMatcher = (branch: SchemaNode, value: unknown) => boolean;

/** Finds the branches of a union that a value fits, by a discriminator if there is one. */
export interface UnionResolver {
  readonly matches: NodeMatcher;
  readonly discriminators: Discriminators;
}

/** Returns the conditional schemas that apply to a valid value. */
export type Condition = (value: unknown, role: Role) => AppliedSchema[];

/** Finds the schemas that apply to the same value as a given one, unconditionally or under conditions. */
export class Applicators {
  readonly #definitions: CanonicalSchema["definitions"];
  readonly #matches: NodeMatcher;
  readonly #discriminators: Discriminators;
  readonly #parts = new Map<SchemaNode, readonly SchemaNode[]>();
  readonly #conditions = new Map<SchemaNode, readonly Condition[]>();

  constructor(definitions: CanonicalSchema["definitions"], { matches, discriminators }: UnionResolver) {
    this.#definitions = definitions;
    this.#matches = matches;
    this.#discriminators = discriminators;
  }

  /** The schemas that apply to every value of the node: the node, its `$ref` target and the members of its `allOf`. */
  parts(node: SchemaNode): readonly SchemaNode[] {
    let parts = this.#parts.get(node);
    if (parts === undefined) this.#parts.set(node, (parts = conjuncts(node, this.#definitions)));
    return parts;
  }

  /** All conditional schemas of this node, whichever values they apply to. */
  branches(part: SchemaNode): readonly SchemaNode[] {
    const { anyOf, oneOf, if: test, then: yes, else: no } = part;
    const schemas = [...listOf(anyOf), ...listOf(oneOf), test, yes, no];
    return [...schemas, ...Object.values(mapOf(part["dependentSchemas"]))].filter(isSchemaNode);
  }

  /** The conditions of this node; its parts have conditions of their own. */
  conditions(part: SchemaNode): readonly Condition[] {
    let conditions = this.#conditions.get(part);
    if (conditions === undefined) {
      conditions = [
        ...[part["anyOf"], part["oneOf"]].flatMap((list) => this.#union(listOf(list))),
        ...this.#ifThenElse(part),
        ...Object.entries(mapOf(part["dependentSchemas"])).flatMap(([key, schema]): Condition[] => {
          if (!isSchemaNode(schema)) return [];
          return [
            (value, role) => (isFields(value) && readField(value, key) !== undefined ? [[schema, role]] : []),
          ];
        }),
      ];
      this.#conditions.set(part, conditions);
    }
    return conditions;
  }

  /**
   * Selects all branches that the value fits. Defaults are those of the branch that knows most of the value's fields.
   */
  #union(branches: readonly unknown[]): Condition[] {
    const candidates = branches.filter(isSchemaNode).map((branch) => ({
      branch,
      names: new Set(this.parts(branch).flatMap((part) => Object.keys(mapOf(part["properties"])))),
      isRuledOut: this.#quickly(branch),
    }));
    if (candidates.length === 0) return [];
    const discriminator = this.#discriminators.of(branches);
    const oneHasToFit = !branches.includes(true);
    const condition: Condition = (value, role) => {
      if (discriminator !== undefined && isFields(value)) {
        const branch = discriminator.branchOf.get(readField(value, discriminator.field));
        return branch === undefined ? [] : [[branch, role]];
      }
      let fitting = candidates.filter(({ isRuledOut }) => !isRuledOut(value));
      if (fitting.length > 1 || !oneHasToFit) {
        fitting = fitting.filter(({ branch }) => this.#matches(branch, value));
      }
      if (fitting.length <= 1 || role !== Role.fills || !isFields(value)) {
        return fitting.map(({ branch }) => [branch, role]);
      }
      const scores = fitting.map(({ names }) => count(names, (key) => readField(value, key) !== undefined));
      const best = scores.indexOf(Math.max(...scores));
      return fitting.map(({ branch }, index) => [branch, index === best ? role : Role.declares]);
    };
    return [condition];
  }

  #ifThenElse(part: SchemaNode): Condition[] {
    const { if: test, then: yes, else: no } = part;
    if (test === undefined) return [];
    const holds = (value: unknown): boolean =>
      isSchemaNode(test) ? this.#matches(test, value) : test !== false;
    const condition: Condition = (value, role) => {
      const applied: AppliedSchema[] = [];
      const held = holds(value);
      if (held && isSchemaNode(test)) applied.push([test, Role.mentions]);
      const branch = held ? yes : no;
      if (isSchemaNode(branch)) applied.push([branch, role]);
      return applied;
    };
    return [condition];
  }

  /**
   * Creates a quick check that rules out a branch by the value's type, missing fields and constant fields. This is
   * mostly enough to find the branch of a union.
   */
  #quickly(branch: SchemaNode): (value: unknown) => boolean {
    const parts = this.parts(branch);
    const types = parts.flatMap(({ type }) => (type === undefined ? [] : [new Set([type].flat())]));
    const required = parts.flatMap((part) => listOf(part["required"]).map(String));
    const literals = parts.flatMap((part) =>
      Object.entries(mapOf(part["properties"])).flatMap(([key, property]) => {
        if (!isSchemaNode(property)) return [];
        const lists = this.parts(property).map(literalValues);
        return lists
          .filter((list) => list !== undefined && list.every(isScalar))
          .map((list) => [key, new Set(list)] as const);
      }),
    );
    return (value) => {
      const type = isFields(value) ? "object" : Array.isArray(value) ? "array" : undefined;
      if (type === undefined) return false;
      if (types.some((allowed) => !allowed.has(type))) return true;
      if (!isFields(value)) return false;
      if (required.some((key) => readField(value, key) === undefined)) return true;
      return literals.some(([key, allowed]) => {
        const item = readField(value, key);
        return item !== undefined && !allowed.has(item);
      });
    };
  }
}

function isScalar(value: unknown): boolean {
  return typeof value !== "object" || value === null;
}

function count(names: ReadonlySet<string>, holds: (name: string) => boolean): number {
  let found = 0;
  for (const name of names) if (holds(name)) found++;
  return found;
}
