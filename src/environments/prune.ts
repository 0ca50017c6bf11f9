import { listEnvironments, type NpmEnvironmentInfo } from "./environment-list.ts";
import type { EnvironmentStore } from "./environment-store.ts";

/** Environments to remove in addition to broken and leftover ones. */
export interface PruneOptions {
  /** Remove environments whose last use is longer ago than this, in milliseconds. */
  readonly olderThanMs?: number;
  /** Remove all environments. Default false. */
  readonly all?: boolean;
  /** Removes nothing, and returns the environments that would be removed. Default false. */
  readonly dryRun?: boolean;
}

/** The environments that were removed, or would be. */
export interface PruneResult {
  readonly removed: readonly NpmEnvironmentInfo[];
  /** Environments that are in use and were therefore kept. */
  readonly kept: readonly NpmEnvironmentInfo[];
  readonly freedBytes: number;
}

/** Removes environments of a store. */
export async function pruneEnvironments(
  store: EnvironmentStore,
  options: PruneOptions,
): Promise<PruneResult> {
  const removed: NpmEnvironmentInfo[] = [];
  const kept: NpmEnvironmentInfo[] = [];
  for (const info of listEnvironments(store)) {
    if (!isWanted(info, options)) continue;
    if (info.users > 0) kept.push(info);
    else if (options.dryRun === true || (await remove(store, info))) removed.push(info);
    else kept.push(info);
  }
  if (options.dryRun !== true) {
    await store.sweep();
  }
  return { removed, kept, freedBytes: removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
}

function isWanted({ state, lastUsedAt }: NpmEnvironmentInfo, { all, olderThanMs }: PruneOptions): boolean {
  if (state === "left over") return true;
  if (state !== "ready") return false;
  if (all === true) return true;
  return olderThanMs !== undefined && Date.now() - (lastUsedAt?.getTime() ?? 0) > olderThanMs;
}

async function remove(store: EnvironmentStore, info: NpmEnvironmentInfo): Promise<boolean> {
  using lock = store.tryLock(info.key);
  if (lock === undefined) return false; // it is being installed at the moment
  if (info.state === "ready") return store.remove(info.key);
  const removed = await store.removeLeftovers(info.key);
  return (
    removed.includes(info.directory) ||
    !store.generations(info.key).some((name) => info.directory.endsWith(name))
  );
}
