import type { ServerResponse } from "node:http";
import { CLIENT_CLOSED_REQUEST, type RouteMetrics } from "./metrics.ts";

/**
 * Counts each answer once. If the app has hooks that may replace an answer after its status was chosen, the answer is
 * counted when it is sent, with the status that was sent.
 */
export class AnswerCounter {
  readonly #state: { readonly hasSendHooks: boolean };
  /** Answers that are counted, or will be. */
  readonly #known = new WeakSet<ServerResponse>();

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
    const record = (counted: number): void => metrics.record(counted, (performance.now() - started) / 1000);
    if (!this.#state.hasSendHooks) return record(status);
    if (this.#known.has(raw)) return;
    this.#known.add(raw);
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
