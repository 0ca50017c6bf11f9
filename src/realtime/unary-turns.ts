import { AsyncResource } from "node:async_hooks";
import { LEFT } from "./abortable-wait.ts";
import type { WaitingInput } from "./input-buffer.ts";
import { leftReason, readInput, readLate, sendOutput, type RunEnd, type SessionRun } from "./session-run.ts";

/**
 * Takes inputs, calls the handler and sends the outputs, in order and one call at a time.
 *
 * A loop of awaits would be shorter. Its promises and closures cost a short handler as much as the validation of its
 * input and output: here, an input costs one promise until its turn, and one for the handler's.
 */
export function runUnary(run: SessionRun): Promise<RunEnd> {
  return new Promise((resolve, reject) => new UnaryTurns(run, resolve, reject).start());
}

/** An input's turn comes after all inputs of the same packet have arrived, since they may form a batch. */
const AFTER_PACKET = Promise.resolve();

class UnaryTurns {
  readonly #run: SessionRun;
  readonly #resolve: (end: RunEnd) => void;
  readonly #reject: (error: unknown) => void;
  /** The asynchronous context of the upgrade, which an app's hooks may have set. The handler runs in it. */
  readonly #scope = new AsyncResource("servable.session");
  readonly #isTimed: boolean;
  #isOver = false;
  #isCalling = false;
  // The call that runs or ran last:
  #arrivedAt = 0;
  #startedAt = 0;
  #endedAt = 0;
  #size = 1;

  constructor(run: SessionRun, resolve: (end: RunEnd) => void, reject: (error: unknown) => void) {
    this.#run = run;
    this.#isTimed = run.route.emitTimings;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(): void {
    const { context, inputs } = this.#run;
    const onAbort = (): void => {
      if (this.#isCalling) this.#finish(leftReason(inputs));
    };
    context.signal.addEventListener("abort", onAbort, { once: true });
    this.#turns();
  }

  /** Handles inputs until one takes time. */
  readonly #turns = (): void => {
    try {
      while (this.#turn());
    } catch (error) {
      this.#fail(error);
    }
  };

  /** Handles the next input. Returns whether it is done. */
  #turn(): boolean {
    if (this.#isOver) return false;
    const { route, context, inputs, waiter } = this.#run;
    const first = inputs.poll();
    if (first === undefined) {
      inputs.onChange(this.#wake);
      return false;
    }
    if (typeof first === "string") return this.#finish(first);
    if (context.signal.aborted) return this.#finish(leftReason(inputs));
    this.#arrivedAt = first.arrivedAt;
    if (route.isLate === true) {
      waiter.until(takeLateBatch(this.#run, first)).then(this.#onLateBatch, this.#fail);
      return false;
    }
    if (route.maxBatchSize === 1) return this.#call(readInput(this.#run, first), 1);
    const batch = takeBatch(this.#run, first);
    return this.#call(batch, batch.length);
  }

  readonly #onLateBatch = (batch: unknown[] | typeof LEFT): void => {
    const { route, inputs } = this.#run;
    try {
      if (batch === LEFT) this.#finish(leftReason(inputs));
      else if (this.#call(route.maxBatchSize === 1 ? batch[0] : batch, batch.length)) this.#turns();
    } catch (error) {
      this.#fail(error);
    }
  };

  #call(argument: unknown, size: number): boolean {
    const { route, context, clock } = this.#run;
    this.#size = size;
    if (this.#isTimed) this.#startedAt = clock.now();
    this.#isCalling = true;
    const called = route.call(context, argument);
    if (!isPromiseLike(called)) return this.#answer(called);
    Promise.resolve(called).then(this.#onResult, this.#fail);
    return false;
  }

  readonly #onResult = (result: unknown): void => {
    try {
      if (this.#answer(result)) this.#turns();
    } catch (error) {
      this.#fail(error);
    }
  };

  /** Sends the result of a call. Returns whether the next input may follow at once. */
  #answer(result: unknown): boolean {
    this.#isCalling = false;
    if (this.#isOver) return false; // aborted meanwhile
    const { route, clock, inputs } = this.#run;
    if (this.#isTimed) this.#endedAt = clock.now();
    if (route.maxBatchSize > 1 && Array.isArray(result)) {
      this.#sendEach(result as unknown[]).then(this.#turns, this.#fail);
      return false;
    }
    const wait = this.#send(result, inputs.length === 0);
    if (wait === undefined) return true;
    wait.then(this.#turns, this.#fail);
    return false;
  }

  async #sendEach(outputs: readonly unknown[]): Promise<void> {
    const { methodName } = this.#run.route;
    if (outputs.length !== 1 && outputs.length !== this.#size) {
      throw new TypeError(
        `${methodName}() returned ${outputs.length} outputs for ${this.#size} inputs; return one for each`,
      );
    }
    for (const output of outputs) {
      const wait = this.#send(output, false);
      if (wait !== undefined) await wait;
    }
  }

  #send(output: unknown, isLast: boolean): Promise<void> | undefined {
    const timing = (this.#endedAt - this.#startedAt) / 1000;
    const queue = (this.#startedAt - this.#arrivedAt) / 1000;
    return sendOutput(this.#run, output, timing, queue, this.#size, isLast);
  }

  readonly #wake = (): void => void AFTER_PACKET.then(this.#resume);

  readonly #resume = (): void => this.#scope.runInAsyncScope(this.#turns);

  /** Returns false, so that no other turn follows. */
  #finish(end: RunEnd): false {
    this.#isOver = true;
    this.#resolve(end);
    return false;
  }

  readonly #fail = (error: unknown): void => {
    this.#isOver = true;
    this.#reject(error);
  };
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

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
