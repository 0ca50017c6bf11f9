import type { LogEntry } from "../../log-entry.ts";
import type { Revision } from "../state/revisions.ts";

/** What revisions with the same content share: an image, or packages. */
export type BuiltContent = Pick<Revision["definition"], "image" | "files">;

/** Options of preparing a revision. */
export interface PrepareOptions {
  readonly signal?: AbortSignal | undefined;
  readonly log?: ((entry: LogEntry) => void) | undefined;
}

/** A runner to start. */
export interface RunnerOrder {
  readonly id: string;
  readonly revision: Revision;
  /** Variables of its environment, besides the few that the engine sets: secrets, and how it announces itself. */
  readonly variables: Readonly<Record<string, string>>;
}

/** How a runner ended. */
export interface RunnerEnding {
  /** For people: `exit code 1`, `killed by SIGKILL`. */
  readonly how: string;
  /** Whether nobody asked for it, or it ended with an error. */
  readonly isFailure: boolean;
  /** The last lines of its output. */
  readonly lastWords: string;
}

/** A place where runners run. All of its methods may be called again after a failure. */
export interface Engine {
  readonly name: string;

  /** Why it can't run revisions with this image; undefined if it can. */
  refusal(image: Revision["definition"]["image"]): string | undefined;

  /**
   * Makes what revisions with this content share: their packages, or their image. Nothing is done if it is there.
   * @throws FalServerlessError that says what failed; the signal's reason
   */
  build(content: BuiltContent, options?: PrepareOptions): Promise<void>;

  /**
   * Makes what a revision needs: its files and packages, or its image. Nothing is done if it is there.
   * @throws FalServerlessError that says what failed; the signal's reason
   */
  prepare(revision: Revision, options?: PrepareOptions): Promise<void>;

  /**
   * Starts a runner of a prepared revision.
   * @param onEnd called once, when it has ended
   * @returns plain data that it is found by later, also by another process
   */
  start(order: RunnerOrder, onEnd: (ending: RunnerEnding) => void): Promise<unknown>;

  /** Takes over a runner that an earlier process has started. False if it has ended. */
  adopt(id: string, handle: unknown, onEnd: (ending: RunnerEnding) => void): boolean;

  /** Asks a runner to end, and kills it with all that it has started when the grace period is over. */
  end(id: string, graceMs: number): void;

  /** Removes what was prepared for a revision that is not needed any more. */
  discard(revision: string): Promise<void>;

  /** The memory of each runner's processes in bytes, by the runner's id. Runners whose memory is not known are missing. */
  memory(): ReadonlyMap<string, number>;
}
