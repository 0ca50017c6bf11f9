import type { Ajv2020 } from "ajv/dist/2020.js";
import type { SchemaNode } from "../../routes/schema-walk.ts";
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

/** @throws Error for a schema that can't be judged. */
export function createMatching(schema: CanonicalSchema, ajv: () => Ajv2020): Matching {
  const discriminators = new Discriminators(schema.definitions);
  const checker = new Checker(schema.definitions, discriminators);
  let created: Ajv2020 | undefined;
  const nodes = new NodeCompiler(() => (created ??= ajv()), schema, discriminators);
  const isRecursive = Object.keys(schema.definitions).length > 0;
  const repeats = repeatsItself(schema, discriminators);
  let work = Work.unlimited();

  let root: ((value: unknown) => boolean) | undefined;
  const fits = repeats
    ? (value: unknown): boolean => checker.fits(schema.root, value, Work.unlimited())
    : (value: unknown): boolean => (root ??= nodes.compile(schema.root))(value);
  // Going down a value that holds itself, each level would be judged down to the end, again and again.
  const matches = isRecursive
    ? (node: SchemaNode, value: unknown): boolean => checker.fits(node, value, work)
    : (node: SchemaNode, value: unknown): boolean => nodes.compile(node)(value);
  return {
    checker,
    discriminators,
    fits,
    matches,
    forget: () => {
      if (isRecursive) work = Work.unlimited();
    },
  };
}
