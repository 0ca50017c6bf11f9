import type { LogEntry } from "../../../functions/log-entry.ts";
import type { NodeRuntime } from "./node-runtime.ts";

/** What an environment is made of. */
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
  /** Installs it anew. What runs in the old one goes on there. Default false. */
  readonly force?: boolean;
  /** Ends the wait. The install itself ends with the last one who waits for it. */
  readonly signal?: AbortSignal;
  /** The Node it is for, where that is not of this machine. Kind "container" can't be without. */
  readonly node?: NodeRuntime;
  /** Told what is done, line by line. Nothing is said of an environment that is there already. */
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
