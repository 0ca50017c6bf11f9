import { setImmediate } from "node:timers/promises";
import type { RealtimeMode } from "../routes/signature.ts";
import { closeItems, iteratorOf } from "../items.ts";
import { LEFT } from "./abortable-wait.ts";
import { frameBytes, type InputBuffer, type WaitingInput } from "./input-buffer.ts";
import type { RealtimeRoute } from "./route.ts";
import { leftReason, readInput, readLate, sendOutput, type RunEnd, type SessionRun } from "./session-run.ts";
import { runUnary } from "./unary-turns.ts";

/** A stream that never waits yields to the event loop after this many items. */
const ITEMS_PER_TURN = 256;

/** The loop of each mode, which turns inputs into outputs. */
export const RUNNERS: Readonly<Record<RealtimeMode, (run: SessionRun) => Promise<RunEnd>>> = {
  unary: (run) => (run.route.share === undefined ? runUnary(run) : runShared(run, run.route.share)),
  server_streaming: runServerStreaming,
  client_streaming: runClientStreaming,
  bidi: runBidi,
};

/** Submits each input to a batch of several sessions, waits for its result and sends it, in order and one at a time. */
async function runShared(run: SessionRun, share: NonNullable<RealtimeRoute["share"]>): Promise<RunEnd> {
  const { route, context, inputs } = run;
  for (;;) {
    const next = inputs.poll() ?? (await inputs.take());
    if (typeof next === "string") return next;
    if (context.signal.aborted) return leftReason(inputs);
    const input = route.isLate === true ? await run.waiter.until(readLate(run, next)) : readInput(run, next);
    if (input === LEFT) return leftReason(inputs);
    const job = share(context, input, frameBytes(next.frame));
    const result = await run.waiter.until(job.answer);
    if (result === LEFT || job.run === undefined) return leftReason(inputs);
    const { startedAt, endedAt, size } = job.run;
    const wait = sendOutput(
      run,
      result,
      (endedAt - startedAt) / 1000,
      (startedAt - next.arrivedAt) / 1000,
      size,
    );
    if (wait !== undefined) await wait;
  }
}

/** Takes one input, then sends each item as it comes. */
async function runServerStreaming(run: SessionRun): Promise<RunEnd> {
  const { route, context, inputs, waiter } = run;
  const first = await inputs.take();
  if (typeof first === "string") return first;
  inputs.refuse();
  const argument = route.isLate === true ? await waiter.until(readLate(run, first)) : readInput(run, first);
  if (argument === LEFT) return leftReason(inputs);
  return sendItems(run, () => route.call(context, argument));
}

/** Takes inputs until they end, then sends one output. */
async function runClientStreaming(run: SessionRun): Promise<RunEnd> {
  const { route, context, inputs, clock } = run;
  const reader = createReader(run);
  const startedAt = clock.now();
  const result = await run.waiter.until(Promise.resolve(route.call(context, reader)));
  if (result === LEFT) return leftReason(inputs);
  await sendOutput(run, result, (clock.now() - startedAt) / 1000, 0, reader.taken);
  return "finished";
}

/** Takes inputs and sends outputs concurrently. */
async function runBidi(run: SessionRun): Promise<RunEnd> {
  const { route, context } = run;
  const reader = createReader(run);
  return sendItems(run, () => route.call(context, reader));
}

/** Sends the items of an async iterable, and closes it if it has not ended. */
async function sendItems(run: SessionRun, call: () => unknown): Promise<RunEnd> {
  const { route, context, inputs, waiter, clock } = run;
  const called = await waiter.until(Promise.resolve(call()));
  if (called === LEFT) return leftReason(inputs);
  const items = iteratorOf(called, route.methodName);
  let finished = false;
  try {
    for (let count = 1; ; count++) {
      const startedAt = clock.now();
      const next = await waiter.until(Promise.resolve(route.within(context, () => items.next())));
      if (next === LEFT) return leftReason(inputs);
      if (next.done === true) {
        finished = true;
        return "finished";
      }
      const wait = sendOutput(run, next.value, (clock.now() - startedAt) / 1000, 0, 1);
      if (wait !== undefined) await wait;
      else if (count % ITEMS_PER_TURN === 0) await setImmediate();
    }
  } finally {
    if (!finished) void closeItems(items, context.log);
  }
}

function createReader(run: SessionRun): InputReader {
  const { inputs, waiter } = run;
  return new InputReader(
    inputs,
    (input) => (run.route.isLate === true ? readLate(run, input) : readInput(run, input)),
    (error) => waiter.fail(error),
  );
}

/** The inputs of a session as an async iterable for a streaming handler. */
class InputReader implements AsyncIterable<unknown> {
  readonly #inputs: InputBuffer;
  readonly #read: (input: WaitingInput) => unknown;
  readonly #onFailed: (error: unknown) => void;
  #taken = 0;

  /** @param onFailed called for an invalid input, which ends the session even if the handler catches the error */
  constructor(
    inputs: InputBuffer,
    read: (input: WaitingInput) => unknown,
    onFailed: (error: unknown) => void,
  ) {
    this.#inputs = inputs;
    this.#read = read;
    this.#onFailed = onFailed;
  }

  /** Number of inputs read. */
  get taken(): number {
    return this.#taken;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void, void> {
    for (;;) {
      const input = this.#inputs.poll() ?? (await this.#inputs.take());
      if (typeof input === "string") return;
      let value: unknown;
      try {
        value = this.#read(input);
        if (value instanceof Promise) value = await value;
      } catch (error) {
        this.#onFailed(error);
        throw error;
      }
      this.#taken++;
      yield value;
    }
  }
}
