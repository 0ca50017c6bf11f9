import type { SchemaObject } from "../routes/handler-types.ts";
import type { Place } from "./place.ts";

/**
 * The process that runs an isolated function is a guest of its host: it has loaded the function's bundle, and what the
 * bundle's copy of this package defines is meant to be run here, not sent elsewhere.
 */
export interface Guest {
  /** `file:` URL of the bundle. */
  readonly bundleUrl: string;
  /** `file:` URL that the bundle's entry module had where it was bundled. */
  readonly moduleUrl: string;
  /** The bundle is being evaluated. A call of an isolated function then is the main program's, not the handler's. */
  readonly isLoading: boolean;
  /** A function was defined. */
  define(definition: Definition): void;
  /** The evaluation of the bundle will not go on: it waits for an isolated function. */
  stall(): void;
  /** Tells the running handler that its caller has gone. */
  readonly signal: AbortSignal | undefined;
}

/** What `fn()` was given, as the process that runs the function needs it. */
export interface Definition {
  /** What `fn()` returned, to be found among the module's exports. */
  readonly value: unknown;
  readonly place: Place | undefined;
  readonly handler: (...args: never[]) => unknown;
  readonly setupFunction: (() => unknown) | undefined;
  /** Serves the function until told to stop. */
  serve(options: ServeFunctionOptions): Promise<void>;
}

/** What a served function is held to. */
export interface ServedSchemas {
  readonly input?: SchemaObject;
  readonly output?: SchemaObject;
  readonly stream?: boolean;
}

/** How a served function is served. */
export interface ServeFunctionOptions {
  /** The schemas of one that is served only where it was moved to; others have their own. */
  readonly schemas: ServedSchemas;
  /** How long a request may take, in milliseconds; undefined for as long as it takes. */
  readonly timeoutMs: number | undefined;
  /** The operation's name in the document, where the handler has none. */
  readonly name: string;
  /** The address to listen on. */
  readonly host: string;
  /** 0 takes any. */
  readonly port: number;
  /** 0 takes any, false serves none. */
  readonly metricsPort: number | false;
  readonly signal: AbortSignal;
  /** Told once the port is open. */
  onListening(url: string): void;
}

const SLOT: unique symbol = Symbol.for("servable.guest");
const slots = globalThis as { [SLOT]?: Guest };

/** The guest that this process is; undefined in a program of the user's own. */
export function currentGuest(): Guest | undefined {
  return slots[SLOT];
}

/** Makes this process a guest. */
export function becomeGuest(guest: Guest): void {
  slots[SLOT] = guest;
}
