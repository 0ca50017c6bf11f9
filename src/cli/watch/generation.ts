import cluster from "node:cluster";
import { once } from "node:events";
import { FalServerlessError } from "../../errors.ts";
import { serveApp, type RunCommandOptions } from "../serve-app.ts";
import { REPLACES, type GenerationMessage, type SupervisorMessage } from "./supervisor.ts";

/** Serves a watched app in a process of the supervisor's, until the supervisor says stop. */
export async function serveGeneration(file: string, options: RunCommandOptions): Promise<number> {
  const stop = new AbortController();
  const cut = new AbortController();
  process.on("message", ({ type, why }: SupervisorMessage) => {
    if (type === "stop" || type === "cut") stop.abort(why);
    if (type === "cut") cut.abort();
  });
  // A terminal sends Ctrl-C, and its end, to every process; the supervisor passes on what they mean.
  process.on("SIGINT", () => {});
  process.on("SIGHUP", () => {});
  process.on("SIGTERM", () => stop.abort("SIGTERM"));
  try {
    return await serveApp(file, options, {
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
 * Leaves the cluster in good order. Connections that the supervisor handed over while the port was being closed are
 * still on their way: a process that just exits would leave their clients without an answer for ever.
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
