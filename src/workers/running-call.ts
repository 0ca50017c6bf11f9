import type { TraceCarrier } from "../tracing/tracing.ts";
import type { RequestContext } from "../context.ts";
import { StreamEvent } from "../routes/stream-event.ts";
import {
  CDN_TOKEN,
  type CallMessage,
  type ItemMessage,
  type ResultMessage,
  type ThrownMessage,
  type ToWorker,
  type WireContext,
  type WireEffects,
  type PlacedAnswer,
} from "./protocol.ts";
import { answerOf } from "./wire-answers.ts";
import { describeUncloneable, isCloneable } from "../processes/cloning.ts";
import { RemoteItems } from "./remote-items.ts";
import { decodeThrown, encodeThrown } from "../processes/thrown-codec.ts";

/** One call of a handler in a worker. */
export interface PoolCall {
  /** The route, as the result of `describeRoute()`. */
  readonly route: string;
  /** A list of one input or, for a batch, of all inputs; undefined if the method takes no input. */
  readonly inputs: readonly unknown[] | undefined;
  readonly batched: boolean;
  /** One context for each input of a batch; a single one for a call that is not a batch. */
  readonly contexts: readonly RequestContext[];
  /** The span to continue in the worker. */
  readonly trace?: TraceCarrier | undefined;
  /** Aborts the whole call. */
  readonly signal?: AbortSignal;
  /**
   * Sets a callback for the abort of the whole call, including its only context's: cheaper than the signals, which are
   * not used then.
   */
  readonly onAbort?: (listener: (reason: unknown) => void) => void;
  /** Called with the time of the handler, in milliseconds. */
  readonly onTime?: (ms: number) => void;
  /** Deadline of the answer, on the pool's clock. Default: none. */
  readonly finishBy?: number;
  /** For a method that yields items; absent for other methods. */
  readonly stream?: StreamOptions;
}

/** Options of a call whose result is a stream. */
interface StreamOptions {
  /** Whether the method always yields items. "optional": it may also return a single result. */
  readonly kind: true | "optional";
  /** The deadline of an item that is waited for from now on, on the pool's clock; Infinity for no limit. */
  deadline(): number;
  /** Called once the worker is free again. */
  onEnd(): void;
}

/** The reason why a call is returned that its worker has not begun. */
export const NOT_BEGUN: unique symbol = Symbol("not begun");

/**
 * A call that was sent to a worker and is not answered yet. Its promise resolves to the result; for a stream, this is a
 * {@link RemoteItems}.
 */
export class WorkerCall {
  readonly promise: Promise<unknown>;
  readonly message: CallMessage;
  readonly #call: PoolCall;
  readonly #tell: (message: ToWorker) => void;
  readonly #listeners: (readonly [AbortSignal, () => void])[] = [];
  #items: RemoteItems | undefined;
  #hasEnded = false;
  #resolve!: (value: unknown) => void;
  #reject!: (error: unknown) => void;

  constructor(id: number, call: PoolCall, tell: (message: ToWorker) => void) {
    this.#call = call;
    this.#tell = tell;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { route, inputs, batched, contexts, trace, signal, stream } = call;
    this.message = {
      type: "call",
      id,
      route,
      inputs,
      isBatch: batched,
      contexts: contexts.map((context) => wireContext(context, call.onAbort === undefined)),
      ...(trace === undefined ? {} : { trace }),
      ...(signal?.aborted === true ? { aborted: encodeThrown(signal.reason) } : {}),
      ...(stream === undefined ? {} : { stream: stream.kind }),
    };
  }

  get route(): string {
    return this.#call.route;
  }

  get contexts(): readonly RequestContext[] {
    return this.#call.contexts;
  }

  /** Deadline of the answer, on the pool's clock; Infinity for no limit. */
  get finishBy(): number {
    return this.#items?.finishBy ?? this.#call.finishBy ?? Infinity;
  }

