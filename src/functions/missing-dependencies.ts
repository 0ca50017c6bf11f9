import { createRequire } from "node:module";
import { FalMissingDependencyError } from "../errors.ts";
import type { Bundle, PackageImport } from "./bundle/bundle.ts";
import type { EnvironmentOptions } from "./options.ts";
import { requirementName, toSteps } from "./requirements.ts";

/** A package that the code of a function imports but its requirements do not list. */
export interface MissingDependency {
  readonly packageName: string;
  /** The entry to add to the requirements: the package, with the version installed here if there is one. */
  readonly requirement: string;
  readonly imports: readonly PackageImport[];
}

/** An isolated function, or anything else with a bundle. */
export interface Bundled {
  bundle(): Promise<Bundle>;
}

/**
 * Lists the packages that a function's module and its local modules import but the requirements do not list. Some of
 * them may still be installed as dependencies of listed packages. Nothing is installed or run.
 * @param env the environment to check. Container images are not inspected: for kind "container" the result is empty
 * @throws FalServerlessError with code BUNDLE_FAILED
 */
export async function findMissingDependencies(
  fn: Bundled,
  env: EnvironmentOptions,
): Promise<MissingDependency[]> {
  if (env.kind !== "npm") return [];
  const listed = new Set(
    toSteps(env.requirements ?? [])
      .flat()
      .map(requirementName),
  );
  // A requirement without a name, such as a URL, may install any of these packages.
  if (listed.has(undefined)) return [];
  const { imports, module, root } = await fn.bundle();
  const missing = new Map<string, PackageImport[]>();
  for (const found of imports) {
    if (listed.has(found.packageName)) continue;
    const others = missing.get(found.packageName);
    if (others === undefined) missing.set(found.packageName, [found]);
    else others.push(found);
  }
  return [...missing].map(([packageName, its]) => ({
    packageName,
    requirement: requirementFor(packageName, new URL(module, root).href),
    imports: its,
  }));
}

/** The error for a package that was not found at run time. It names the import and the requirement to add. */
export async function missingDependency(
  error: FalMissingDependencyError,
  functionName: string,
  bundle: Promise<Bundle>,
): Promise<FalMissingDependencyError> {
  const { packageName } = error;
  const { imports, module, root } = await bundle;
  const requirement = requirementFor(packageName, new URL(module, root).href);
  const found = imports.find((candidate) => candidate.packageName === packageName);
  const where = found === undefined ? "" : `, which ${found.importer} imports as "${found.specifier}"`;
  const message =
    `The environment of ${functionName} has no package "${packageName}"${where}. ` +
    `Add it to the options: requirements: ["${requirement}"]`;
  return new FalMissingDependencyError(message, { packageName, requirement, cause: error.cause });
}

/** The package with the version that the module resolves to here; its name alone if it is not installed. */
function requirementFor(packageName: string, moduleUrl: string): string {
  try {
    const require = createRequire(moduleUrl);
    const paths = require.resolve.paths(packageName) ?? [];
    for (const path of paths) {
      const version = versionIn(require, `${path}/${packageName}/package.json`);
      if (version !== undefined) return `${packageName}@${version}`;
    }
  } catch {
    // the module is not a file on this machine
  }
  return packageName;
}

function versionIn(require: NodeJS.Require, manifest: string): string | undefined {
  try {
    return (require(manifest) as { version?: string }).version;
  } catch {
    return undefined;
  }
}
