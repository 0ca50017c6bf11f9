/**
 * What a call of an isolated function looks like over HTTP, for the host that sends it and the server that answers.
 * `docs/wire/calls.md` describes it.
 * @module
 */
import { deserialize, serialize } from "node:v8";
import { FalSerializationError } from "../../../errors.ts";
import type { FunctionEntry } from "../../../functions/host.ts";
import type { ServedSchemas } from "../../../functions/runtime.ts";

/** The version of what follows. A server refuses one that it does not know. */
export const CALL_FORMAT = 1;

/** The largest body, in bytes: the longest text that Node can hold. */
export const BODY_LIMIT_BYTES = 2 ** 29 - 24;

/** What stands around a value in a body is shorter, in bytes. */
const FRAME_BYTES = 64;

/**
 * What the server prints to each of the two outputs when a call has ended, so that all that the function printed is known
 * to have arrived where the line has.
 */
export const END_OF_OUTPUT = "[servable] the call has ended";

/** The body of a call: `POST /`. */
export interface CallBody {
  readonly format: number;
  /** The list of arguments, {@link packed}. */
  readonly args: string;
}

/** The answer: what the function returned, or what was thrown, taken apart; either {@link packed}. */
export type CallAnswer = { readonly result: string } | { readonly thrown: string };

/**
 * A value as a text: the form of structured clone, in base64.
 * @param label what it is, for messages
 * @throws FalSerializationError when it is too large
 */
export function packed(value: unknown, label = "a value"): string {
  const bytes = serialize(value);
  assertFits(bytes.length, label);
  return bytes.toString("base64");
}

/** The value of a text. @throws for a text that is none */
export function unpacked(text: string): unknown {
  return deserialize(Buffer.from(text, "base64"));
}

/** @throws FalSerializationError when a value of so many bytes is too large for a body */
export function assertFits(bytes: number, label: string): void {
  const limit = Math.floor(((BODY_LIMIT_BYTES - FRAME_BYTES) / 4) * 3);
  if (bytes <= limit) return;
  const megabytes = (count: number): string => `${Math.floor(count / 1e6)} MB`;
  throw new FalSerializationError(
    `${label} is too large: it has ${megabytes(bytes)}, and no more than ${megabytes(limit)} can travel; put it into a store, and pass where it is`,
  );
}

/** Where all of a function's image lies. */
export const IMAGE_ROOT = "/srv/servable";

/** Its folders below that. */
export const PLACES = {
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
