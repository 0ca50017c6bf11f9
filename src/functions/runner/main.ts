/**
 * The program that runs an isolated function in a separate process. It is bundled into one file, which is in the same
 * folder as the function's bundle. The host controls it by messages.
 * @module
 */
import { encodeThrown } from "../../processes/thrown-codec.ts";
import { startWorkerProgram } from "../../processes/worker-program.ts";
import { BUNDLE_FILES } from "../bundle/bundle.ts";
import { originOf } from "./failures.ts";
import { LoadedFunction } from "./loaded-function.ts";
import { guardMemory, guardPackages } from "./process-guards.ts";
import type { FromRunner, LoadMessage, ToRunner } from "./protocol.ts";
import { Runs } from "./runs.ts";

const BUNDLE_URL = new URL(BUNDLE_FILES.code, import.meta.url).href;

const port = startWorkerProgram<ToRunner, FromRunner>(receive);
if (port === undefined) {
  console.error("This program runs an isolated function for its host; it is not started by hand.");
  process.exit(1);
}
guardMemory();
const { send, sendLast } = port;
let runs: Runs | undefined;

function receive(message: ToRunner): void {
  if (message.type === "load") void load(message);
  else if (message.type === "run") void runs?.run(message);
  else if (message.type === "serve") void runs?.serve(message);
  else if (message.type === "abort") runs?.abort(message.id, message.reason);
  else if (message.type === "stop") void stop();
}

async function load(message: LoadMessage): Promise<void> {
  try {
    if (message.environment !== undefined) guardPackages(message.environment);
    const loaded = await LoadedFunction.load(BUNDLE_URL, message);
    const setupResult: unknown = await loaded.definition.setupFunction?.();
    runs = new Runs({ loaded, setupResult, bundleUrl: BUNDLE_URL, functionName: message.functionName, send });
    send({ type: "ready" });
  } catch (error) {
    sendLast({ type: "failed", origin: originOf(error), thrown: encodeThrown(error) }, 1);
  }
}

async function stop(): Promise<void> {
  await runs?.idle();
  process.exit(0);
}
