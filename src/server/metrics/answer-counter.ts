import type { ServerResponse } from "node:http";
import { CLIENT_CLOSED_REQUEST, type RouteMetrics } from "./metrics.ts";

const COUNTED = Symbol("counted");
/** An answer that is counted, or will be. Marked itself: a WeakSet of all answers makes garbage collection slower. */
type Marked = ServerResponse & { [COUNTED]?: boolean };

/**
 * Counts each answer once. If the app has hooks that may replace an answer after its status was chosen, the answer is
 * counted when it is sent, with the status that was sent.
 */
export class AnswerCounter {
  readonly #state: { readonly hasSendHooks: boolean };

  constructor(state: { readonly hasSendHooks: boolean }) {
    this.#state = state;
  }

  /**
   * Counts an answer that is about to be sent, was sent, or can't be sent any more.
   * @param status the chosen status
   * @param started the start of the call, by `performance.now()`
   * @param lostStatus the status to count if the connection closes before the answer is complete. Default 499
   */
  count(
    metrics: RouteMetrics,
    raw: ServerResponse,
    status: number,
    started: number,
    lostStatus?: () => number,
  ): void {
    if (!this.#state.hasSendHooks) return metrics.record(status, (performance.now() - started) / 1000);
    const answer: Marked = raw;
    if (answer[COUNTED] === true) return;
    answer[COUNTED] = true;
    const record = (counted: number): void => metrics.record(counted, (performance.now() - started) / 1000);
    if (raw.writableFinished) return record(raw.statusCode);
    if (raw.destroyed) return record(status);
    const sent = (): void => {
      raw.off("close", left);
      record(raw.statusCode);
    };
    const left = (): void => {
      raw.off("finish", sent);
      record(lostStatus?.() ?? CLIENT_CLOSED_REQUEST);
    };
    raw.once("finish", sent).once("close", left);
  }
}
