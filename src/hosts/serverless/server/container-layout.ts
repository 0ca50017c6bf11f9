import type { FunctionEntry } from "../../../functions/host.ts";
import type { ServedSchemas } from "../../../functions/runtime.ts";
import type { CALL_FORMAT } from "./call-protocol.ts";

/** Where all of a function's image lies. */
export const IMAGE_ROOT = "/srv/servable";

/** Its folders below that. */
export const IMAGE_FOLDERS = {
  /** The function's packages, and its bundle. */
  function: "function",
  bundle: "function/bundle",
  /** The server's own packages, its program and its settings. */
  server: "server",
} as const;

/** The names of the server's files. */
export const SERVER_FILES = { program: "server.mjs", settings: "settings.json" } as const;

/** What the server is told of its function: the content of its settings file. */
export interface ServerSettings {
  readonly format: typeof CALL_FORMAT;
  readonly functionName: string;
  /** `file:` URL that stands for the function's module. */
  readonly moduleUrl: string;
  readonly entry: FunctionEntry;
  /** Where it listens. */
  readonly port: number;
  /** What a served function is held to; absent for one that is called. */
  readonly served?: { readonly metricsPort: number; readonly schemas: ServedSchemas };
  /** Calls that run at a time. */
  readonly maxCalls: number;
  /** How long a call may run, in seconds; absent for no limit. */
  readonly requestTimeout?: number;
  /** How long the function's process may take until it is ready, in seconds. */
  readonly startupTimeout: number;
  /** Variables of the function's process, beside those of the container. */
  readonly variables: Readonly<Record<string, string>>;
}
