/**
 * Runs an app until the caller stops it. This module loads the gRPC libraries, so import it by `import()` where it is
 * not always needed.
 * @module
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { FalServerlessError } from "../../errors.ts";
import { StreamLines, type ApplicationLog } from "./application-logs.ts";
import type { Connection } from "../transport/connection.ts";
import {
  HostedRunStatus_State,
  IsolateController,
  type HostedRunSchema,
} from "../generated/controller_pb.ts";

/** Options of a run. */
export interface ApplicationRunOptions {
  /** The name in messages. */
  readonly name: string;
  /** Called with each log line of the app and of the platform. */
  readonly onLog?: ((log: ApplicationLog) => void) | undefined;
  /** Called once with the app's address. The app may not answer yet. */
  readonly onUrl?: ((url: string) => void) | undefined;
  /** Ends the run: the app is deleted. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs an app, which lives until the signal is aborted. Resolves when the app has ended by itself.
 * @throws FalServerlessError with code RUN_FAILED if the platform ends the app or can't run it; PlatformError; the
 *   signal's reason
 */
export async function runApplication(
  connection: Connection,
  request: MessageInitShape<typeof HostedRunSchema>,
  { name, onLog, onUrl, signal }: ApplicationRunOptions,
): Promise<void> {
  const lines = new StreamLines((log) => {
    // Lines of the build were forwarded before.
    if (log.source !== "BUILDER") onLog?.(log);
  });
  let isReported = false;
  for await (const { logs, status, serviceUrls } of connection.stream(IsolateController.method.run, request, {
    signal,
  })) {
    lines.forward(logs);
    if (serviceUrls !== undefined && !isReported) {
      isReported = true;
      onUrl?.(serviceUrls.run);
    }
    if (status?.state === HostedRunStatus_State.SUCCESS) return;
    if (status?.state === HostedRunStatus_State.INTERNAL_FAILURE) {
      throw failed(`The platform ended the run of ${name}${lines.reason()}`);
    }
  }
  signal?.throwIfAborted();
  throw failed(`The run of ${name} broke off without saying how it ended${lines.reason()}`);
}

function failed(message: string): FalServerlessError {
  return new FalServerlessError("RUN_FAILED", message);
}
