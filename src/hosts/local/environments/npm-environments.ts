import { existsSync } from "node:fs";
import { join } from "node:path";
import { FalServerlessError } from "../../../errors.ts";
import { logEntry, type LogEntry } from "../../../functions/log-entry.ts";
import { runProgram } from "../../../processes/program.ts";
import { cacheDirectory } from "./cache-directory.ts";
import { syncTree } from "./durable-tree.ts";
import { environmentKey, normalizedSteps } from "./environment-key.ts";
import { listEnvironments, type NpmEnvironmentInfo } from "./environment-list.ts";
import type { Environment, EnvironmentSpec, PrepareOptions } from "./environment-spec.ts";
import { EnvironmentStore } from "./environment-store.ts";
import { installTrouble } from "./install-failure.ts";
import { InstallLock } from "./install-lock.ts";
import { install } from "./installation.ts";
import { ENVIRONMENT_FORMAT, type Manifest } from "./manifest.ts";
import {
  nodeExecutable,
  nodeRequirement,
  OWN_NODE,
  satisfiesNode,
  type NodeRuntime,
} from "./node-runtime.ts";
import { pruneEnvironments, type PruneOptions, type PruneResult } from "./prune.ts";
import { describeSteps } from "./requirement-specs.ts";
import { loadOnce, SharedCall } from "../../../processes/single-flight.ts";

/** What {@link NpmEnvironments} may be given. */
export interface NpmEnvironmentsOptions {
  /** Where environments are kept. Default `SERVABLE_CACHE_DIR`, else `servable` in the user's cache folder. */
  readonly cacheDirectory?: string;
  /** Variables for npm, beside the few that it gets of this process's. */
  readonly npmEnvironment?: NodeJS.ProcessEnv;
}

type Install = SharedCall<Manifest, LogEntry>;

/**
 * Folders with npm packages, made once and kept: the same spec gives the same environment, in this process and in
 * others. Safe to use from any number of processes at a time; what is cached needs neither npm nor the network.
 */
export class NpmEnvironments {
  readonly #store: EnvironmentStore;
  readonly #npmEnvironment: NodeJS.ProcessEnv;
  readonly #installs = new Map<string, { readonly work: Install; readonly isForced: boolean }>();

  /** @throws FalServerlessError when there is no folder to keep environments in */
  constructor(options: NpmEnvironmentsOptions = {}) {
    this.#store = new EnvironmentStore(options.cacheDirectory ?? cacheDirectory());
    this.#npmEnvironment = { ...options.npmEnvironment };
  }

  /** The folder in which environments are kept. */
  get cacheDirectory(): string {
    return this.#store.root;
  }

