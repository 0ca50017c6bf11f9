import { logEntry, type LogEntry } from "../log-entry.ts";
import { SharedCall } from "../processes/single-flight.ts";
import { syncTree } from "./durable-tree.ts";
import type { EnvironmentSpec, PrepareOptions } from "./environment-spec.ts";
import type { EnvironmentStore } from "./environment-store.ts";
import { installTrouble } from "./install-failure.ts";
import { FileLock } from "../cache/file-lock.ts";
import { install } from "./installation.ts";
import { ENVIRONMENT_FORMAT, type Manifest } from "./manifest.ts";
import type { NodeRuntime } from "./node-runtime.ts";
import { describeSteps } from "./requirement-specs.ts";
import { omitUndefined } from "../settings/defined-fields.ts";

type Install = SharedCall<Manifest, LogEntry>;

/** Installs environments into a store. Only one process at a time installs the same environment. */
export class EnvironmentInstalls {
  readonly #store: EnvironmentStore;
  readonly #npmEnvironment: NodeJS.ProcessEnv;
  readonly #installs = new Map<string, { readonly work: Install; readonly isForced: boolean }>();

  constructor(store: EnvironmentStore, npmEnvironment: NodeJS.ProcessEnv) {
    this.#store = store;
    this.#npmEnvironment = npmEnvironment;
  }

  /** Installs an environment. Concurrent calls share an installation; calls with `force` share only with each other. */
  async install(
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
        // An installation that another process has started after this call is new enough for `force`.
        instead: () => {
          const isNew = !isForced || (this.#store.find(key)?.startedAt ?? 0) >= startedAt;
          return isNew ? this.#store.take(key) : undefined;
        },
        onWait: ({ pid }) =>
          log(logEntry(`another process (${pid}) is installing ${what}; waiting for it`, "BUILDER", "INFO")),
      });
      if (!(lock instanceof FileLock)) return lock;
      try {
        const found = isForced ? undefined : this.#store.take(key);
        if (found !== undefined) return found;
        await this.#store.sweep();
        await this.#store.removeLeftovers(key);
        const manifest = await this.#build(key, spec, node, lock, signal, log);
        if (manifest === undefined) continue; // the installation took so long that another process has replaced it
        await this.#store.removeLeftovers(key);
        return manifest;
      } finally {
        lock.release();
      }
    }
  }

  /** Installs into a new folder, and publishes it as the environment when it is complete. */
  async #build(
    key: string,
    spec: EnvironmentSpec,
    node: NodeRuntime,
    lock: FileLock,
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
        ...omitUndefined({ nodeVersion: spec.nodeVersion, lockfile: spec.lockfile }),
        node: { version: node.version, modules: node.modules },
        ...omitUndefined({ npm }),
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
}
