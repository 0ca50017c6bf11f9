import type { RequestContext } from "../context.ts";
import type { FileOptions } from "../routes/file-answer.ts";
import type { ReservedFacts } from "../routes/media-runtime.ts";
import type { TraceCarrier } from "../tracing/tracing.ts";
import type { WireThrown } from "../processes/thrown-codec.ts";

/** The header whose value a handler may change for the caller. */
export const CDN_TOKEN = "x-fal-cdn-token";

/** The parts of a request's context that a worker needs. */
export interface WireContext
  extends
    Pick<RequestContext, "requestId" | "lifecyclePreference" | "headers" | "query" | "params">,
    Partial<Pick<RequestContext, "endpoint" | "caller">> {
  /** Why the request's signal has aborted, where it has. */
  readonly aborted?: WireThrown;
}

/** The first message to a worker: what to load. */
export interface StartMessage {
  readonly type: "start";
  /** `file:` URL of the module that exports the class. */
  readonly moduleUrl: string;
  readonly className: string;
  /** Whether the worker has to register the TypeScript loader. */
  readonly registersTypeScript: boolean;
  /** Log lines below this level stay in the worker. */
  readonly logLevel: string;
}

/** One call of a handler. */
export interface CallMessage {
  readonly type: "call";
  readonly id: number;
  readonly route: string;
  readonly inputs: readonly unknown[] | undefined;
  readonly isBatch: boolean;
  readonly contexts: readonly WireContext[];
  /** The span to continue, if the main process records spans. */
  readonly trace?: TraceCarrier;
  /** Why the signal of the whole call has aborted, where it has. */
  readonly aborted?: WireThrown;
  /** Whether the method yields items. "optional": it may also return a single result. Absent: it does not. */
  readonly stream?: true | "optional";
}

/** Allows the running call to send more items of its stream. */
interface GrantMessage {
  readonly type: "grant";
  readonly id: number;
  readonly count: number;
}

/** A signal of the running call has aborted. */
export interface AbortMessage {
  readonly type: "abort";
  readonly id: number;
  /** The index in `contexts`; absent: the whole call. */
  readonly item?: number;
  readonly reason: WireThrown;
}

/** The answer to an {@link AskMessage}. */
export type ToldMessage = { readonly type: "told"; readonly key: number } & (
  { readonly value: unknown } | { readonly thrown: WireThrown }
);

/** The messages from the main process to a worker. */
export type ToWorker =
  | StartMessage
  | CallMessage
  | AbortMessage
  | GrantMessage
  | ToldMessage
  | { readonly type: "level"; readonly logLevel: string }
  /** Asks for a `pong`. */
  | { readonly type: "ping" }
  /** Asks the worker to finish the running call, run teardown and end. */
  | { readonly type: "stop" };

/** The changes that a handler made to the answer of one request. */
export interface WireEffects {
  /** The index in `contexts`. */
  readonly item: number;
  readonly headers: readonly (readonly [name: string, value: string | readonly string[]])[];
  /** The status of the answer; absent if the handler did not set it. */
  readonly status?: number;
  /** The new `x-fal-cdn-token`; absent if the handler did not change it. */
  readonly cdnToken?: string;
}

/** A result whose class a message would lose: of `file()`, or a `Blob` or `Response` with its bytes. */
export type WireAnswer =
  | { readonly kind: "file"; readonly path: string; readonly options: FileOptions }
  | { readonly kind: "blob"; readonly bytes: Uint8Array; readonly type: string }
  | {
      readonly kind: "response";
      /** Null: it has no body. */
      readonly bytes: Uint8Array | null;
      readonly status: number;
      readonly headers: readonly (readonly [name: string, value: string])[];
      /** The address that it was fetched from; "" for a response of the app's own. */
      readonly url: string;
    };

/** An answer and its index in the result of a batch; without an index, it is the whole result. */
export type PlacedAnswer = readonly [answer: WireAnswer, index?: number];

/** A call has returned a stream, whose items follow. */
interface BeginMessage {
  readonly type: "begin";
  readonly id: number;
}

/** An item of a stream. */
export interface ItemMessage {
  readonly type: "item";
  readonly id: number;
  /** The item, or the data of an event. */
  readonly value: unknown;
  /** The fields of an event; absent for other items. */
  readonly event?: { readonly head: string; readonly text: string | undefined };
  /** With the first item only: later changes have no effect. */
  readonly effects?: readonly WireEffects[];
}

/** A call has ended with a result, or with the end of its stream. */
export interface ResultMessage {
  readonly type: "result";
  readonly id: number;
  readonly value: unknown;
  /** The time of the handler, in milliseconds; absent for batches and streams. */
  readonly ms?: number;
  /** The errors in the result of a batch, with their indexes. At these indexes, `value` has undefined. */
  readonly failures?: readonly (readonly [index: number, error: WireThrown])[];
  /** The files, blobs and responses in the result. In their place, `value` has undefined. */
  readonly answers?: readonly PlacedAnswer[];
  readonly effects?: readonly WireEffects[];
}

/** A call has ended because its handler threw. */
export interface ThrownMessage {
  readonly type: "thrown";
  readonly id: number;
  readonly thrown: WireThrown;
  readonly effects?: readonly WireEffects[];
}

/** Calls that have not been begun, because the call before them takes longer than expected. */
export interface UnbegunMessage {
  readonly type: "unbegun";
  readonly ids: readonly number[];
}

/** A line that the handler logged. */
export interface LogMessage {
  readonly type: "log";
  readonly level: PinoLevel;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly text: string | undefined;
}

/** The levels of log lines. */
export type PinoLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal";

/** Asks for something about a reserved URL, since only the main process has a storage. */
export interface AskMessage {
  readonly type: "ask";
  /** Names the answer. */
  readonly key: number;
  readonly ask:
    | {
        readonly kind: "reserve";
        /** The id of the running call. */
        readonly call: number;
        /** The index in its contexts. */
        readonly item: number;
        readonly facts: ReservedFacts;
      }
    | {
        readonly kind: "complete";
        /** The key of the question that has reserved the URL. */
        readonly reserved: number;
        /** Bytes, or the path of a file. */
        readonly content: Uint8Array | string;
      }
    | { readonly kind: "abort"; readonly reserved: number };
}

/** The messages from a worker to the main process. */
export type FromWorker =
  | { readonly type: "ready" }
  /** The worker could not be set up. */
  | { readonly type: "failed"; readonly thrown: WireThrown }
  | BeginMessage
  | ItemMessage
  | ResultMessage
  | ThrownMessage
  | UnbegunMessage
  | LogMessage
  | AskMessage
  /** The answer to a ping. */
  | { readonly type: "pong" }
  /** The worker has run teardown and ends now. */
  | { readonly type: "stopped" };
