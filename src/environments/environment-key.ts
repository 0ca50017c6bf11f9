import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, type Dirent } from "node:fs";
import { dirname, join } from "node:path";
import { FalServerlessError } from "../errors.ts";
import type { EnvironmentSpec } from "./environment-spec.ts";
import { ENVIRONMENT_FORMAT, type NodeRelease } from "./manifest.ts";
import { localPath, requirementLabel } from "./requirement-specs.ts";

/**
 * The name of an environment: a readable part, and a hash of everything that determines its content. Of Node, this is
 * the major version and the version of the interface for native packages, so that a patch release does not cause a new
 * installation.
 * @throws FalServerlessError if a lockfile or a local package can't be read
 */
export function environmentKey(spec: EnvironmentSpec, node: NodeRelease): string {
  const parts = {
    format: ENVIRONMENT_FORMAT,
    kind: spec.kind,
    image: spec.image,
    steps: spec.steps,
    local: spec.steps.flat().map((requirement) => digestOfLocal(requirement)),
    lockfile: spec.lockfile === undefined ? undefined : digestOfLockfile(spec.lockfile),
    platform: process.platform,
    arch: process.arch,
    libc: cLibrary(),
    node: [node.version.split(".")[0], node.modules],
  };
  const hash = createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 20);
  return `${readablePart(spec)}-${hash}`;
}

/** Steps in a canonical form: sorted, without duplicates and without empty steps. */
export function normalizedSteps(steps: EnvironmentSpec["steps"]): string[][] {
  return steps.map((step) => [...new Set(step)].sort()).filter((step) => step.length > 0);
}

function readablePart(spec: EnvironmentSpec): string {
  const labels = spec.steps.flat().map((requirement) => requirementLabel(requirement));
  if (spec.lockfile !== undefined) labels.unshift("lockfile");
  if (labels.length === 0) labels.push("empty");
  return labels
    .join("+")
    .slice(0, 40)
    .replace(/[-+.]+$/, "");
}

function digestOfLockfile(path: string): string {
  const hash = createHash("sha256");
  try {
    hash.update(readFileSync(path));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new FalServerlessError("ENVIRONMENT_FAILED", `The lockfile ${path} can't be read (${code}).`, {
      cause: error,
    });
  }
  const project = join(dirname(path), "package.json");
  if (existsSync(project)) hash.update(readFileSync(project));
  return hash.digest("hex");
}

/** The hash of a local package, so that a changed package results in another environment. */
function digestOfLocal(requirement: string): string | undefined {
  const path = localPath(requirement);
  if (path === undefined) return undefined;
  const hash = createHash("sha256");
  try {
    addToHash(path, "");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new FalServerlessError(
      "ENVIRONMENT_FAILED",
      `The requirement ${requirement} can't be read (${code}). Paths count from ${process.cwd()}.`,
      { cause: error },
    );
  }
  return hash.digest("hex");

  function addToHash(place: string, name: string): void {
    if (!statSync(place).isDirectory()) {
      hash.update(`${name}\0`).update(readFileSync(place));
      return;
    }
    for (const entry of readdirSync(place, { withFileTypes: true }).sort(byName)) {
      if (entry.name === "node_modules" || entry.name === ".git") continue;
      // Links, which may be broken or circular, and special files are skipped, because npm does not pack them.
      if (entry.isDirectory() || entry.isFile()) addToHash(join(place, entry.name), `${name}/${entry.name}`);
    }
  }
}

function byName(one: Dirent, other: Dirent): number {
  return one.name < other.name ? -1 : 1;
}

/** Names of Node's architectures in the musl C library. */
const MUSL_NAMES: Partial<Record<NodeJS.Architecture, string>> = {
  x64: "x86_64",
  arm64: "aarch64",
  arm: "armhf",
  ia32: "i386",
};

/** The C library of this system. Native packages are built for one of them. */
function cLibrary(): string {
  if (process.platform !== "linux") return "";
  const arch = MUSL_NAMES[process.arch] ?? process.arch;
  return existsSync(`/lib/ld-musl-${arch}.so.1`) ? "musl" : "glibc";
}
