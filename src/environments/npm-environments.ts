import { join } from "node:path";
import { FalServerlessError } from "../errors.ts";
import { cacheDirectory } from "../cache/cache-directory.ts";
import { EnvironmentInstalls } from "./environment-installs.ts";
import { environmentKey, normalizedSteps } from "./environment-key.ts";
import { listEnvironments, type NpmEnvironmentInfo } from "./environment-list.ts";
import type { Environment, EnvironmentSpec, PrepareOptions } from "./environment-spec.ts";
import { ENVIRONMENTS, EnvironmentStore } from "./environment-store.ts";
import type { Manifest } from "./manifest.ts";
import {
  nodeExecutable,
  nodeRequirement,
  OWN_NODE,
  releaseOf,
  satisfiesNode,
  type NodeRuntime,
} from "./node-runtime.ts";
import { pruneEnvironments, type PruneOptions, type PruneResult } from "./prune.ts";
import { omitUndefined } from "../settings/defined-fields.ts";

/** Options of {@link NpmEnvironments}. */
export interface NpmEnvironmentsOptions {
  /** The folder for environments. Default: `SERVABLE_CACHE_DIR`, otherwise `servable` in the user's cache folder. */
  readonly cacheDirectory?: string;
  /** Environment variables for npm, in addition to the few that it gets from this process. */
  readonly npmEnvironment?: NodeJS.ProcessEnv;
}

/**
 * Folders with npm packages, which are installed once and then cached: all processes get the same environment for the
 * same spec. Any number of processes can use it at the same time. A cached environment needs neither npm nor the
 * network.
 */
export class NpmEnvironments {
  readonly #store: EnvironmentStore;
  readonly #installs: EnvironmentInstalls;

  /** @throws FalServerlessError if there is no usable folder for environments */
  constructor(options: NpmEnvironmentsOptions = {}) {
    this.#store = new EnvironmentStore(options.cacheDirectory ?? cacheDirectory(ENVIRONMENTS));
    this.#installs = new EnvironmentInstalls(this.#store, { ...options.npmEnvironment });
  }

  /** The folder in which environments are kept. */
  get cacheDirectory(): string {
    return this.#store.root;
  }

  /**
   * Finds an environment, or installs it. It is protected from removal for a short time, until {@link use} is called.
   * @throws FalServerlessError `ENVIRONMENT_FAILED`, which says what failed and what to do; the signal's reason
   */
  async prepare(spec: EnvironmentSpec, options: PrepareOptions = {}): Promise<Environment> {
    options.signal?.throwIfAborted();
    if (spec.kind !== "npm" && options.node === undefined) {
      throw new FalServerlessError(
        "INTERNAL_FAILURE",
        `An environment of kind "${spec.kind}" requires a Node to be named.`,
      );
    }
    const node = options.node ?? (await this.node(spec.nodeVersion, options));
    const normal: EnvironmentSpec = { ...spec, steps: normalizedSteps(spec.steps) };
    const key = environmentKey(normal, node);
    const found = options.force === true ? undefined : this.#store.take(key);
    const manifest = found ?? (await this.#installs.install(key, normal, node, options));
    this.#store.touch(key);
    return this.#environment(manifest, node);
  }

  /** Protects an environment from removal until disposed, and records the time of its use. */
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

  /** All environments of the cache by key, including incomplete, broken and replaced ones. */
  async list(): Promise<NpmEnvironmentInfo[]> {
    return listEnvironments(this.#store);
  }

  /**
   * Removes broken and leftover environments, and the environments that the options select. Never removes one that is
   * in use.
   */
  async prune(options: PruneOptions = {}): Promise<PruneResult> {
    return pruneEnvironments(this.#store, options);
  }

  /**
   * The Node for a version: that of this process if it has the version, otherwise one from the registry, which is
   * installed as a separate environment.
   */
  async node(wanted: string | undefined, options: PrepareOptions = {}): Promise<NodeRuntime> {
    if (wanted === undefined || satisfiesNode(OWN_NODE.version, wanted)) return OWN_NODE;
    const requirement = nodeRequirement(wanted);
    const { signal, log } = options;
    let environment: Environment;
    try {
      environment = await this.prepare(
        { kind: "npm", steps: [[requirement]] },
        omitUndefined({ signal, log }),
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

  #environment(manifest: Manifest, node: NodeRuntime): Environment {
    const { key, generation } = manifest;
    return { key, directory: join(this.#store.parentOf(key), generation), node: node.executable };
  }
}
