import type { ShellProgram } from "../shell/terminal.ts";
import type { LogEntry } from "../../log-entry.ts";
import type { Gpu } from "../state/gpus.ts";
import type { Need } from "../state/machine-types.ts";
import type { Definition, Revision } from "../state/revisions.ts";

/** The shared part of revisions with the same content: an image, or packages. */
export type BuiltContent = Pick<Definition, "image" | "files">;

/** Options of preparing a revision. */
export interface PrepareOptions {
  readonly signal?: AbortSignal | undefined;
  readonly log?: ((entry: LogEntry) => void) | undefined;
}

/** An image or packages to build. */
export interface BuildOrder extends BuiltContent {
  /** Builds it even if there is one of the same content. */
  readonly isForced: boolean;
}

/** How a runner reaches the platform, if its engine lets it. */
interface PlatformAccess {
  /** The address of the platform for processes of this machine. */
  readonly url: string;
  /** For what the platform keeps for the app. */
  readonly token: string;
  /** For saying once that the runner takes requests. */
  readonly announcementToken: string;
}

/** A runner to start. */
export interface RunnerOrder {
  readonly id: string;
  readonly revision: Revision;
  /** Variables of its environment, besides the few that the engine sets: secrets and facts about the app. */
  readonly variables: Readonly<Record<string, string>>;
  readonly platform: PlatformAccess;
  /** Its limits. */
  readonly need: Need;
  /** The devices that are its own. It sees no others. */
  readonly gpus: readonly Gpu[];
}

/** Plain data by which a runner is found later, also by another process. */
export type RunnerHandle = Readonly<Record<string, unknown>>;

/** A started runner. */
export interface StartedRunner {
  readonly handle: RunnerHandle;
  /** Where it will take requests, such as `http://127.0.0.1:41234`. Undefined: it announces its port itself. */
  readonly address?: string;
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
  refusal(image: Definition["image"]): Promise<string | undefined>;

  /**
   * Makes what revisions with this content share: their packages, or their image. Nothing is done if it is there.
   * @throws FalServerlessError that says what failed; the signal's reason
   */
  build(order: BuildOrder, options?: PrepareOptions): Promise<void>;

  /**
   * Makes what a revision needs: its files and packages, or its image. Nothing is done if it is there.
   * @throws FalServerlessError that says what failed; the signal's reason
   */
  prepare(revision: Revision, options?: PrepareOptions): Promise<void>;

  /**
   * Starts a runner of a prepared revision.
   * @param onEnd called once, when it has ended
   */
  start(order: RunnerOrder, onEnd: (ending: RunnerEnding) => void): Promise<StartedRunner>;

  /** Takes over a runner that an earlier process has started. Undefined if it has ended. */
  adopt(
    id: string,
    handle: RunnerHandle,
    onEnd: (ending: RunnerEnding) => void,
  ): Promise<Pick<StartedRunner, "address"> | undefined>;

  /** Ends runners of earlier processes, except those with these ids. */
  endOthers(ids: ReadonlySet<string>): Promise<void>;

  /** Asks a runner to end, and kills it with all that it has started when the grace period is over. */
  end(id: string, graceMs: number): void;

  /**
   * How a program runs beside a runner, with the runner's directory, variables and devices. Undefined if the runner has ended.
   * @param command the program with its arguments; empty: a shell
   * @param tty whether it will have a terminal
   */
  shellOf(id: string, command: readonly string[], tty: boolean): Promise<ShellProgram | undefined>;

  /** Removes what was prepared for a revision that is not needed any more. */
  discard(revision: string): Promise<void>;

  /**
   * The memory of each runner's processes in bytes, by the runner's id. Missing: runners whose memory is not known, or is
   * limited by the engine itself.
   */
  memory(): ReadonlyMap<string, number>;
}
