import type { ValidationIssue } from "../../errors.ts";
import { type FieldText, readNumber } from "./text-conversion.ts";

/** Numbers are shown as their caller wrote them up to this length. */
const MAX_SHOWN = 200;

/**
 * Words the issues of converted parameters or fields for callers, who sent text.
 * @param texts the texts by name, without those that hold JSON
 */
export function withTextFaults(
  issues: readonly ValidationIssue[],
  texts: Readonly<Record<string, FieldText | undefined>>,
): ValidationIssue[] {
  return issues.map((issue) => {
    const [, name, index] = issue.loc;
    if (issue.type === "missing" && issue.loc.length === 2) return { ...issue, input: null };
    if (typeof name !== "string" || !("input" in issue)) return issue;
    const given = Object.hasOwn(texts, name) ? texts[name] : undefined;
    const text = typeof given === "string" ? given : typeof index === "number" ? given?.[index] : undefined;
    if (text === undefined) return issue;
    if (typeof issue.input === "string") return unreadable(issue, text);
    const isScalar = typeof issue.input !== "object" || issue.input === null;
    return isScalar && text.length <= MAX_SHOWN ? wholeNumber({ ...issue, input: text }) : issue;
  });
}

/** The issue of a text that was not converted, in the words of the original. */
function unreadable(issue: ValidationIssue, text: string): ValidationIssue {
  const { loc, input } = issue;
  if (issue.type === "bool_type") {
    const msg = "Input should be a valid boolean, unable to interpret input";
    return { type: "bool_parsing", loc, msg, input };
  }
  if (issue.type !== "int_type" && issue.type !== "float_type") return issue;
  switch (readNumber(text)) {
    case "infinite":
      return { type: "finite_number", loc, msg: "Input should be a finite number", input };
    case "inexact": {
      const msg =
        "Input should be an integer that a double holds, up to 2^53 in any case; send it as a string";
      return { type: "int_parsing_size", loc, msg, input };
    }
    default:
      return issue.type === "int_type"
        ? { type: "int_parsing", loc, msg: INT_PARSING, input }
        : {
            type: "float_parsing",
            loc,
            msg: "Input should be a valid number, unable to parse string as a number",
            input,
          };
  }
}

const INT_PARSING = "Input should be a valid integer, unable to parse string as an integer";

function wholeNumber(issue: ValidationIssue): ValidationIssue {
  return issue.type === "int_from_float" ? { ...issue, type: "int_parsing", msg: INT_PARSING } : issue;
}
