import { setImmediate } from "node:timers/promises";
import type { Clock } from "../dispatch/clock.ts";
import type { RealtimeMode } from "../routes/signature.ts";
import { AppException, InputValidationError } from "../errors.ts";
import { type AbortableWait, LEFT } from "./abortable-wait.ts";
import { frameBytes, type InputBuffer, type InputEnd, type WaitingInput } from "./input-buffer.ts";
import { closeItems, iteratorOf } from "../items.ts";
import { timingsMessage } from "./messages.ts";
import { MessagePackError } from "./msgpack.ts";
import type { FrameSink } from "./connection.ts";
import type { RealtimeRoute } from "./route.ts";
import type { SessionContext } from "./session-context.ts";

/** The parts of a session that a mode works with. */
export interface SessionRun {
  readonly route: RealtimeRoute;
  readonly context: SessionContext;
  readonly inputs: InputBuffer;
  readonly sink: FrameSink;
  readonly waiter: AbortableWait;
  readonly clock: Clock;
  /** Reserves memory for the values of a frame. @throws OverloadException if there is not enough */
  readonly admit: (values: number) => void;
}

/** A stream that never waits yields to the event loop after this many items. */
const ITEMS_PER_TURN = 256;

/** Why the loop of a mode ended. If the loop throws, the session fails. */
type End = InputEnd | "finished";

/** The loop of each mode, which turns inputs into outputs. */
export const RUNNERS: Readonly<Record<RealtimeMode, (run: SessionRun) => Promise<End>>> = {
  unary: (run) => (run.route.share === undefined ? runUnary(run) : runShared(run, run.route.share)),
  server_streaming: runServerStreaming,
  client_streaming: runClientStreaming,
  bidi: runBidi,
};

/** Takes inputs, calls the handler and sends the outputs, in order and one call at a time. */
async function runUnary(run: SessionRun): Promise<End> {
  const { route, context, inputs, clock } = run;
  for (;;) {
    const first = inputs.poll() ?? (await inputs.take());
    if (typeof first === "string") return first;
    if (context.signal.aborted) return leftReason(inputs);
    const batch =
      route.isLate === true
        ? await run.waiter.until(takeLateBatch(run, first))
        : route.maxBatchSize === 1
          ? [readInput(run, first)]
          : takeBatch(run, first);
    if (batch === LEFT) return leftReason(inputs);
    const startedAt = clock.now();
    const argument = route.maxBatchSize === 1 ? batch[0] : batch;
    const called = route.call(context, argument);
    const result = isPromiseLike(called) ? await run.waiter.until(called) : called;
    if (result === LEFT) return leftReason(inputs);
    const timing = (clock.now() - startedAt) / 1000;
    const queue = (startedAt - first.arrivedAt) / 1000;
    const outputs = route.maxBatchSize > 1 && Array.isArray(result) ? (result as unknown[]) : [result];
    if (outputs.length !== 1 && outputs.length !== batch.length) {
      throw new TypeError(
        `${route.methodName}() returned ${outputs.length} outputs for ${batch.length} inputs; return one for each`,
      );
    }
    for (const output of outputs) {
      const wait = sendOutput(run, output, timing, queue, batch.length);
      if (wait !== undefined) await wait;
    }
  }
}

