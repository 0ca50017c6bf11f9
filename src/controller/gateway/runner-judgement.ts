import type { LiveRunner } from "../scheduler/live-runner.ts";
import type { RunnerLives } from "../scheduler/runner-lives.ts";
import type { ForwardOutcome } from "./request-proxy.ts";

/** Draws conclusions about a runner from how it answered. */
export function judge(lives: RunnerLives, runner: LiveRunner, outcome: ForwardOutcome): void {
  if (outcome.kind === "answered") {
    const { status } = outcome;
    if (status === 503) lives.retire(runner, "it answered 503, which asks for a new runner");
    else if (status === 500 || status === 502 || status === 504) lives.check(runner, status);
    return;
  }
  if (outcome.error.type === "runner_connection_refused") {
    lives.fail(runner, "it does not accept connections");
  }
  if (outcome.error.type === "request_timeout") {
    lives.retire(runner, "a request ran beyond the request timeout, and may be stuck");
  }
}