  /** Forwards aborts to the worker from now on, until the call ends. */
  watch(): void {
    const { contexts, signal, onAbort } = this.#call;
    if (onAbort !== undefined) return onAbort((reason) => this.#abort(reason, undefined));
    if (signal !== undefined) this.#listen(signal, undefined);
    for (const [item, context] of contexts.entries()) {
      if (context.signal !== signal) this.#listen(context.signal, item);
    }
  }

  /** The method has returned a stream. */
  begin(): void {
    const { stream } = this.#call;
    const { id } = this.message;
    this.#items = new RemoteItems({
      grant: (count) => this.#tell({ type: "grant", id, count }),
      deadline: () => stream?.deadline() ?? Infinity,
    });
    this.#resolve(this.#items);
  }

  /** Passes on an item of the stream. */
  receive({ value, event, effects }: ItemMessage): void {
    for (const each of effects ?? []) applyEffects(this.#call, each);
    this.#items?.push(event === undefined ? value : new StreamEvent(event.head, value, event.text));
  }

  /** Ends the call with the worker's answer. */
  finish(message: ResultMessage | ThrownMessage): void {
    this.#ignore();
    for (const effects of message.effects ?? []) applyEffects(this.#call, effects);
    this.#call.stream?.onEnd();
    if (this.#items !== undefined) {
      if (message.type === "thrown") this.#items.fail(decodeThrown(message.thrown));
      else this.#items.end();
      return;
    }
    if (message.type === "result" && message.ms !== undefined) this.#call.onTime?.(message.ms);
    if (message.type === "thrown") {
      this.#reject(decodeThrown(message.thrown));
      return;
    }
    for (const [index, error] of message.failures ?? []) {
      (message.value as unknown[])[index] = decodeThrown(error);
    }
    this.#resolve(withAnswers(message.value, message.answers ?? []));
  }

  /** Ends the call because its message could not be sent. */
  refuse(error: unknown): void {
    this.#reject(refusalOf(this.route, error));
  }

  /** Ends the call without an answer. */
  fail(error: unknown): void {
    this.#ignore();
    this.#call.stream?.onEnd();
    if (this.#items === undefined) this.#reject(error);
    else this.#items.fail(error);
  }

  #listen(signal: AbortSignal, item: number | undefined): void {
    if (signal.aborted) return;
    const listener = (): void => this.#abort(signal.reason, item);
    signal.addEventListener("abort", listener, { once: true });
    this.#listeners.push([signal, listener]);
  }

  #abort(reason: unknown, item: number | undefined): void {
    if (this.#hasEnded) return;
    const { id } = this.message;
    this.#tell({ type: "abort", id, ...(item === undefined ? {} : { item }), reason: encodeThrown(reason) });
  }

  #ignore(): void {
    this.#hasEnded = true;
    for (const [signal, listener] of this.#listeners) signal.removeEventListener("abort", listener);
  }
}

/** The result of `authenticate()` can't be sent to another process. */
class UnsendableCaller extends TypeError {}

/** The error of a call whose message can't be made or sent. */
export function refusalOf(route: string, error: unknown): TypeError {
  if (error instanceof UnsendableCaller) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new TypeError(`The input of ${route} can't be sent to a worker: ${why}`, { cause: error });
}

function wireContext(context: RequestContext, withAbort: boolean): WireContext {
  const { requestId, endpoint, lifecyclePreference, headers, query, params, caller } = context;
  if (!isCloneable(caller)) {
    throw new UnsendableCaller(
      `authenticate() returned a caller that can't be sent to a worker: ${describeUncloneable(caller)}. Return plain data.`,
    );
  }
  const wire: WireContext = {
    requestId,
    ...(endpoint === undefined ? {} : { endpoint }), // a field that is undefined would keep the message from being JSON
    lifecyclePreference,
    headers,
    query,
    params,
    ...(caller === undefined ? {} : { caller }),
  };
  if (!withAbort) return wire; // reading the signal would create it
  const { signal } = context;
  return signal.aborted ? { ...wire, aborted: encodeThrown(signal.reason) } : wire;
}

/** A worker's result with its files, blobs and responses. */
function withAnswers(value: unknown, answers: readonly PlacedAnswer[]): unknown {
  let result = value;
  for (const [wire, index] of answers) {
    const answer = answerOf(wire);
    if (index === undefined) result = answer;
    else (result as unknown[])[index] = answer;
  }
  return result;
}

/** Applies the handler's changes to the context in this process. */
function applyEffects({ contexts }: PoolCall, { item, headers, cdnToken, status }: WireEffects): void {
  const context = contexts[item];
  if (context === undefined) return;
  if (cdnToken !== undefined) context.headers[CDN_TOKEN] = cdnToken;
  try {
    if (status !== undefined) context.status(status);
    for (const [name, value] of headers) context.setHeader(name, value);
  } catch (error) {
    context.log.warn({ err: error }, "a header or status that a handler set in its worker could not be set");
  }
}
