import * as nodeModule from "node:module";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { OUT_OF_MEMORY } from "./protocol.ts";

/** The variable with the memory limit, in MB (1,000,000 bytes) of resident memory. */
export const MEMORY_LIMIT_VARIABLE = "SERVABLE_MEMORY_LIMIT_MB";

/** Interval between checks of the memory, in ms. */
const CHECK_MS = 100;

// Runs in a separate thread, because a handler may block the main thread.
const GUARD = `
  const { writeSync } = require("node:fs");
  const { workerData } = require("node:worker_threads");
  setInterval(() => {
    const bytes = process.memoryUsage.rss();
    if (bytes <= workerData.limit) return;
    try {
      writeSync(2, workerData.mark + bytes + "\\n");
    } catch {}
    process.kill(process.pid, "SIGKILL");
  }, ${CHECK_MS});
`;

/** Ends this process when it exceeds its host's memory limit. Node's own limit covers its heap only. */
export function guardMemory(): void {
  const megabytes = Number(process.env[MEMORY_LIMIT_VARIABLE] ?? 0);
  delete process.env[MEMORY_LIMIT_VARIABLE];
  if (!(megabytes > 0)) return;
  const workerData = { limit: megabytes * 1e6, mark: OUT_OF_MEMORY };
  new Worker(GUARD, { eval: true, execArgv: [], env: {}, workerData }).on("error", () => {}).unref();
}

/** The result of a resolve hook of Node. */
interface Resolved {
  readonly url: string;
}

type NextResolve<Result> = (specifier: string, context: object) => Result;

/** Node's synchronous hooks, missing in older versions, and the search paths of CommonJS. */
interface Internals {
  readonly registerHooks?: (hooks: { resolve: typeof resolveSync }) => unknown;
  readonly _nodeModulePaths: (from: string) => string[];
  readonly globalPaths: string[];
}

let root = "";

/**
 * Makes this process find packages in its environment only. Node also searches all folders above it: an import missing
 * from the requirements would work by chance on this machine and fail elsewhere.
 * @param environment `file:` URL of the environment's folder, with a "/" at its end
 */
export function guardPackages(environment: string): void {
  root = environment;
  const internals = nodeModule.default as unknown as Internals & {
    _nodeModulePaths: Internals["_nodeModulePaths"];
  };
  const folder = fileURLToPath(environment);
  const { _nodeModulePaths } = internals;
  internals._nodeModulePaths = (from) =>
    _nodeModulePaths.call(internals, from).filter((path) => path.startsWith(folder));
  internals.globalPaths.length = 0;
  if (internals.registerHooks !== undefined) internals.registerHooks({ resolve: resolveSync });
  else registerInThread(environment);
}

function resolveSync(specifier: string, context: object, next: NextResolve<Resolved>): Resolved {
  const resolved = next(specifier, context);
  if (!isForeign(resolved.url, root)) return resolved;
  throw notFound(specifier, (context as { parentURL?: string }).parentURL);
}

/** Whether a file is in a `node_modules` folder outside the environment. */
function isForeign(url: string, environment: string): boolean {
  return url.startsWith("file:") && url.includes("/node_modules/") && !url.startsWith(environment);
}

/** Node's error for a missing package. */
function notFound(specifier: string, parent: string | undefined): Error {
  const importer = parent?.startsWith("file:") === true ? fileURLToPath(parent) : (parent ?? "");
  const error = new Error(`Cannot find package '${specifier}' imported from ${importer}`);
  return Object.assign(error, { code: "ERR_MODULE_NOT_FOUND" });
}

/** The same for older versions of Node, whose hooks run in a thread that shares no code with this one. */
function registerInThread(environment: string): void {
  const code = `
    import { fileURLToPath } from "node:url";
    export async function resolve(specifier, context, next) {
      const resolved = await next(specifier, context);
      const { url } = resolved;
      const isOwn = url.startsWith(${JSON.stringify(environment)});
      if (isOwn || !url.startsWith("file:") || !url.includes("/node_modules/")) return resolved;
      const parent = context.parentURL ?? "";
      const importer = parent.startsWith("file:") ? fileURLToPath(parent) : parent;
      const error = new Error("Cannot find package '" + specifier + "' imported from " + importer);
      throw Object.assign(error, { code: "ERR_MODULE_NOT_FOUND" });
    }`;
  nodeModule.register(`data:text/javascript,${encodeURIComponent(code)}`);
}
