import { UsageError } from "../../errors.ts";
import type { GpuUsage } from "../apps/gpu-usage.ts";
import type { RunnersOptions } from "../apps/apps.ts";
import type { PlatformSession } from "../transport/platform-session.ts";
import { runnerInfo, type RunnerInfo } from "./runner-info.ts";
import type { RunnerLog, RunnerLogsOptions } from "./runner-logs.ts";
import type { RunnerCommandEvent, RunnerCommandOptions } from "./shell-session.ts";
import { wireTime } from "../timestamps.ts";

/** How a runner is stopped. */
export interface StopRunnerOptions {
  /** Whether to wait until a replacement is ready before the runner is stopped. Default false. */
  readonly replaceFirst?: boolean | undefined;
}

/** The runners of a control plane: the processes that serve its apps. */
export class Runners {
  readonly #session: PlatformSession;

  constructor(session: PlatformSession) {
    this.#session = session;
  }

  /** The runners of all apps, including starting ones. */
  async list({ since }: RunnersOptions = {}): Promise<RunnerInfo[]> {
    const { connection, protocol } = await this.#session.grpc();
    const { runners } = await connection.unary(protocol.IsolateController.method.listRunners, {
      listPending: true,
      ...(since === undefined ? {} : { startTime: wireTime(since) }),
    });
    return runners.map((info) => runnerInfo(info, protocol));
  }

  /**
   * The log of a runner, the oldest line first. `for await (const { message } of client.runners.logs(id))`
   * @throws UsageError, PlatformError, or the signal's reason, when reading the first line that fails
   */
  async *logs(runnerId: string, options: RunnerLogsOptions = {}): AsyncGenerator<RunnerLog, void, undefined> {
    checkId(runnerId);
    const { runnerLogs } = await import("./runner-logs.ts");
    yield* runnerLogs(this.#session, runnerId, options);
  }

  /**
   * Runs a command or a shell on a runner. The last event is its exit code.
   * `for await (const event of client.runners.run(id, { command: ["nvidia-smi"] }))`
   * @throws UsageError, PlatformError, or the signal's reason
   */
  async *run(
    runnerId: string,
    options: RunnerCommandOptions = {},
  ): AsyncGenerator<RunnerCommandEvent, void, undefined> {
    checkId(runnerId);
    const { runnerCommand } = await import("./shell-session.ts");
    yield* runnerCommand(this.#session, runnerId, options);
  }

  /** The number of GPUs of all runners, by kind. */
  async gpus(): Promise<GpuUsage> {
    const { runnersGpus } = await import("../apps/gpu-usage.ts");
    return await runnersGpus(this.#session);
  }

  /** Stops a runner gracefully: it ends when its requests are answered. */
  async stop(runnerId: string, { replaceFirst = false }: StopRunnerOptions = {}): Promise<void> {
    checkId(runnerId);
    const { connection, protocol } = await this.#session.grpc();
    const { stopRunner } = protocol.IsolateController.method;
    // A retry could start a second replacement.
    await connection.unary(stopRunner, { runnerId, replaceFirst }, { retry: !replaceFirst });
  }

  /** Ends a runner immediately. Its requests fail. */
  async kill(runnerId: string): Promise<void> {
    checkId(runnerId);
    const { connection, protocol } = await this.#session.grpc();
    await connection.unary(protocol.IsolateController.method.killRunner, { runnerId });
  }
}

function checkId(runnerId: string): void {
  if (typeof runnerId !== "string" || runnerId.trim() === "")
    throw new UsageError("The id of a runner can't be empty.");
}
