import { factsComment, isInnerPath, isNodeVersion, readComment } from "./facts-comment.ts";

/**
 * The description of a function in a comment of its generated Dockerfile. A platform that starts functions as processes reads
 * it instead of building the image.
 */
export interface FunctionFacts {
  /** The name of the function. */
  readonly name: string;
  /** The program that answers its calls, or serves it, relative to the folder of all files. */
  readonly program: string;
  readonly installs: readonly FunctionInstall[];
  /** The exact version of Node that the function asks for; absent if any will do. */
  readonly nodeVersion?: string;
}

/** The packages of one folder. */
interface FunctionInstall {
  readonly folder: string;
  /** Whether the folder has a `package-lock.json`, which is installed first. */
  readonly hasLockfile: boolean;
  /** Requirements that npm installs, step by step. */
  readonly steps: readonly (readonly string[])[];
}

const MARK = "# servable.function ";

/** The comment that has the facts of a function. */
export function functionFactsComment(facts: FunctionFacts): string {
  return factsComment(MARK, facts);
}

/** The facts of a function in a Dockerfile; undefined if it has none. */
export function readFunctionFacts(dockerfile: string): FunctionFacts | undefined {
  const facts = readComment(MARK, dockerfile);
  return isFacts(facts) ? facts : undefined;
}

function isFacts(value: unknown): value is FunctionFacts {
  if (typeof value !== "object" || value === null) return false;
  const facts = value as Readonly<Record<keyof FunctionFacts, unknown>>;
  return (
    typeof facts.name === "string" &&
    isInnerPath(facts.program) &&
    Array.isArray(facts.installs) &&
    facts.installs.every(isInstall) &&
    isNodeVersion(facts.nodeVersion)
  );
}

function isInstall(value: unknown): value is FunctionInstall {
  if (typeof value !== "object" || value === null) return false;
  const { folder, hasLockfile, steps } = value as Readonly<Record<keyof FunctionInstall, unknown>>;
  const isStep = (step: unknown): boolean =>
    Array.isArray(step) && step.every((spec) => typeof spec === "string" && !spec.startsWith("-"));
  return (
    isInnerPath(folder) && typeof hasLockfile === "boolean" && Array.isArray(steps) && steps.every(isStep)
  );
}
