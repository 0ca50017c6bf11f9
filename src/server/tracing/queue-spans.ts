import type { RunBatch } from "../../dispatch/dispatcher.ts";
import { currentTracing, type Span, spanOf } from "../../tracing/tracing.ts";

/** A call that waits in a queue. */
interface WaitingCall {
  readonly context: object;
  /** The span of its wait. */
  readonly waiting?: Span | undefined;
}

/** Ends the span of a wait if the call ends without being run. A run ends it earlier. */
export function endWithAnswer(waiting: Span, answer: Promise<unknown>): void {
  answer.then(
    () => waiting.end(),
    (error: unknown) => waiting.fail(error),
  );
}

/**
 * Wraps what runs a route's calls: the time in the queue ends, and each batch gets a span of its own, linked to the
 * spans of its requests.
 */
export function traceRuns<Call extends WaitingCall>(
  methodName: string,
  isBatched: boolean,
  run: RunBatch<Call>,
): RunBatch<Call> {
  return (calls, signal) => {
    const tracing = currentTracing();
    if (tracing === undefined) return run(calls, signal);
    for (const { waiting } of calls) waiting?.end();
    const requests = calls.map(({ context }) => spanOf(context)).filter((span) => span !== undefined);
    const [first] = requests;
    if (first === undefined) return run(calls, signal);
    if (!isBatched) return first.run(() => run(calls, signal));
    const name = `batch ${methodName}`;
    const attributes = { "servable.batch.size": calls.length };
    const batch =
      requests.length === 1
        ? first.child(name, { attributes })
        : tracing.startRoot(name, { attributes, links: requests });
    return batch.around(() => run(calls, signal));
  };
}
