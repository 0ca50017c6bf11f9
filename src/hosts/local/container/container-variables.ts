import { workerVariables, type PassedVariables } from "../worker-environment.ts";

/** Of the variables that every worker has, those that do not name places of this machine. */
const PORTABLE_VARIABLES: readonly string[] = ["LANG", "LC_ALL", "TZ"];

/**
 * What a worker in a container has in its environment beside the image's own: the language, the time zone and the listed
 * variables.
 */
export function containerVariables(
  passed: PassedVariables = [],
  own: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const isList = Array.isArray as (value: unknown) => value is readonly string[];
  const names = new Set([...PORTABLE_VARIABLES, ...(isList(passed) ? passed : [])]);
  const known = Object.fromEntries(Object.entries(own).filter(([name]) => names.has(name)));
  return workerVariables(passed, known);
}
