import type { EnvironmentSpec } from "./environment-spec.ts";
import type { Lockfile } from "./lockfile.ts";
import { localPath, registryRequirement } from "./requirement-specs.ts";

/** How npm is to install, whatever it installs. */
export const INSTALL_FLAGS: readonly string[] = [
  ...["--no-audit", "--no-fund", "--no-progress", "--no-update-notifier", "--color=false"],
  ...["--loglevel=warn", "--no-global", "--install-links", "--omit=dev"],
];

/**
 * The steps that are left where a lockfile comes first: where its project depends on a package itself, it decides about it.
 * @param onWarning called for a requirement that asks for another version than the lockfile has
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
 * The `package.json` that npm works on. Requirements are listed in `allowScripts`, without which newer versions of npm
 * don't run their install scripts. Whether those of other packages run is for npm and the user's settings to say.
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

/** From npm 12 on, a repository or an address is refused unless it is allowed; a requirement that names one allows it. */
export function originFlags(npmVersion: string | undefined, step: readonly string[]): string[] {
  const major = Number.parseInt(npmVersion ?? "0", 10);
  const isElsewhere = step.some(
    (requirement) => registryRequirement(requirement) === undefined && localPath(requirement) === undefined,
  );
  return major >= 12 && isElsewhere ? ["--allow-git=root", "--allow-remote=root"] : [];
}
