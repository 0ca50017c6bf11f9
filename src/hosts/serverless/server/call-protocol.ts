/**
 * What a call of an isolated function looks like over HTTP, for the host that sends it and the server that answers.
 * `docs/wire/calls.md` describes it.
 * @module
 */
import { deserialize, serialize } from "node:v8";
import type { FunctionEntry } from "../../../functions/function-target.ts";
import type { ServedSchemas } from "../../../functions/guest.ts";
import type { WireThrown } from "../../../workers/thrown-codec.ts";

/** The version of what follows. A server refuses one that it does not know. */
export const CALL_FORMAT = 1;

/** The body of a call: `POST /`. */
export interface CallBody {
  readonly format: number;
  /** The list of arguments, {@link packed}. */
  readonly args: string;
}

/** The answer: what the function returned, or what a {@link WireThrown} says; either {@link packed}. */
export type CallAnswer = { readonly result: string } | { readonly thrown: string };

/** A value as a text: the form of structured clone, in base64. */
export function packed(value: unknown): string {
  return serialize(value).toString("base64");
}

/** The value of a text. @throws for a text that is none */
export function unpacked(text: string): unknown {
  return deserialize(Buffer.from(text, "base64"));
}

/** Reads an answer. @throws TypeError when it is none */
export function readAnswer(answer: unknown): { readonly value: unknown } | { readonly thrown: WireThrown } {
  const { result, thrown } = (typeof answer === "object" && answer !== null ? answer : {}) as Partial<
    Record<"result" | "thrown", unknown>
  >;
  if (typeof result === "string") return { value: unpacked(result) };
  if (typeof thrown === "string") return { thrown: unpacked(thrown) as WireThrown };
  throw new TypeError("The answer has neither a result nor an error.");
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
