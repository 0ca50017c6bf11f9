import { setImmediate as nextTurn } from "node:timers/promises";
import type { Logger } from "pino";
import { asError } from "../answers.ts";
import { RequestCancelledException } from "../errors.ts";
import type { BuiltServer } from "./build.ts";
import type { ServeDefinition } from "./serve-definition.ts";
import type { StopSignals } from "./stop-signals.ts";

/** How a served app ended. */
export interface ServeOutcome {
  /** 0: all requests were answered. 1: what was left at the end of the grace period was cut off. */
  readonly exitCode: 0 | 1;
}

/** What teardown may still take once the grace period is over, in milliseconds. */
const LATE_TEARDOWN_MS = 5_000;

/**
 * Stops a server: `handleExit()`, no new connections, the requests in flight get their answers, then teardown. What
 * is not answered when the grace period or a second signal comes is cut off, and the exit code says so.
 */
export async function drain(
  built: BuiltServer,
  definition: ServeDefinition,
  signals: StopSignals,
  log: Logger,
): Promise<ServeOutcome> {
  const { server, state } = built;
  state.stopping = true;
  const exited = Promise.resolve()
    .then(() => definition.handleExit())
    .catch((error: unknown) => log.error({ err: asError(error, "handleExit") }, "handleExit() failed"));
  // A connection that sends nothing would hold the server for as long as it stays open.
  const sweep = setInterval(() => server.server.closeIdleConnections(), 100);
  const stopped = Promise.all([server.close(), exited]).then(() => "in time" as const);
  const [grace, cancelGrace] = timer(definition.terminationGraceMs, "the grace period is over");
  const end = await Promise.race([
    stopped,
    grace,
    signals.second.then(() => "a second signal came" as const),
  ]);
  cancelGrace();
  if (end !== "in time") {
    log.warn(`${end}: open connections are cut`);
    state.abortAll(new RequestCancelledException("The server stopped before the request was done."));
    await nextTurn(); // handlers learn of it before their resources are torn down
    server.server.closeAllConnections();
    const [late, cancelLate] = timer(LATE_TEARDOWN_MS, "late");
    if ((await Promise.race([stopped, late])) === "late")
      log.error("teardown does not end; leaving without it");
    cancelLate();
  }
  clearInterval(sweep);
  return { exitCode: end === "in time" ? 0 : 1 };
}

function timer<T>(ms: number, value: T): [due: Promise<T>, cancel: () => void] {
  let handle: NodeJS.Timeout | undefined;
  const due = new Promise<T>((resolve) => (handle = setTimeout(resolve, ms, value)));
  return [due, () => clearTimeout(handle)];
}
