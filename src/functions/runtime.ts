import type { SchemaObject } from "../routes/handler-types.ts";
import type { SourceLocation } from "./source-location.ts";

/**
 * The interface of a process that runs an isolated function, for the copy of this package in its bundle. Functions
 * defined there run in this process instead of being sent elsewhere.
 */
export interface FunctionRuntime {
  /** `file:` URL of the bundle. */
  readonly bundleUrl: string;
  /** `file:` URL that the entry module had when it was bundled. */
  readonly moduleUrl: string;
  /** The bundle is being evaluated. Calls of isolated functions then belong to the main program, not to the handler. */
  readonly isLoading: boolean;
  /** Registers a function that `fn()` has made. */
  define(definition: Definition): void;
  /** Reports that the evaluation of the bundle waits for an isolated function and never completes. */
  stall(): void;
  /** Aborted when the caller of the running handler has left; undefined while nothing runs. */
  readonly signal: AbortSignal | undefined;
}

/** A definition by `fn()`, with the parts that the process that runs the function needs. */
export interface Definition {
  /** The return value of `fn()`, by which the runner finds the function among the module's exports. */
  readonly value: unknown;
  readonly location: SourceLocation | undefined;
  readonly handler: (...args: never[]) => unknown;
  readonly setupFunction: (() => unknown) | undefined;
  /** Serves the function until the signal is aborted. */
  serve(options: ServingOptions): Promise<void>;
}

/** The schemas of a served function. */
export interface ServedSchemas {
  readonly input?: SchemaObject;
  readonly output?: SchemaObject;
  readonly stream?: boolean;
}

/** Options of the server of a served function. */
export interface ServingOptions {
  /** Used for a function that was not defined with `serve: true`; others have their own. */
  readonly schemas: ServedSchemas;
  /** Maximum duration of a request, in ms; undefined for no limit. */
  readonly timeoutMs: number | undefined;
  /** The operation's name in the OpenAPI document if the handler has none. */
  readonly name: string;
  /** The address to listen on. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** 0 for any free port, false for no metrics. */
  readonly metricsPort: number | false;
  readonly signal: AbortSignal;
  /** Called once the port is open. */
  onListening(url: string): void;
}

const SLOT: unique symbol = Symbol.for("servable.guest");
const slots = globalThis as { [SLOT]?: FunctionRuntime };

/** The runtime of this process; undefined in a program that only calls functions. */
export function currentRuntime(): FunctionRuntime | undefined {
  return slots[SLOT];
}

/** Makes this process run functions: {@link currentRuntime} returns the given runtime from now on. */
export function installRuntime(runtime: FunctionRuntime): void {
  slots[SLOT] = runtime;
}

/** The call that a handler runs for. */
export interface RunContext {
  /**
   * Aborted when the caller cancels or the time limit is reached. A run that does not end within one second after that
   * is ended together with its process.
   */
  readonly signal: AbortSignal;
}

const NEVER_ABORTED = new AbortController().signal;

/**
 * The run that an isolated function's handler is called for. Call it at the start of the handler: a worker process
 * serves one run after the other. Outside a worker, where nothing can cancel, its signal is never aborted.
 */
export function currentRun(): RunContext {
  return { signal: currentRuntime()?.signal ?? NEVER_ABORTED };
}
