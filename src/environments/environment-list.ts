import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { EnvironmentStore } from "./environment-store.ts";
import { omitUndefined } from "../settings/defined-fields.ts";

/** An environment of the cache, or the remains of one. */
export interface NpmEnvironmentInfo {
  readonly key: string;
  readonly directory: string;
  readonly kind: "npm" | "container";
  /**
   * "ready": can be used. "installing": is being installed. "replaced": a newer installation has replaced it, but it is
   * still in use. "left over": broken, or incomplete because its process has died; it is removed by the next
   * installation or by prune.
   */
  readonly state: "ready" | "installing" | "replaced" | "left over";
  readonly requirements: readonly (readonly string[])[];
  /** Path of the lockfile that it was installed by. */
  readonly lockfile?: string;
  /** The version of Node it was installed for. */
  readonly node?: string;
  /** The version of npm that installed it. */
  readonly npm?: string;
  readonly sizeBytes: number;
  readonly createdAt?: Date;
  readonly lastUsedAt?: Date;
  /** Number of processes that use it. */
  readonly users: number;
}

/** Lists the environments of a store, by key. */
export function listEnvironments(store: EnvironmentStore): NpmEnvironmentInfo[] {
  return store.keys().flatMap((key) => {
    const manifest = store.find(key);
    const uses = store.uses(key);
    const isBusy = store.isBusy(key);
    return store.generations(key).map((generation): NpmEnvironmentInfo => {
      const directory = join(store.parentOf(key), generation);
      const users = uses.get(generation) ?? 0;
      if (manifest?.generation !== generation) {
        const state = users === 0 ? "left over" : isBusy ? "installing" : "replaced";
        return { key, directory, kind: "npm", state, requirements: [], sizeBytes: sizeOf(directory), users };
      }
      const { kind, steps, lockfile, node, npm, sizeBytes, createdAt } = manifest;
      return {
        key,
        directory,
        kind,
        state: "ready",
        requirements: steps,
        ...omitUndefined({ lockfile }),
        node: node.version,
        ...omitUndefined({ npm }),
        sizeBytes,
        createdAt: new Date(createdAt),
        lastUsedAt: new Date(store.lastUsed(key)),
        users,
      };
    });
  });
}

function sizeOf(folder: string): number {
  let size = 0;
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) size += sizeOf(path);
      else if (entry.isFile()) size += lstatSync(path).size;
    }
  } catch {
    // it is being removed
  }
  return size;
}
