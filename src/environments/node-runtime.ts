import { existsSync } from "node:fs";
import { FalServerlessError } from "../errors.ts";
import { runProgram } from "../processes/program.ts";
import { loadOnce } from "../processes/single-flight.ts";
import type { NodeRelease } from "./manifest.ts";
import type { NpmProgram } from "./npm.ts";
import type { NpmResult, NpmRun } from "./npm-run.ts";

/** A release of Node that functions run on. */
export interface NodeRuntime extends NodeRelease {
  readonly executable: string;
  /** Set if it is not on this machine: its npm, and the way to run it. */
  readonly installer?: { readonly npm: NpmProgram; readonly run: (run: NpmRun) => Promise<NpmResult> };
}

/** The Node that runs this process. */
export const OWN_NODE: NodeRuntime = {
  executable: process.execPath,
  version: process.versions.node,
  modules: process.versions.modules,
};

/** Whether a version begins with the wanted parts: 22.11.0 satisfies "22", "22.11" and "22.11.0". */
export function satisfiesNode(version: string, wanted: string): boolean {
  const have = version.split(".");
  return wanted.split(".").every((part, index) => part === have[index]);
}

/** The requirement that installs a release of Node, which is a package of the registry. */
export function nodeRequirement(version: string): string {
  return `${nodePackage()}@${version}`;
}

/** Path of the executable in that package, relative to the environment's folder. */
export function nodeExecutable(): string {
  return `node_modules/${nodePackage()}/bin/${process.platform === "win32" ? "node.exe" : "node"}`;
}

function nodePackage(): string {
  const platform = process.platform === "win32" ? "win" : process.platform;
  return `node-${platform}-${process.arch}`;
}

const releases = new Map<string, Promise<NodeRelease>>();

/** Determines the release of an executable by running it. The result is cached. */
export function releaseOf(executable: string): Promise<NodeRelease> {
  return loadOnce(releases, executable, () => ask(executable));
}

async function ask(executable: string): Promise<NodeRelease> {
  const script = "console.log(process.versions.node, process.versions.modules)";
  const { code, stdout, lines } = await runProgram(executable, ["-e", script], { environment: {} });
  const [version = "", modules = ""] = stdout.trim().split(" ");
  if (code === 0) return { version, modules };
  const why = existsSync(executable) ? "it does not run on this machine" : "its package has no executable";
  throw new FalServerlessError("ENVIRONMENT_FAILED", `The Node at ${executable} can't be used: ${why}.`, {
    cause: new Error(lines.join("\n")),
  });
}
