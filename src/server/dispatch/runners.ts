import type { Logger } from "pino";
import { runInScope, type BatchContext } from "../../context.ts";
import { runBatch, type RunSignal } from "../../dispatch/batch-run.ts";
import type { RunBatch } from "../../dispatch/dispatcher.ts";
import type { RouteHandler, RouteSignature } from "../../routes/signature.ts";
import { bytesRuleOf } from "../../routes/bytes.ts";
import { holdErrors } from "../results/byte-source.ts";
import type { QueuedCall } from "./route-dispatch.ts";

/** The parts that run a route's calls. */
interface RunnerParts {
  readonly signature: Pick<RouteSignature, "methodName" | "input" | "output" | "dispatch">;
  readonly handler: RouteHandler;
  readonly app: object;
  readonly log: Logger;
}

/** Runs a route's calls in this process, one by one or in batches. */
export function createRunner(parts: RunnerParts): RunBatch<QueuedCall> {
  const { signature, log } = parts;
  const { batch } = signature.dispatch ?? {};
  const { output } = signature;
  const hold = output === undefined || bytesRuleOf(output) !== undefined ? holdErrors : undefined;
  if (batch === undefined) {
    return async ([call]) => {
      if (call === undefined) return [];
      if (call.untilOver !== undefined) {
        call.begin?.();
        return [await call.untilOver];
      }
      const returned = callAlone(parts, call);
      hold?.(returned); // an error may come before the next line
      const result = await returned;
      hold?.(result);
      return [result];
    };
  }
  return (calls, run) =>
    runBatch(
      signature.methodName,
      calls,
      async (some) => {
        const returned = callTogether(parts, some, new RunContext(some, run, log));
        if (hold !== undefined && Array.isArray(returned)) returned.forEach(hold);
        const results = await returned;
        if (hold !== undefined && Array.isArray(results)) results.forEach(hold);
        return results;
      },
      batch.isolateErrors ?? false,
      run,
    );
}

/**
 * The context of a batch. A class, because each object literal with getters gets a hidden class of its own in V8, which keeps
 * the requests in memory until a full garbage collection.
 */
class RunContext implements BatchContext {
  readonly requests: BatchContext["requests"];
  readonly log: Logger;
  readonly #run: RunSignal;

  constructor(calls: readonly QueuedCall[], run: RunSignal, log: Logger) {
    this.requests = calls.map(({ context }) => context);
    this.log = log;
    this.#run = run;
  }

  get signal(): AbortSignal {
    return this.#run.signal;
  }
}

function callAlone({ signature, handler, app }: RunnerParts, { context, input }: QueuedCall): unknown {
  return runInScope(context, app, () =>
    signature.input === undefined ? handler(context) : handler(input, context),
  );
}

function callTogether(
  { handler, app }: RunnerParts,
  calls: readonly QueuedCall[],
  batch: BatchContext,
): unknown {
  const inputs = calls.map(({ input }) => input);
  return runInScope(undefined, app, () => handler(inputs, batch));
}
