/**
 * The program of a worker process. {@link WorkerProcess} starts it and sends it messages.
 * @module
 */
import { fileURLToPath } from "node:url";
import { asError } from "../answers.ts";
import { guardStandardStreams } from "../output/serving-streams.ts";
import { ForwardingLog } from "./forwarding-log.ts";
import { HandlerCalls } from "./handler-calls.ts";
import { freeMemoryOnceIdle } from "./idle-memory.ts";
import { findExportedServable, HostedServable } from "./hosted-servable.ts";
import type { FromWorker, StartMessage, ToWorker } from "./protocol.ts";
import { encodeThrown } from "../processes/thrown-codec.ts";
import { currentTracing } from "../tracing/tracing.ts";
import { registerTypeScript } from "../typescript/register.ts";
import { startWorkerProgram } from "../processes/worker-program.ts";

const port = startWorkerProgram<ToWorker, FromWorker>(receive);
if (port === undefined) process.exit(1);
const { send, sendLast } = port;
guardStandardStreams();
const log = new ForwardingLog("info", send);
let calls: HandlerCalls | undefined;
let stopping = false;

function receive(message: ToWorker): void {
  if (message.type === "start") void start(message);
  else if (message.type === "call") void calls?.run(message);
  else if (message.type === "grant") calls?.grant(message.id, message.count);
  else if (message.type === "abort") calls?.abort(message);
  else if (message.type === "told") calls?.reservations.receive(message);
  else if (message.type === "level") log.level = message.logLevel;
  else if (message.type === "ping") send({ type: "pong" });
  else if (message.type === "stop") void stop();
}

async function start(message: StartMessage): Promise<void> {
  const { moduleUrl, className } = message;
  log.level = message.logLevel;
  try {
    if (message.registersTypeScript) await registerTypeScript(fileURLToPath(moduleUrl));
    const module = (await import(moduleUrl)) as Record<string, unknown>;
    const servable = new HostedServable(findExportedServable(module, className, moduleUrl));
    await servable.setUp(() => log.logger);
    currentTracing(moduleUrl);
    calls = new HandlerCalls(servable, log, send);
    setRunnerState("RUNNING");
    send({ type: "ready" });
    freeMemoryOnceIdle(calls);
  } catch (error) {
    sendLast({ type: "failed", thrown: encodeThrown(error) }, 1);
  }
}

async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  await calls?.idle();
  setRunnerState("TERMINATING");
  try {
    await calls?.servable.tearDown();
  } catch (error) {
    log.logger.error({ err: asError(error, "teardown") }, "teardown failed in a worker");
  }
  sendLast({ type: "stopped" }, 0);
}

/** The runner's state as the platform names it. The inherited value is from the setup of the main process. */
function setRunnerState(state: "RUNNING" | "TERMINATING"): void {
  if (process.env["FAL_RUNNER_STATE"] !== undefined) process.env["FAL_RUNNER_STATE"] = state;
}
