import type { FunctionEntry } from "../../../functions/host.ts";
import type { ServedSchemas } from "../../../functions/runtime.ts";
import type { CALL_FORMAT } from "./call-protocol.ts";

/** The folder with all files of a function's image. */
export const IMAGE_ROOT = "/srv/servable";

/** The folders below {@link IMAGE_ROOT}. */
export const IMAGE_FOLDERS = {
  /** The function's packages, and its bundle. */
  function: "function",
  bundle: "function/bundle",
  /** The server's own packages, its program and its settings. */
  server: "server",
} as const;

/** The server's files. */
export const SERVER_FILES = { program: "server.mjs", settings: "settings.json" } as const;

/** The content of the server's settings file. */
export interface ServerSettings {
  readonly format: typeof CALL_FORMAT;
  readonly functionName: string;
  /** `file:` URL that replaces the function's module. */
  readonly moduleUrl: string;
  readonly entry: FunctionEntry;
  /** The server's port. */
  readonly port: number;
  /** Set for a served function. */
  readonly served?: { readonly metricsPort: number; readonly schemas: ServedSchemas };
  /** Maximum number of concurrent calls. */
  readonly maxCalls: number;
  /** Maximum duration of a call, in seconds; absent for no limit. */
  readonly requestTimeout?: number;
  /** Maximum time for the function's process to start, in seconds. */
  readonly startupTimeout: number;
  /** Variables of the function's process, in addition to those of the container. */
  readonly variables: Readonly<Record<string, string>>;
}
