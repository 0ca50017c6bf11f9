import { InputValidationError, type ValidationIssue } from "../../src/errors.ts";
import { Validator, type CompiledSchema } from "../../src/server/validation/validator.ts";
import { thrownBy } from "./thrown.ts";

/** Shared by a whole test file: a validator's first schema takes longer to compile than a hundred later ones. */
const validator = new Validator();

/** A schema, compiled as the input of a method. */
export function compileInput(schema: object): CompiledSchema {
  return validator.compile(schema, "the input of run()");
}

/** The input that the handler gets. */
export function accepted(schema: object, value: unknown): unknown {
  return compileInput(schema).accept(value);
}

/** The issues of a refused input; fails if it is accepted. */
export function issuesOf(schema: object, value: unknown): readonly ValidationIssue[] {
  const error = thrownBy(() => compileInput(schema).accept(value));
  if (error instanceof InputValidationError) return error.issues;
  throw error;
}

/** Type and path of each issue: `missing body.a.0`. */
export function issueLocations(schema: object, value: unknown): string[] {
  return issuesOf(schema, value).map(({ type, loc }) => `${type} ${loc.join(".")}`);
}
