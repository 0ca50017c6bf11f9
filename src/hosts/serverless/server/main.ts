/**
 * The program of a function's container: it answers calls of the function over HTTP, or serves it. It is bundled into one
 * file, next to its settings file. A platform that runs it as a process passes `--host`, `--port` and `--metrics-port`.
 * @module
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { RequestCancelledException } from "../../../errors.ts";
import { announceReady, takeAnnouncement } from "../../../processes/announcement.ts";
import { runServable } from "../../../servable/base-servable.ts";
import { BODY_LIMIT_BYTES, CALL_FORMAT } from "./call-protocol.ts";
import { IMAGE_FOLDERS, SERVER_FILES, type ServerSettings } from "./container-layout.ts";
import { callServable } from "./call-servable.ts";
import { FunctionWorkers } from "./function-workers.ts";

const { values: flags } = parseArgs({
  options: { host: { type: "string" }, port: { type: "string" }, "metrics-port": { type: "string" } },
});
const settings = withFlags(
  JSON.parse(readFileSync(new URL(SERVER_FILES.settings, import.meta.url), "utf8")) as ServerSettings,
);
const host = flags.host ?? "0.0.0.0";
const bundle = fileURLToPath(new URL(`../${IMAGE_FOLDERS.bundle}`, import.meta.url));
const announcement = takeAnnouncement();
const workers = new FunctionWorkers(settings, {
  bundle,
  environment: { ...process.env },
  host,
  onListening,
});
// The container's output is the function's, except for warnings and errors of the server.
process.env["LOG_LEVEL"] ??= "warn";
process.exitCode = await (settings.served === undefined ? answerCalls() : serveFunction());
await workers.close(new RequestCancelledException("The server was stopped."));
process.exit();

async function answerCalls(): Promise<number> {
  if (settings.format !== CALL_FORMAT) {
    console.error(`These settings are of format ${settings.format}; this server knows ${CALL_FORMAT}.`);
    return 1;
  }
  const { exitCode } = await runServable(callServable(settings, workers), {
    host,
    port: settings.port,
    metricsPort: false,
    bodyLimitBytes: BODY_LIMIT_BYTES,
    onListening: ({ url }) => onListening(url),
  });
  return exitCode;
}

/** The function's own process listens. */
async function serveFunction(): Promise<number> {
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => stop.abort(new RequestCancelledException("The server was stopped.")));
  }
  try {
    await workers.serve(stop.signal);
    return 0;
  } catch (error) {
    console.error(error);
    return 1;
  }
}

/** Tells the platform that the function takes requests. */
function onListening(url: string): void {
  if (announcement !== undefined) void announceReady(announcement, Number(new URL(url).port));
}

function withFlags({ port, served, ...others }: ServerSettings): ServerSettings {
  const metricsPort = flags["metrics-port"];
  return {
    ...others,
    port: flags.port === undefined ? port : Number(flags.port),
    ...(served === undefined
      ? {}
      : { served: metricsPort === undefined ? served : { ...served, metricsPort: Number(metricsPort) } }),
  };
}