/** Submits each input to a batch of several sessions, waits for its result and sends it, in order and one at a time. */
async function runShared(run: SessionRun, share: NonNullable<RealtimeRoute["share"]>): Promise<End> {
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

/** The first input and the queued ones that can join it. An invalid queued input fails the next call, not this one. */
function takeBatch(run: SessionRun, first: WaitingInput): unknown[] {
  const { route, inputs } = run;
  const batch = [readInput(run, first)];
  while (batch.length < route.maxBatchSize) {
    const next = inputs.peek();
    if (next === undefined) break;
    let value: unknown;
    try {
      value = readInput(run, next);
    } catch {
      break;
    }
    if (route.canBatch !== undefined && !route.canBatch(batch[0], value, batch.length)) break;
    inputs.shift();
    batch.push(value);
  }
  return batch;
}

/** Like {@link takeBatch}, for schemas that may validate asynchronously. */
async function takeLateBatch(run: SessionRun, first: WaitingInput): Promise<unknown[]> {
  const { route, inputs } = run;
  const batch = [await readLate(run, first)];
  while (batch.length < route.maxBatchSize) {
    const next = inputs.peek();
    if (next === undefined) break;
    let value: unknown;
    try {
      value = await readLate(run, next);
    } catch {
      break;
    }
    if (inputs.peek() !== next) continue; // dropped meanwhile, for a newer one
    if (route.canBatch !== undefined && !route.canBatch(batch[0], value, batch.length)) break;
    inputs.shift();
    batch.push(value);
  }
  return batch;
}

async function readLate(run: SessionRun, input: WaitingInput): Promise<unknown> {
  return readInput(run, input);
}

/** Takes one input, then sends each item as it comes. */
async function runServerStreaming(run: SessionRun): Promise<End> {
  const { route, context, inputs, waiter } = run;
  const first = await inputs.take();
  if (typeof first === "string") return first;
  inputs.refuse();
  const argument = route.isLate === true ? await waiter.until(readLate(run, first)) : readInput(run, first);
  if (argument === LEFT) return leftReason(inputs);
  return sendItems(run, () => route.call(context, argument));
}

/** Takes inputs until they end, then sends one output. */
async function runClientStreaming(run: SessionRun): Promise<End> {
  const { route, context, inputs, clock } = run;
  const reader = createReader(run);
  const startedAt = clock.now();
  const result = await run.waiter.until(Promise.resolve(route.call(context, reader)));
  if (result === LEFT) return leftReason(inputs);
  await sendOutput(run, result, (clock.now() - startedAt) / 1000, 0, reader.taken);
  return "finished";
}

/** Takes inputs and sends outputs concurrently. */
async function runBidi(run: SessionRun): Promise<End> {
  const { route, context } = run;
  const reader = createReader(run);
  return sendItems(run, () => route.call(context, reader));
}

/** Sends the items of an async iterable, and closes it if it has not ended. */
async function sendItems(run: SessionRun, call: () => unknown): Promise<End> {
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

function readInput(run: SessionRun, input: WaitingInput): unknown {
  return run.route.accept(decode(run, input));
}

function decode({ route, admit }: SessionRun, input: WaitingInput): unknown {
  try {
    return route.codec.decode(input.frame, admit);
  } catch (error) {
    if (error instanceof AppException || error instanceof InputValidationError) throw error;
    const isOurs = error instanceof MessagePackError || error instanceof SyntaxError;
    throw new AppException(`The message can't be read${isOurs ? `: ${error.message}` : ""}`, 400, {
      cause: error,
    });
  }
}

function sendOutput(
  run: SessionRun,
  output: unknown,
  timing: number,
  queue: number,
  batchSize: number,
): Promise<void> | undefined {
  const { route } = run;
  assertMap(route, output);
  const presented = route.present(output);
  if (route.isLate !== true) return sendPresented(run, presented, timing, queue, batchSize);
  return Promise.resolve(presented).then((value) => {
    assertMap(route, value);
    return sendPresented(run, value, timing, queue, batchSize);
  });
}

function sendPresented(
  { route, sink }: SessionRun,
  presented: unknown,
  timing: number,
  queue: number,
  batchSize: number,
): Promise<void> | undefined {
  const wait = sink.send(route.codec.encode(presented));
  if (route.emitTimings) sink.control(timingsMessage(timing, queue, batchSize));
  return wait;
}

/** Why the inputs ended when the session was aborted while a handler ran. */
function leftReason(inputs: InputBuffer): InputEnd {
  return inputs.ended ?? "gone";
}

/** @throws TypeError for an output that is not an object */
function assertMap({ methodName }: RealtimeRoute, output: unknown): void {
  if (isMap(output)) return;
  const got = output === null ? "null" : typeof output;
  throw new TypeError(`${methodName}() must return objects, got ${got}`);
}

function isMap(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
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
