import type { Ajv2020 } from "ajv/dist/2020.js";
import { mapSubschemas, type SchemaNode } from "../../routes/schema-walk.ts";
import type { CanonicalSchema } from "./canonical.ts";
import { Checker } from "./checker.ts";
import { Discriminators } from "./discriminators.ts";
import type { Matcher } from "./applicators.ts";
import { NodeCompiler } from "./nodes.ts";
import { repeatsItself } from "./repetition.ts";
import { Work } from "./work.ts";

/** Judges a schema's values, and by single nodes of it, the quickest way that has an end. */
export interface Matching {
  readonly checker: Checker;
  readonly discriminators: Discriminators;
  /** Whether a value fits the schema. */
  readonly fits: (value: unknown) => boolean;
  /** Whether a part of a value fits a node. */
  readonly matches: Matcher;
  /** What was found of the last value is of no use for the next. */
  forget(): void;
}

/**
 * What Ajv gets wrong: the count of what was evaluated is kept in code that does not always compile, and `contains`
 * takes an empty list beside `prefixItems`.
 */
const MISJUDGED = ["unevaluatedProperties", "unevaluatedItems", "contains"] as const;

function isMisjudged({ root, definitions }: CanonicalSchema): boolean {
  const says = (node: SchemaNode): boolean => {
    let found = MISJUDGED.some((keyword) => keyword in node);
    mapSubschemas(node, (subschema) => (found ||= says(subschema)));
    return found;
  };
  return [root, ...Object.values(definitions)].some(says);
}

/** @throws Error for a schema that can't be judged. */
export function createMatching(schema: CanonicalSchema, ajv: () => Ajv2020): Matching {
  const discriminators = new Discriminators(schema.definitions);
  const checker = new Checker(schema.definitions, discriminators);
  let created: Ajv2020 | undefined;
  const nodes = new NodeCompiler(() => (created ??= ajv()), schema, discriminators);
  const isRecursive = Object.keys(schema.definitions).length > 0;
  const isCheckers = repeatsItself(schema, discriminators) || isMisjudged(schema);
  let work = Work.unlimited();

  let root: ((value: unknown) => boolean) | undefined;
  const fits = isCheckers
    ? (value: unknown): boolean => checker.fits(schema.root, value, Work.unlimited())
    : (value: unknown): boolean => (root ??= nodes.compile(schema.root))(value);
  // Going down a value that holds itself, each level would be judged down to the end, again and again.
  const matches =
    isRecursive || isCheckers
      ? (node: SchemaNode, value: unknown): boolean => checker.fits(node, value, work)
      : (node: SchemaNode, value: unknown): boolean => nodes.compile(node)(value);
  return {
    checker,
    discriminators,
    fits,
    matches,
    forget: () => {
      if (isRecursive || isCheckers) work = Work.unlimited();
    },
  };
}
