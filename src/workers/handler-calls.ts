import { runInScope, type BatchContext } from "../context.ts";
import { describeUncloneable, isCloneable } from "../processes/cloning.ts";
import { CLONE_FORM, sendable } from "../json/sendable.ts";
import { isStreamOfItems, iteratorOf } from "../items.ts";
import { isStreamEvent } from "../routes/stream-event.ts";
import { currentTracing } from "../tracing/tracing.ts";
import type { ForwardingLog } from "./forwarding-log.ts";
import type { HostedServable } from "./hosted-servable.ts";
import type { AbortMessage, CallMessage, FromWorker, PlacedAnswer, WireEffects } from "./protocol.ts";
import { wireAnswer } from "./wire-answers.ts";
import { ItemSender } from "./item-sender.ts";
import { LazySignal, RemoteContext } from "./remote-context.ts";
import { RemoteReservations } from "./remote-reservations.ts";
import { encodeThrown, isError, type WireThrown } from "../processes/thrown-codec.ts";

type Failures = (readonly [index: number, error: WireThrown])[];

interface Running {
  readonly id: number;
  readonly signal: LazySignal;
  readonly contexts: readonly RemoteContext[];
  readonly isBatch: boolean;
  /** Of a stream: what sends its items; undefined until the method has returned them. */
  sender: ItemSender | undefined;
}

/** The context of a batch. A class for the same reason as that of a batch in the server's process. */
class RemoteBatchContext implements BatchContext {
  readonly requests: readonly RemoteContext[];
  readonly #signal: LazySignal;
  readonly #log: ForwardingLog;

  constructor(requests: readonly RemoteContext[], signal: LazySignal, log: ForwardingLog) {
    this.requests = requests;
    this.#signal = signal;
    this.#log = log;
  }

  get signal(): AbortSignal {
    return this.#signal.signal;
  }

  get log(): BatchContext["log"] {
    return this.#log.logger;
  }
}

/** Runs the handlers of a worker's servable on request of the main process, one call at a time. */
export class HandlerCalls {
  readonly servable: HostedServable;
  readonly reservations: RemoteReservations;
  readonly #log: ForwardingLog;
  readonly #send: (message: FromWorker) => unknown;
  /** From the begin of a call until none waits: a call that arrives between two calls waits as well. */
  #isBusy = false;
  #running: Running | undefined;
  /** Calls that arrived during a call. */
  #waiting: CallMessage[] = [];
  #onIdle: (() => void) | undefined;
  #count = 0;

  constructor(servable: HostedServable, log: ForwardingLog, send: (message: FromWorker) => unknown) {
    this.servable = servable;
    this.#log = log;
    this.#send = send;
    this.reservations = new RemoteReservations(send);
  }

  /** Number of calls so far. */
  get count(): number {
    return this.#count;
  }

  get isRunning(): boolean {
    return this.#isBusy;
  }

