import { closeSync, fsyncSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../processes/atomic-file.ts";

/** The version of the format of environments. Environments of another version are installed again. */
export const ENVIRONMENT_FORMAT = 1;

/** The content of `environment.json`, which describes a complete environment. */
export interface Manifest {
  readonly format: typeof ENVIRONMENT_FORMAT;
  readonly key: string;
  /** Name of the environment's folder, which is next to this file. */
  readonly generation: string;
  readonly kind: "npm" | "container";
  readonly steps: readonly (readonly string[])[];
  /** The requested version of Node. */
  readonly nodeVersion?: string;
  /** Path of the lockfile. */
  readonly lockfile?: string;
  /** The Node it was installed for. */
  readonly node: NodeRelease;
  /** The version of npm; absent if nothing had to be installed. */
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

/** The path of the manifest of an environment. The file's modification time is the time of the last use. */
export function manifestPath(parent: string): string {
  return join(parent, "environment.json");
}

/** Reads a manifest; undefined if it is missing or can't be used. */
export function readManifest(parent: string): Manifest | undefined {
  try {
    const manifest = JSON.parse(readFileSync(manifestPath(parent), "utf8")) as Manifest | null;
    const isUsable = manifest?.format === ENVIRONMENT_FORMAT && typeof manifest.generation === "string";
    return isUsable ? manifest : undefined;
  } catch {
    return undefined;
  }
}

/** Writes a manifest atomically, even in case of a power failure. */
export function writeManifest(parent: string, manifest: Manifest): void {
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  writeFileAtomic(manifestPath(parent), text, { isFlushed: true });
  syncFolder(parent);
}

/** Flushes the entries of a folder to the disk. */
export function syncFolder(path: string): void {
  if (process.platform === "win32") return; // folders can't be opened there
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
