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

/** The comment begins with this, followed by the facts as JSON on one line. */
const MARK = "# servable.app ";

/** The comment that has the facts. */
export function factsComment(facts: AppFacts): string {
  return MARK + JSON.stringify(facts);
}

/** The facts in a Dockerfile; undefined if it was not generated, or says them in another form. */
export function readFacts(dockerfile: string): AppFacts | undefined {
  const line = dockerfile.split("\n").find((each) => each.startsWith(MARK));
  if (line === undefined) return undefined;
  try {
    const facts = JSON.parse(line.slice(MARK.length)) as unknown;
    return isFacts(facts) ? facts : undefined;
  } catch {
    return undefined;
  }
}

/** A deployed Dockerfile is untrusted: paths must lie in the project. */
function isFacts(value: unknown): value is AppFacts {
  if (typeof value !== "object" || value === null) return false;
  const facts = value as Readonly<Record<keyof AppFacts, unknown>>;
  return (
    isTarget(facts.target) &&
    (facts.folder === "" || isPath(facts.folder)) &&
    isPath(facts.framework) &&
    [facts.packageFiles, facts.withoutScripts, facts.nestedModules].every(
      (list) => Array.isArray(list) && list.every(isPath),
    ) &&
    Array.isArray(facts.installFlags) &&
    facts.installFlags.every((flag) => typeof flag === "string" && flag.startsWith("-")) &&
    (facts.nodeVersion === undefined || /^\d+\.\d+\.\d+$/.test(String(facts.nodeVersion)))
  );
}

function isTarget(value: unknown): boolean {
  return typeof value === "string" && isPath(value.split("::")[0]);
}

function isPath(value: unknown): boolean {
  return (
    typeof value === "string" &&
    value !== "" &&
    !/^[/\\]|\0/.test(value) &&
    value.split(/[/\\]/).every((segment) => segment !== "..")
  );
}
