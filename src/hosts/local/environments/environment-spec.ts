import type { LogEntry } from "../../../functions/log-entry.ts";
import type { NodeRuntime } from "./node-runtime.ts";

/** The requirements of an environment. */
export interface EnvironmentSpec {
  readonly kind: "npm" | "container";
  /** npm specs. Steps are installed one after the other; the order within one does not matter. */
  readonly steps: readonly (readonly string[])[];
  /** The parts of a Node version that matter, such as "22" or "22.11". Left out: the Node that runs this process. */
  readonly nodeVersion?: string;
  /**
   * The absolute path of a `package-lock.json`. Exactly what it lists is installed first, without development
   * packages; `overrides` and `allowScripts` are taken from the `package.json` beside it, if there is one. Steps come
   * after it, without the packages that the lockfile's project itself depends on: there the lockfile decides.
   */
  readonly lockfile?: string;
  /** The id of the container image that it is for. */
  readonly image?: string;
}

/** How an environment is prepared. */
export interface PrepareOptions {
  /** Installs it again. Functions that run in the old one are not disturbed. Default false. */
  readonly force?: boolean;
  /** Ends the wait. The install itself is aborted when its last caller leaves. */
  readonly signal?: AbortSignal;
  /** The Node it is for, if that is not on this machine. Required for kind "container". */
  readonly node?: NodeRuntime;
  /** Called with the lines of the install's log; not called for a cached environment. */
  readonly log?: (entry: LogEntry) => void;
}

/** An environment that is installed. */
export interface Environment {
  /** Names it among all environments of this machine. */
  readonly key: string;
  /** The folder that holds `node_modules`. */
  readonly directory: string;
  /** The Node executable that it is made for. */
  readonly node: string;
}
