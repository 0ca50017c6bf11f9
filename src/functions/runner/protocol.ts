import type { WireThrown } from "../../processes/thrown-codec.ts";
import type { ServedSchemas } from "../runtime.ts";
import type { FunctionEntry } from "../host.ts";

/** The first message to a runner: what to load. The bundle lies beside the runner. */
export interface LoadMessage {
  readonly type: "load";
  /** `file:` URL that the entry module had where it was bundled: what the sources in the map are named by. */
  readonly moduleUrl: string;
  /** For messages. */
  readonly functionName: string;
  readonly entry: FunctionEntry;
  /**
   * `file:` URL of the folder that packages may be found in, with a "/" at its end: given where others could be found
   * above it.
   */
  readonly environment?: string;
}

/** Call the function. One at a time. */
export interface RunMessage {
  readonly type: "run";
  readonly id: number;
  readonly args: readonly unknown[];
}

/** Serve the function, until the run is aborted. */
export interface ServeMessage {
  readonly type: "serve";
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly metricsPort: number | false;
  readonly schemas: ServedSchemas;
  /** How long a request may take, in milliseconds; undefined for as long as it takes. */
  readonly timeoutMs?: number;
}

/** What a host tells a runner. */
export type ToRunner =
  | LoadMessage
  | RunMessage
  | ServeMessage
  /** The caller of the run has gone, and why. */
  | { readonly type: "abort"; readonly id: number; readonly reason: WireThrown }
  /** End, once the run has. */
  | { readonly type: "stop" };

/** Whose fault a failure is: of the user's own code, or of this package's that said so itself. */
export type FailureOrigin = "user" | "runner";

/** What a runner tells its host. */
export type FromRunner =
  /** The function is found and set up. */
  | { readonly type: "ready" }
  /** It can't be run in this process. */
  | { readonly type: "failed"; readonly origin: FailureOrigin; readonly thrown: WireThrown }
  | { readonly type: "result"; readonly id: number; readonly value: unknown }
  | {
      readonly type: "thrown";
      readonly id: number;
      readonly origin: FailureOrigin;
      readonly thrown: WireThrown;
    }
  /** A served function's port is open. */
  | { readonly type: "listening"; readonly id: number; readonly url: string };

/**
 * Written to both output streams when a run has ended, followed by its number and a line feed: all that the run printed
 * stands before it. Output and messages come by different ways.
 */
export const END_OF_RUN = "\u0000servable:end:";

/** Written to the standard error of a runner that is about to end itself since it has too much memory. */
export const OUT_OF_MEMORY = "\u0000servable:memory:";
