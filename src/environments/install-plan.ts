import type { EnvironmentSpec } from "./environment-spec.ts";
import type { Lockfile } from "./lockfile.ts";
import { localPath, registryRequirement } from "./requirement-specs.ts";

/** Flags of npm for every installation. */
export const INSTALL_FLAGS: readonly string[] = [
  ...["--no-audit", "--no-fund", "--no-progress", "--no-update-notifier", "--color=false"],
  ...["--loglevel=warn", "--no-global", "--install-links", "--omit=dev"],
];

/**
 * The steps to install after a lockfile, without the packages that the lockfile's project itself depends on: the
 * lockfile determines their versions.
 * @param onWarning called for a requirement whose version differs from the lockfile's
 */
export function stepsBeside(
  lockfile: Lockfile,
  steps: EnvironmentSpec["steps"],
  onWarning: (message: string) => void,
): string[][] {
  const left = steps.map((step) =>
    step.filter((requirement) => {
      const { name = "", wanted = "" } = registryRequirement(requirement) ?? {};
      if (!lockfile.locked.has(name)) return true;
      const version = lockfile.locked.get(name);
      if (/^\d+\.\d+\.\d+/.test(wanted) && version !== undefined && version !== wanted) {
        onWarning(`${requirement} is left out: the lockfile has ${name}@${version}`);
      }
      return false;
    }),
  );
  return left.filter((step) => step.length > 0);
}

/**
 * The `package.json` for an installation. It lists the requirements in `allowScripts`, because newer versions of npm
 * run only allowed install scripts. For other packages, npm's and the user's settings apply.
 */
export function installProject(
  lockfile: Lockfile | undefined,
  steps: EnvironmentSpec["steps"],
  absolute: (requirement: string) => string = (requirement) => requirement,
): object {
  const allowed = steps.flat().flatMap((requirement) => {
    const registry = registryRequirement(requirement);
    if (registry !== undefined) return [registry.packageName];
    return localPath(requirement) === undefined ? [requirement] : [absolute(requirement)];
  });
  return {
    name: "servable-environment",
    private: true,
    ...lockfile?.project,
    allowScripts: {
      ...Object.fromEntries(allowed.map((name) => [name, true])),
      ...(lockfile?.project["allowScripts"] as object | undefined),
    },
  };
}

/**
 * Flags that allow the origins of a step. From npm 12 on, repositories and URLs are refused unless they are allowed; a
 * requirement that names one counts as allowed.
 */
export function originFlags(npmVersion: string | undefined, step: readonly string[]): string[] {
  const major = Number.parseInt(npmVersion ?? "0", 10);
  const isElsewhere = step.some(
    (requirement) => registryRequirement(requirement) === undefined && localPath(requirement) === undefined,
  );
  return major >= 12 && isElsewhere ? ["--allow-git=root", "--allow-remote=root"] : [];
}
