import type { LogEntry } from "../log-entry.ts";
import type { NodeRuntime } from "./node-runtime.ts";

/** The requirements of an environment. */
export interface EnvironmentSpec {
  readonly kind: "npm" | "container";
  /** npm specs. Steps are installed one after the other; the order within one does not matter. */
  readonly steps: readonly (readonly string[])[];
  /** The version of Node or its first parts, such as "22" or "22.11". Default: the Node that runs this process. */
  readonly nodeVersion?: string;
  /**
   * The absolute path of a `package-lock.json`. Its packages are installed first, in exactly the listed versions and
   * without development packages. `overrides` and `allowScripts` come from the `package.json` in the same folder, if
   * there is one. The steps follow, without packages that the lockfile's project itself depends on, whose versions the
   * lockfile determines.
   */
  readonly lockfile?: string;
  /** The id of the container image that the environment is installed for. */
  readonly image?: string;
}

/** How an environment is prepared. */
export interface PrepareOptions {
  /** Whether to install it again. Functions continue to run in the old installation. Default false. */
  readonly force?: boolean;
  /** Ends this caller's wait. The installation is aborted when its last caller has left. */
  readonly signal?: AbortSignal;
  /** The Node that the environment is for, if it is not one of this machine. Required for kind "container". */
  readonly node?: NodeRuntime;
  /** Called with each line of the installation's log. Not called for a cached environment. */
  readonly log?: (entry: LogEntry) => void;
}

/** An environment that is installed. */
export interface Environment {
  /** The environment's name, unique on this machine. */
  readonly key: string;
  /** The folder that holds `node_modules`. */
  readonly directory: string;
  /** Path of the Node executable that the environment is for. */
  readonly node: string;
}
