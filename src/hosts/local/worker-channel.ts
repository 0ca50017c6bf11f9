import type { Readable } from "node:stream";
import type { FromRunner, ToRunner } from "../../functions/runner/protocol.ts";

/** How a worker ended. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** It could not be started. */
  readonly error?: Error;
}

/** What is told of a worker. */
export interface ChannelListener {
  onMessage(message: FromRunner): void;
  /** It is no more, and all that it said and printed has been told. */
  onEnd(end: WorkerEnd): void;
}

/** A process that runs the runner, wherever it is, and the way to it. */
export interface WorkerChannel {
  readonly pid: number | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** @throws when the message can't be cloned */
  send(message: ToRunner): void;
  /** Ends the process at once. */
  kill(): void;
  /** Whether this process stays alive for the worker. */
  hold(isHeld: boolean): void;
}

/** Starts a worker. */
export type StartChannel = (listener: ChannelListener) => WorkerChannel;
