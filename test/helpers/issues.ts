import { InputValidationError, type ValidationIssue } from "../../src/errors.ts";
import { Validator, type CompiledSchema } from "../../src/server/validation/validator.ts";
import { thrownBy } from "./thrown.ts";

/** One for a whole test file: the first schema that a validator compiles takes longer than a hundred others. */
const validator = new Validator();

/** A schema, compiled as the input of a method. */
export function compileInput(schema: object): CompiledSchema {
  return validator.compile(schema, "the input of run()");
}

/** The input as the handler gets it. */
export function accepted(schema: object, value: unknown): unknown {
  return compileInput(schema).accept(value);
}

/** Why the input is refused; fails when it is not. */
export function issuesOf(schema: object, value: unknown): readonly ValidationIssue[] {
  const error = thrownBy(() => compileInput(schema).accept(value));
  if (error instanceof InputValidationError) return error.issues;
  throw error;
}

/** Type and place of each issue: `missing body.a.0`. */
export function placesOf(schema: object, value: unknown): string[] {
  return issuesOf(schema, value).map(({ type, loc }) => `${type} ${loc.join(".")}`);
}
