import { closeSync, fsyncSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../../../processes/atomic-file.ts";

/** The form of environments. One of another form is installed anew. */
export const ENVIRONMENT_FORMAT = 1;

/** The content of `environment.json`, which describes a complete environment. */
export interface Manifest {
  readonly format: typeof ENVIRONMENT_FORMAT;
  readonly key: string;
  /** The folder beside this file that holds the environment. */
  readonly generation: string;
  readonly kind: "npm" | "container";
  readonly steps: readonly (readonly string[])[];
  /** The Node version that was asked for. */
  readonly nodeVersion?: string;
  /** Where the lockfile was. */
  readonly lockfile?: string;
  /** The Node it was installed for. */
  readonly node: NodeRelease;
  /** The version of npm; absent where nothing had to be installed. */
  readonly npm?: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly sizeBytes: number;
}

/** A release of Node, and the version of the interface that native packages are built for. */
export interface NodeRelease {
  readonly version: string;
  readonly modules: string;
}

/** The manifest's place in an environment's folder. Its time of change is the environment's last use. */
export function manifestPath(parent: string): string {
  return join(parent, "environment.json");
}

/** Reads a manifest; undefined where there is none, or one that can't be used. */
export function readManifest(parent: string): Manifest | undefined {
  try {
    const manifest = JSON.parse(readFileSync(manifestPath(parent), "utf8")) as Manifest | null;
    const isUsable = manifest?.format === ENVIRONMENT_FORMAT && typeof manifest.generation === "string";
    return isUsable ? manifest : undefined;
  } catch {
    return undefined;
  }
}

/** Writes a manifest atomically, also if the power fails. */
export function writeManifest(parent: string, manifest: Manifest): void {
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  writeFileAtomic(manifestPath(parent), text, { isFlushed: true });
  syncFolder(parent);
}

/** Makes a folder's list of names durable. */
export function syncFolder(path: string): void {
  if (process.platform === "win32") return; // folders can't be opened there
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
