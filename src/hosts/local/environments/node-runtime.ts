import type { NodeRelease } from "./manifest.ts";

/** A Node that functions run on. */
export interface NodeRuntime extends NodeRelease {
  readonly executable: string;
}

/** The Node that runs this process. */
export const OWN_NODE: NodeRuntime = {
  executable: process.execPath,
  version: process.versions.node,
  modules: process.versions.modules,
};

/** Whether a version is the one that is asked for, part by part: 22.11.0 is "22", "22.11" and "22.11.0". */
export function satisfiesNode(version: string, wanted: string): boolean {
  const have = version.split(".");
  return wanted.split(".").every((part, index) => part === have[index]);
}

/** The requirement that brings another Node: the registry has its releases as packages. */
export function nodeRequirement(version: string): string {
  return `${nodePackage()}@${version}`;
}

/** Where that package has the executable, below the environment's folder. */
export function nodeExecutable(): string {
  return `node_modules/${nodePackage()}/bin/${process.platform === "win32" ? "node.exe" : "node"}`;
}

function nodePackage(): string {
  const platform = process.platform === "win32" ? "win" : process.platform;
  return `node-${platform}-${process.arch}`;
}