  /**
   * Calls the handler and sends its result or error to the main process. Calls that arrive meanwhile wait for the end
   * of the call; if it does not end in this turn of the event loop, they are returned. Never rejects.
   */
  async run(call: CallMessage): Promise<void> {
    if (this.#isBusy) {
      if (this.#waiting.push(call) === 1) setImmediate(() => this.#returnWaiting());
      return;
    }
    this.#isBusy = true;
    for (let next: CallMessage | undefined = call; next !== undefined; next = this.#waiting.shift()) {
      await this.#run(next);
    }
    this.#isBusy = false;
    this.#onIdle?.();
  }

  #returnWaiting(): void {
    if (this.#waiting.length === 0) return;
    this.#send({ type: "unbegun", ids: this.#waiting.map(({ id }) => id) });
    this.#waiting = [];
  }

  async #run(call: CallMessage): Promise<void> {
    const { id, isBatch } = call;
    this.#count++;
    const contexts = call.contexts.map((context) => new RemoteContext(context, () => this.#log.logger));
    const running: Running = {
      id,
      signal: new LazySignal(call.aborted),
      contexts,
      isBatch,
      sender: undefined,
    };
    this.#running = running;
    // A handler of a single request has only one signal, which aborts with the request and with the call.
    if (!isBatch && call.aborted !== undefined) contexts[0]?.abort(call.aborted);
    const startedAt = performance.now();
    try {
      const value = await this.#call(call, running);
      if (call.stream === true || (call.stream === "optional" && isStreamOfItems(value)))
        await this.#stream(call, value, running);
      else await this.#answer(call, value, running, performance.now() - startedAt);
    } catch (error) {
      this.#send({ type: "thrown", id, thrown: encodeThrown(error), ...effectsOf(contexts) });
    }
    this.#running = undefined;
  }

  /** Aborts the running call, or one request of its batch. No effect if the call has ended meanwhile. */
  abort({ id, item, reason }: AbortMessage): void {
    const running = this.#running;
    const waiting = this.#waiting.findIndex((call) => call.id === id);
    if (waiting !== -1)
      this.#waiting[waiting] = { ...(this.#waiting[waiting] as CallMessage), aborted: reason };
    if (running?.id !== id) return;
    if (!running.isBatch) {
      running.contexts[0]?.abort(reason);
      running.sender?.close();
    } else if (item === undefined) running.signal.abort(reason);
    else running.contexts[item]?.abort(reason);
  }

  /** Allows the running call to send more items. */
  grant(id: number, count: number): void {
    if (this.#running?.id === id) this.#running.sender?.grant(count);
  }

  /** Resolves when no call is running. */
  async idle(): Promise<void> {
    if (!this.#isBusy) return;
    await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  #call(call: CallMessage, { contexts, signal }: Running): unknown {
    const { handler, methodName, hasFiles } = this.servable.route(call.route);
    if (hasFiles) {
      for (const [item, context] of contexts.entries()) context.files = this.reservations.of(call.id, item);
    }
    const span = call.trace && currentTracing()?.start(`${methodName}()`, call.trace);
    const run = (): unknown =>
      runInScope(call.isBatch ? undefined : contexts[0], this.servable.instance, () => {
        if (call.isBatch) return handler(call.inputs, new RemoteBatchContext(contexts, signal, this.#log));
        return call.inputs === undefined ? handler(contexts[0]) : handler(call.inputs[0], contexts[0]);
      });
    return span === undefined ? run() : span.around(run);
  }

  /** Sends the items of a stream, and then its end. */
  async #stream(call: CallMessage, value: unknown, running: Running): Promise<void> {
    const { id } = call;
    const { methodName } = this.servable.route(call.route);
    const [context] = running.contexts;
    const items = iteratorOf(value, methodName);
    const sender = new ItemSender(items, () => this.#log.logger);
    running.sender = sender;
    this.#send({ type: "begin", id });
    if (context?.signal.aborted === true) sender.close();
    let effects: ReturnType<typeof effectsOf> | undefined;
    await sender.run(
      (from) => runInScope(context, this.servable.instance, () => from.next()),
      (item) => {
        const isFirst = effects === undefined;
        effects ??= effectsOf(running.contexts);
        if (isFirst) context?.sendHead();
        const { head, data, text } = isStreamEvent(item)
          ? item
          : { head: undefined, data: item, text: undefined };
        const event = head === undefined ? {} : { event: { head, text } };
        try {
          const plain = sendable(data, CLONE_FORM);
          this.#send({ type: "item", id, value: plain, ...event, ...(isFirst ? effects : {}) });
        } catch (error) {
          throw this.#refusal(call, data, error);
        }
      },
    );
    this.#send({
      type: "result",
      id,
      value: undefined,
      ...(effects === undefined ? effectsOf(running.contexts) : {}),
    });
  }

  async #answer(call: CallMessage, result: unknown, running: Running, tookMs: number): Promise<void> {
    const { id } = call;
    const { contexts } = running;
    const failures: Failures = [];
    const isList = call.isBatch && Array.isArray(result);
    const answers: PlacedAnswer[] = [];
    const signal = (): AbortSignal =>
      (call.isBatch ? running.signal : (contexts[0] ?? running.signal)).signal;
    let value: unknown;
    if (isList) value = await withoutAnswers(withoutErrors(result, failures), { answers, failures, signal });
    else {
      const wire = wireAnswer(result, signal);
      if (wire === undefined) value = result;
      else answers.push([wire instanceof Promise ? await wire : wire]);
    }
    const carried = answers.length === 0 ? {} : { answers };
    try {
      // Calls each toJSON() here, because objects lose their class, and with it this method, when they are sent.
      const plain = sendable(value, CLONE_FORM);
      if (!isList) {
        const ms = Math.round(tookMs * 1000) / 1000;
        this.#send({ type: "result", id, value: plain, ms, ...carried, ...effectsOf(contexts) });
      } else this.#send({ type: "result", id, value: plain, failures, ...carried, ...effectsOf(contexts) });
    } catch (error) {
      if (!isList) throw this.#refusal(call, value, error);
      // Only the results that can't be sent fail; the others are sent.
      const sent = (value as unknown[]).map((item, index) => {
        try {
          const own = sendable(item, CLONE_FORM);
          if (isCloneable(own)) return own;
        } catch {
          // a getter or a toJSON() threw: refused like a value that can't be cloned
        }
        failures.push([index, encodeThrown(this.#refusal(call, item, error))]);
        return undefined;
      });
      this.#send({ type: "result", id, value: sent, failures, ...carried, ...effectsOf(contexts) });
    }
  }

  #refusal(call: CallMessage, value: unknown, cause: unknown): TypeError {
    const { methodName } = this.servable.route(call.route);
    const name = `${this.servable.instance.constructor.name}.${methodName}()`;
    return new TypeError(
      `${name} returned what can't be sent from its worker: ${describeUncloneable(value)}. ` +
        "Return plain data: no functions, streams or promises inside of it.",
      { cause },
    );
  }
}

/** The results without files, blobs and responses, which are moved to `answers`. Unreadable ones are failures. */
async function withoutAnswers(
  results: readonly unknown[],
  { answers, failures, signal }: { answers: PlacedAnswer[]; failures: Failures; signal: () => AbortSignal },
): Promise<readonly unknown[]> {
  const wires = results.map((result) => wireAnswer(result, signal));
  if (wires.every((wire) => wire === undefined)) return results;
  const settled = await Promise.allSettled(wires);
  return results.map((result, index) => {
    const wire = settled[index];
    if (wire?.status === "rejected") failures.push([index, encodeThrown(wire.reason)]);
    else if (wire?.value === undefined) return result;
    else answers.push([wire.value, index]);
    return undefined;
  });
}

/** The results without errors, which are moved to `failures`. */
function withoutErrors(results: readonly unknown[], failures: Failures): readonly unknown[] {
  for (const [index, result] of results.entries()) {
    if (isError(result)) failures.push([index, encodeThrown(result)]);
  }
  if (failures.length === 0) return results;
  const indexes = new Set(failures.map(([index]) => index));
  return results.map((result, index) => (indexes.has(index) ? undefined : result));
}

function effectsOf(contexts: readonly RemoteContext[]): { readonly effects?: readonly WireEffects[] } {
  let effects: WireEffects[] | undefined;
  for (const [item, context] of contexts.entries()) {
    const changed = context.effects(item);
    if (changed !== undefined) (effects ??= []).push(changed);
  }
  return effects === undefined ? {} : { effects };
}