  /**
   * Finds an environment, or installs it. It stays at least until {@link use} is called, if that is soon.
   * @throws FalServerlessError `ENVIRONMENT_FAILED`, which says what failed and what to do; the signal's reason
   */
  async prepare(spec: EnvironmentSpec, options: PrepareOptions = {}): Promise<Environment> {
    options.signal?.throwIfAborted();
    if (spec.kind !== "npm" && options.node === undefined) {
      throw new FalServerlessError(
        "INTERNAL_FAILURE",
        `An environment of kind "${spec.kind}" needs to be told its Node.`,
      );
    }
    const node = options.node ?? (await this.#node(spec.nodeVersion, options));
    const normal: EnvironmentSpec = { ...spec, steps: normalizedSteps(spec.steps) };
    const key = environmentKey(normal, node);
    const found = options.force === true ? undefined : this.#store.take(key);
    const manifest = found ?? (await this.#install(key, normal, node, options));
    this.#store.touch(key);
    return this.#environment(manifest, node);
  }

  /** Keeps an environment from being removed until disposed, and notes the time of its use. */
  use(environment: Environment): Disposable {
    const holds: Disposable[] = [];
    for (const path of [environment.directory, environment.node]) {
      const owner = this.#store.ownerOf(path);
      if (owner === undefined) continue;
      holds.push(this.#store.marks.hold(this.#store.parentOf(owner.key), owner.generation));
      this.#store.touch(owner.key);
    }
    return {
      [Symbol.dispose]: () => {
        for (const hold of holds.splice(0)) hold[Symbol.dispose]();
      },
    };
  }

  /** All environments of the cache, by key; those too that are being installed, broken or replaced. */
  async list(): Promise<NpmEnvironmentInfo[]> {
    return listEnvironments(this.#store);
  }

  /** Removes what is broken or left over and, as asked, environments. Never one that is in use. */
  async prune(options: PruneOptions = {}): Promise<PruneResult> {
    return pruneEnvironments(this.#store, options);
  }

  #environment(manifest: Manifest, node: NodeRuntime): Environment {
    const { key, generation } = manifest;
    return { key, directory: join(this.#store.parentOf(key), generation), node: node.executable };
  }

  /** Concurrent calls share an install; one that was asked to be new shares only another such. */
  async #install(
    key: string,
    spec: EnvironmentSpec,
    node: NodeRuntime,
    options: PrepareOptions,
  ): Promise<Manifest> {
    const isForced = options.force === true;
    for (;;) {
      const running = this.#installs.get(key);
      if (running !== undefined && !running.work.isClosed && (running.isForced || !isForced)) {
        return this.#kept(await running.work.join(options));
      }
      if (running === undefined) break;
      await running.work.settled();
      if (this.#installs.get(key) === running) this.#installs.delete(key);
    }
    const work: Install = new SharedCall((signal, log) =>
      this.#installAlone(key, spec, node, isForced, signal, log),
    );
    this.#installs.set(key, { work, isForced });
    void work.settled().then(() => {
      if (this.#installs.get(key)?.work === work) this.#installs.delete(key);
    });
    return this.#kept(await work.join(options));
  }

  #kept(manifest: Manifest): Manifest {
    this.#store.marks.holdBriefly(this.#store.parentOf(manifest.key), manifest.generation);
    return manifest;
  }

  async #installAlone(
    key: string,
    spec: EnvironmentSpec,
    node: NodeRuntime,
    isForced: boolean,
    signal: AbortSignal,
    log: (entry: LogEntry) => void,
  ): Promise<Manifest> {
    const startedAt = Date.now();
    const what = describeSteps(spec.steps, spec.lockfile);
    for (;;) {
      const lock = await this.#store.lock(key, {
        signal,
        // One that another process began after this call is as new as one of its own.
        instead: () => {
          const isNew = !isForced || (this.#store.find(key)?.startedAt ?? 0) >= startedAt;
          return isNew ? this.#store.take(key) : undefined;
        },
        onWait: ({ pid }) =>
          log(logEntry(`another process (${pid}) is installing ${what}; waiting for it`, "BUILDER", "INFO")),
      });
      if (!(lock instanceof InstallLock)) return lock;
      try {
        const found = isForced ? undefined : this.#store.take(key);
        if (found !== undefined) return found;
        await this.#store.sweep();
        await this.#store.removeLeftovers(key);
        const manifest = await this.#build(key, spec, node, lock, signal, log);
        if (manifest === undefined) continue; // it took so long that another process took over
        await this.#store.removeLeftovers(key);
        return manifest;
      } finally {
        lock.release();
      }
    }
  }

  /** Installs into a new folder and, when it is whole, makes it the environment. */
  async #build(
    key: string,
    spec: EnvironmentSpec,
    node: NodeRuntime,
    lock: InstallLock,
    signal: AbortSignal,
    log: (entry: LogEntry) => void,
  ): Promise<Manifest | undefined> {
    const startedAt = Date.now();
    const subject = {
      what: describeSteps(spec.steps, spec.lockfile),
      directory: this.#store.root,
      registry: "",
    };
    let directory: string | undefined;
    let hold: Disposable | undefined;
    let isWhole = false;
    try {
      const begun = this.#store.begin(key);
      ({ directory, hold } = begun);
      const npm = await install({ spec, directory, node, npmEnvironment: this.#npmEnvironment, signal, log });
      const sizeBytes = await syncTree(directory);
      signal.throwIfAborted();
      if (!lock.isHeld()) return undefined;
      const manifest: Manifest = {
        format: ENVIRONMENT_FORMAT,
        key,
        generation: begun.generation,
        kind: spec.kind,
        steps: spec.steps,
        ...(spec.nodeVersion === undefined ? {} : { nodeVersion: spec.nodeVersion }),
        ...(spec.lockfile === undefined ? {} : { lockfile: spec.lockfile }),
        node: { version: node.version, modules: node.modules },
        ...(npm === undefined ? {} : { npm }),
        startedAt,
        createdAt: Date.now(),
        sizeBytes,
      };
      this.#store.publish(manifest);
      isWhole = true;
      const seconds = ((manifest.createdAt - startedAt) / 1000).toFixed(1);
      if (npm !== undefined) log(logEntry(`installed ${subject.what} in ${seconds} s`, "BUILDER", "INFO"));
      this.#kept(manifest);
      return manifest;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw installTrouble(subject, error);
    } finally {
      if (!isWhole && directory !== undefined) await this.#store.discard(directory).catch(() => {});
      hold?.[Symbol.dispose]();
      if (!isWhole) await this.#store.removeLeftovers(key).catch(() => {});
    }
  }

  /** The Node for a version: this process's if it fits, else one from the registry, in an environment of its own. */
  async #node(wanted: string | undefined, options: PrepareOptions): Promise<NodeRuntime> {
    if (wanted === undefined || satisfiesNode(OWN_NODE.version, wanted)) return OWN_NODE;
    const requirement = nodeRequirement(wanted);
    const { signal, log } = options;
    let environment: Environment;
    try {
      environment = await this.prepare(
        { kind: "npm", steps: [[requirement]] },
        { ...(signal === undefined ? {} : { signal }), ...(log === undefined ? {} : { log }) },
      );
    } catch (error) {
      if (!(error instanceof FalServerlessError) || !/no version|does not exist/.test(error.message))
        throw error;
      throw new FalServerlessError(
        "ENVIRONMENT_FAILED",
        `There is no Node ${wanted} for ${process.platform}-${process.arch} in the registry (${requirement}). Correct nodeVersion, or leave it out to run on ${OWN_NODE.version}.`,
        { cause: error },
      );
    }
    const executable = join(environment.directory, nodeExecutable());
    return { executable, ...(await releaseOf(executable)) };
  }
}

const releases = new Map<string, Promise<{ readonly version: string; readonly modules: string }>>();

/** Asks an executable what it is, once. */
function releaseOf(executable: string): Promise<{ readonly version: string; readonly modules: string }> {
  return loadOnce(releases, executable, () => ask(executable));
}

async function ask(executable: string): Promise<{ readonly version: string; readonly modules: string }> {
  const script = "console.log(process.versions.node, process.versions.modules)";
  const { code, stdout, lines } = await runProgram(executable, ["-e", script], { environment: {} });
  const [version = "", modules = ""] = stdout.trim().split(" ");
  if (code === 0) return { version, modules };
  const why = existsSync(executable) ? "it does not run on this machine" : "its package has no executable";
  throw new FalServerlessError("ENVIRONMENT_FAILED", `The Node at ${executable} can't be used: ${why}.`, {
    cause: new Error(lines.join("\n")),
  });
}
