import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { asError } from "../../answers.ts";
import { ServerStoppedException } from "../../errors.ts";
import type { BuiltServer } from "../build.ts";
import type { ServeDefinition } from "../definition.ts";
import type { StopSignals } from "./stop-signals.ts";

/** The result of serving an app. */
export interface ServeOutcome {
  /** 0: all requests were answered. 1: requests still running after the grace period were aborted. */
  readonly exitCode: 0 | 1;
}

/** Time for aborted requests to deliver their last answer, in ms. */
const LAST_ANSWERS_MS = 1_000;
/** Time for teardown after the grace period, in ms. */
const LATE_TEARDOWN_MS = 5_000;
const POLL_MS = 10;

/**
 * Stops a server: calls `handleExit()`, accepts no new connections, answers the requests in flight, then runs teardown.
 * Requests still running after the grace period or a second SIGINT are aborted, which the exit code reports.
 */
export async function drain(
  built: BuiltServer,
  definition: ServeDefinition,
  signals: StopSignals,
  log: Logger,
): Promise<ServeOutcome> {
  const { server, state, connections } = built;
  state.stop();
  const exited = Promise.resolve()
    .then(() => definition.handleExit())
    .catch((error: unknown) => log.error({ err: asError(error, "handleExit") }, "handleExit() failed"));
  const stopped = Promise.all([server.close(), exited]).then(() => "in time" as const);
  const [grace, cancelGrace] = timer(definition.terminationGraceMs, "the grace period is over");
  const end = await Promise.race([stopped, grace, signals.forced.then(() => "the stop was forced" as const)]);
  cancelGrace();
  if (end !== "in time") {
    log.warn(`${end}: aborting requests that are still running`);
    state.abortAll(new ServerStoppedException());
    await nextTurn(); // handlers are aborted before their resources are torn down
    await nextTurn();
    connections.refuseAll();
    const lastMoment = performance.now() + LAST_ANSWERS_MS;
    while (connections.count > 0 && performance.now() < lastMoment) await sleep(POLL_MS);
    connections.destroyAll();
    const [late, cancelLate] = timer(LATE_TEARDOWN_MS, "late");
    if ((await Promise.race([stopped, late])) === "late")
      log.error("teardown did not finish in time; exiting without it");
    cancelLate();
  }
  return { exitCode: end === "in time" ? 0 : 1 };
}

function timer<T>(ms: number, value: T): [due: Promise<T>, cancel: () => void] {
  let handle: NodeJS.Timeout | undefined;
  const due = new Promise<T>((resolve) => (handle = setTimeout(resolve, ms, value)));
  return [due, () => clearTimeout(handle)];
}
