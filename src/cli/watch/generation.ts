import cluster from "node:cluster";
import { once } from "node:events";
import { FalServerlessError } from "../../errors.ts";
import { serveApp, type RunCommandOptions } from "../serve-app.ts";
import { REPLACES, type GenerationMessage, type SupervisorMessage } from "./supervisor.ts";

/** Serves watched apps in a process of the supervisor, until the supervisor sends `stop`. */
export async function serveGeneration(files: readonly string[], options: RunCommandOptions): Promise<number> {
  const stop = new AbortController();
  const cut = new AbortController();
  process.on("message", ({ type, why }: SupervisorMessage) => {
    if (type === "stop" || type === "cut") stop.abort(why);
    if (type === "cut") cut.abort();
  });
  // A terminal sends these signals to every process. Only the supervisor acts on them.
  process.on("SIGINT", () => {});
  process.on("SIGHUP", () => {});
  process.on("SIGTERM", () => stop.abort("SIGTERM"));
  try {
    return await serveApp(files, options, {
      signal: stop.signal,
      cutSignal: cut.signal,
      handleSignals: false,
      isSilent: process.env[REPLACES] !== undefined,
      onImport: (path) => void tell({ type: "imported", path }),
      onListening: () => void tell({ type: "listening" }),
    });
  } catch (error) {
    await tell({ type: "failed", code: error instanceof FalServerlessError ? error.code : undefined });
    throw error;
  } finally {
    await leave();
  }
}

/**
 * Disconnects from the cluster before the process exits. The supervisor may still be handing over connections that it accepted
 * before the port closed: their clients would never get an answer.
 */
async function leave(): Promise<void> {
  const { worker } = cluster;
  if (worker === undefined || !worker.isConnected()) return;
  const left = once(worker, "disconnect");
  worker.disconnect();
  await left;
}

function tell(message: GenerationMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}
