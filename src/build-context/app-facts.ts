import { factsComment, isInnerPath, isNodeVersion, readComment } from "./facts-comment.ts";

/**
 * The description of an app in a comment of its generated Dockerfile. A platform that starts apps as processes reads it instead
 * of building the image.
 */
export interface AppFacts {
  /** The argument of `servable run`, relative to `folder`: `app.ts::Greeter`. */
  readonly target: string;
  /** The folder of the app's package in the project; "" for the project itself. */
  readonly folder: string;
  /** The path at which this package is installed, such as `node_modules/servable`. */
  readonly framework: string;
  /** The files that npm installs the packages from: package.json, the lockfile, archives, linked packages. */
  readonly packageFiles: readonly string[];
  /** Files of `packageFiles` whose scripts npm must not run. */
  readonly withoutScripts: readonly string[];
  /** Flags of `npm ci` that select packages of a workspace. */
  readonly installFlags: readonly string[];
  /** The folders `node_modules` that npm fills besides the one of the project. */
  readonly nestedModules: readonly string[];
  /** The exact version of Node that the project asks for; absent if any will do. */
  readonly nodeVersion?: string;
}

const MARK = "# servable.app ";

/** The comment that has the facts of an app. */
export function appFactsComment(facts: AppFacts): string {
  return factsComment(MARK, facts);
}

/** The facts of an app in a Dockerfile; undefined if it has none. */
export function readAppFacts(dockerfile: string): AppFacts | undefined {
  const facts = readComment(MARK, dockerfile);
  return isFacts(facts) ? facts : undefined;
}

/** A deployed Dockerfile is untrusted: paths must lie in the project. */
function isFacts(value: unknown): value is AppFacts {
  if (typeof value !== "object" || value === null) return false;
  const facts = value as Readonly<Record<keyof AppFacts, unknown>>;
  return (
    isTarget(facts.target) &&
    (facts.folder === "" || isInnerPath(facts.folder)) &&
    isInnerPath(facts.framework) &&
    [facts.packageFiles, facts.withoutScripts, facts.nestedModules].every(
      (list) => Array.isArray(list) && list.every(isInnerPath),
    ) &&
    Array.isArray(facts.installFlags) &&
    facts.installFlags.every((flag) => typeof flag === "string" && flag.startsWith("-")) &&
    isNodeVersion(facts.nodeVersion)
  );
}

function isTarget(value: unknown): boolean {
  return typeof value === "string" && isInnerPath(value.split("::")[0]);
}
