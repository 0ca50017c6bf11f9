import { homedir } from "node:os";
import { resolve } from "node:path";

/** The parts of a requirement that names a package of a registry. */
export interface RegistryRequirement {
  /** The name under which it is installed. */
  readonly name: string;
  /** The package's own name: another one for `alias@npm:real@1`. */
  readonly packageName: string;
  /** The wanted version, range or tag; "" for the latest. */
  readonly wanted: string;
}

const REGISTRY_SPEC = /^((?:@[a-z0-9~-][\w.~-]*\/)?[a-z0-9~-][\w.~-]*)(?:@(.*))?$/i;

/** Parses a requirement; undefined for a path, a URL or a repository, which are not packages of a registry. */
export function registryRequirement(requirement: string): RegistryRequirement | undefined {
  const [, name, wanted = ""] = REGISTRY_SPEC.exec(requirement) ?? [];
  if (name === undefined || isTarball(requirement)) return undefined;
  if (!wanted.startsWith("npm:")) {
    return wanted.includes(":") || wanted.includes("/") ? undefined : { name, packageName: name, wanted };
  }
  const real = registryRequirement(wanted.slice("npm:".length));
  return real === undefined ? undefined : { name, packageName: real.packageName, wanted: real.wanted };
}

/** The absolute path of a local requirement; undefined for any other. */
export function localPath(requirement: string): string | undefined {
  const place = requirement.replace(/^(?:@?[\w.~-]+(?:\/[\w.~-]+)?@)?file:(?:\/\/)?/, "");
  if (place.startsWith("~/")) return resolve(homedir(), place.slice(2));
  const isPath =
    place !== requirement || /^(?:\.{1,2}(?:[/\\]|$)|\/|[a-z]:[/\\])/i.test(place) || isTarball(requirement);
  return isPath ? resolve(place) : undefined;
}

/** The requirement for npm, with an absolute path, because npm runs in another folder. */
export function absoluteRequirement(requirement: string): string {
  const path = localPath(requirement);
  return path === undefined ? requirement : `file:${path}`;
}

/** A requirement as text that is valid in a file name. */
export function requirementLabel(requirement: string): string {
  const name = registryRequirement(requirement)?.name ?? requirement.replace(/^.*[/\\]|\.t(?:ar\.)?gz$/g, "");
  return name.replaceAll(/[^\w.]+/g, "-").replace(/^[-.]+/, "") || "package";
}

/** The requirements of an environment in one line for a message. */
export function describeSteps(steps: readonly (readonly string[])[], lockfile?: string): string {
  const all = steps.flat();
  const shown = all.slice(0, 6);
  if (all.length > shown.length) shown.push(`${all.length - shown.length} more`);
  if (lockfile !== undefined) shown.unshift(lockfile);
  return shown.join(", ") || "no requirements";
}

function isTarball(requirement: string): boolean {
  return /^[^:]*\.t(?:ar\.)?gz$/i.test(requirement) && !/^[^/\\]+@/.test(requirement);
}
