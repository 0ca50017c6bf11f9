import { InputValidationError, type ValidationIssue } from "../errors.ts";
import { findInexactNumbers, type InexactNumber } from "./exact-numbers.ts";

/**
 * Refuses JSON whose numbers a handler could not get as they were sent.
 * @param text JSON that has been read before
 * @throws InputValidationError that names each, up to twenty
 */
export function assertExactNumbers(text: string): void {
  const found = findInexactNumbers(text);
  if (found.length > 0) throw new InputValidationError(found.map(issueOf));
}

function issueOf({ literal, path, isInfinite }: InexactNumber): ValidationIssue {
  const loc = ["body", ...path];
  if (isInfinite) {
    const input = literal.startsWith("-") ? "-Infinity" : "Infinity";
    return { type: "finite_number", loc, msg: "Input should be a finite number", input };
  }
  const msg = "Input should be an integer that a double holds, up to 2^53 in any case; send it as a string";
  return { type: "int_parsing_size", loc, msg, input: literal };
}
