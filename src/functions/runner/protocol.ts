import type { TraceCarrier } from "../../tracing/tracing.ts";
import type { WireThrown } from "../../processes/thrown-codec.ts";
import type { ServedSchemas } from "../runtime.ts";
import type { FunctionEntry } from "../host.ts";

/** The first message to a runner: load the bundle, which is in the runner's folder. */
export interface LoadMessage {
  readonly type: "load";
  /** `file:` URL that the entry module had when it was bundled, as it is named in the source map. */
  readonly moduleUrl: string;
  /** For messages. */
  readonly functionName: string;
  readonly entry: FunctionEntry;
  /**
   * `file:` URL of the only folder to find packages in, with a "/" at its end. Set if a folder above it has packages too.
   */
  readonly environment?: string;
}

/** Call the function. Runs one call at a time. */
export interface RunMessage {
  readonly type: "run";
  readonly id: number;
  readonly args: readonly unknown[];
  /** The span to continue, if the host records spans. */
  readonly trace?: TraceCarrier;
}

/** Serve the function until the run is aborted. */
export interface ServeMessage {
  readonly type: "serve";
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly metricsPort: number | false;
  readonly schemas: ServedSchemas;
  /** Maximum duration of a request, in ms; undefined for no limit. */
  readonly timeoutMs?: number;
}

/** The messages from a host to a runner. */
export type ToRunner =
  | LoadMessage
  | RunMessage
  | ServeMessage
  /** The caller of the run has left, with the reason. */
  | { readonly type: "abort"; readonly id: number; readonly reason: WireThrown }
  /** End the process after the current run. */
  | { readonly type: "stop" };

/** The origin of a failure: the user's code, or a check of this package. */
export type FailureOrigin = "user" | "runner";

/** The messages from a runner to its host. */
export type FromRunner =
  /** The function has been found and set up. */
  | { readonly type: "ready" }
  /** The function can't be run in this process. */
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
 * Written to both output streams at the end of a run, followed by its id and a line feed, to mark the end of the run's
 * output: output and messages arrive through different channels.
 */
export const END_OF_RUN = "\u0000servable:end:";

/** Written to standard error by a runner that is about to end itself because it exceeds its memory limit. */
export const OUT_OF_MEMORY = "\u0000servable:memory:";
