import { InputValidationError, OutputValidationError, type ValidationIssue } from "../../errors.ts";
import type { StandardIssue, StandardResult, StandardSchema } from "../../routes/standard-schema.ts";
import { ANSWER_FULL, childLocation, IssueList, type IssueLocation } from "./issue-list.ts";
import { faultsOf, type PlacedFault } from "./standard-faults.ts";
import { isThenable } from "../thenable.ts";

/** A schema of another library, in the form that routes use. Libraries may validate asynchronously. */
export interface StandardValidation {
  /**
   * Validates an input and returns it as the library converts it, or a promise of it.
   * @param at where the input is, as the beginning of each `loc`
   * @throws InputValidationError, or rejects with it
   */
  accept(value: unknown, at?: readonly string[]): unknown;
  /**
   * Validates a result and returns it as the library converts it, or a promise of it.
   * @throws OutputValidationError, or rejects with it
   */
  present(result: unknown, methodName: string): unknown;
}

const BODY: readonly string[] = ["body"];
const OUTPUT: readonly string[] = ["output"];

/** Uses a schema of another library for validation. */
export function createStandardValidation(schema: StandardSchema): StandardValidation {
  const standard = schema["~standard"];
  const { vendor } = standard;
  const validate = (value: unknown, reject: (issues: Iterable<StandardIssue>) => never): unknown => {
    const finish = (result: StandardResult): unknown =>
      result.issues === undefined ? result.value : reject(result.issues);
    // Called as a method: some libraries use `this`.
    const result = standard.validate(value);
    return isThenable(result) ? Promise.resolve(result).then(finish) : finish(result);
  };
  return {
    accept: (value, at = BODY) =>
      validate(value, (issues) => {
        // Without a body, there is nothing to describe but that.
        if ((value === undefined || value === null) && at === BODY) {
          throw new InputValidationError([
            { type: "missing", loc: ["body"], msg: "Field required", input: null },
          ]);
        }
        throw new InputValidationError(listIssues(vendor, issues, value, at));
      }),
    present: (value, methodName) =>
      validate(value, (issues) => {
        throw new OutputValidationError(methodName, listIssues(vendor, issues, value, OUTPUT));
      }),
  };
}

/** The issues in the form of a 422 answer, within its limits. */
function listIssues(
  vendor: string,
  issues: Iterable<StandardIssue>,
  value: unknown,
  at: readonly string[],
): ValidationIssue[] {
  const list = new IssueList();
  let start: IssueLocation | undefined;
  for (const key of at) start = childLocation(start, key);
  try {
    for (const issue of issues) {
      for (const placed of faultsOf(vendor, issue)) addFault(list, placed, value, start);
    }
  } catch (error) {
    if (error !== ANSWER_FULL) throw error;
    return list.finish("full");
  }
  return list.finish(undefined);
}

function addFault(
  list: IssueList,
  { path, fault, mayBeMissing }: PlacedFault,
  value: unknown,
  start: IssueLocation | undefined,
): void {
  let location = start;
  let input = value;
  let parent: unknown;
  let isThere = true;
  for (const key of path) {
    location = childLocation(location, key);
    parent = input;
    isThere = typeof parent === "object" && parent !== null && Object.hasOwn(parent, key);
    input = isThere ? (parent as Readonly<Record<string | number, unknown>>)[key] : undefined;
  }
  const isMissing = !isThere && mayBeMissing && typeof parent === "object" && parent !== null;
  list.add(
    { ...fault, ...(isMissing ? { type: "missing" } : {}), input: isThere ? input : parent },
    location as IssueLocation, // `at` has at least one key
  );
}
