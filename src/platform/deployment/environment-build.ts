import type { MessageInitShape } from "@bufbuild/protobuf";
import { FalServerlessError } from "../../errors.ts";
import { StreamLines, type ApplicationLog } from "./application-logs.ts";
import type { Connection } from "../transport/connection.ts";
import {
  HostedRunStatus_State,
  IsolateController,
  type BuildEnvironmentRequestSchema,
} from "../generated/controller_pb.ts";

/** Options of a build. */
export interface BuildOptions {
  /** The name in messages. */
  readonly appName: string;
  readonly onLog?: ((log: ApplicationLog) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Builds an image on the platform.
 * @throws PlatformError; FalServerlessError with code DEPLOY_FAILED if the build fails; the signal's reason
 */
export async function buildEnvironment(
  connection: Connection,
  request: MessageInitShape<typeof BuildEnvironmentRequestSchema>,
  { appName, onLog, signal }: BuildOptions,
): Promise<void> {
  const lines = new StreamLines(onLog);
  const method = IsolateController.method.buildEnvironment;
  for await (const { logs, status } of connection.stream(method, request, { signal })) {
    lines.forward(logs);
    if (status?.state === HostedRunStatus_State.SUCCESS) return;
    if (status?.state === HostedRunStatus_State.INTERNAL_FAILURE) {
      throw failed(`The image of ${appName} could not be built${lines.reason()}`);
    }
  }
  signal?.throwIfAborted();
  throw failed(
    `The build of ${appName} ended without saying whether it went well; nothing was deployed. Try again.`,
  );
}

function failed(message: string): FalServerlessError {
  return new FalServerlessError("DEPLOY_FAILED", message);
}
