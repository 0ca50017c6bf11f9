import type { Clock } from "../dispatch/clock.ts";
import { AppException, InputValidationError } from "../errors.ts";
import type { AbortableWait } from "./abortable-wait.ts";
import type { FrameSink } from "./connection.ts";
import type { InputBuffer, InputEnd, WaitingInput } from "./input-buffer.ts";
import { timingsMessage } from "./messages.ts";
import { MessagePackError } from "./msgpack.ts";
import type { RealtimeRoute } from "./route.ts";
import type { SessionContext } from "./session-context.ts";

/** Why the loop of a mode ended. If the loop throws, the session fails. */
export type RunEnd = InputEnd | "finished";

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

/** Decodes and validates an input. @throws AppException or InputValidationError, or what the validation throws */
export function readInput(run: SessionRun, input: WaitingInput): unknown {
  return run.route.accept(decode(run, input), run.context);
}

/** Like {@link readInput}, for schemas that may validate asynchronously. */
export async function readLate(run: SessionRun, input: WaitingInput): Promise<unknown> {
  return readInput(run, input);
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

/**
 * Checks, encodes and sends an output, with its timings if the route sends them.
 * @param isLast whether no other output is expected in this turn. Default false
 * @returns a promise to wait for before the next output; undefined if there is nothing to wait for
 */
export function sendOutput(
  run: SessionRun,
  output: unknown,
  timing: number,
  queue: number,
  batchSize: number,
  isLast = false,
): Promise<void> | undefined {
  const { route } = run;
  assertMap(route, output);
  const presented = route.present(output, run.context);
  if (route.isLate !== true) return sendPresented(run, presented, timing, queue, batchSize, isLast);
  return Promise.resolve(presented).then((value) => {
    assertMap(route, value);
    return sendPresented(run, value, timing, queue, batchSize, isLast);
  });
}

function sendPresented(
  { route, sink }: SessionRun,
  presented: unknown,
  timing: number,
  queue: number,
  batchSize: number,
  isLast: boolean,
): Promise<void> | undefined {
  const { emitTimings } = route;
  const wait = sink.send(route.codec.encode(presented), isLast && !emitTimings);
  if (emitTimings) sink.control(timingsMessage(timing, queue, batchSize));
  return wait;
}

/** Why the inputs ended when the session was aborted while a handler ran. */
export function leftReason(inputs: InputBuffer): InputEnd {
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
