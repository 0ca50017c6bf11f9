import type { Attempt, AttemptResult } from "../queue/dispatcher.ts";
import type { RunnerLives } from "../scheduler/runner-lives.ts";
import { GatewayError } from "./gateway-error.ts";
import { AnswerInMemory } from "./answer-in-memory.ts";
import { RequestProxy } from "./request-proxy.ts";
import { judge } from "./runner-judgement.ts";

/** The parts that the sender needs. */
export interface QueueSenderParts {
  readonly lives: () => RunnerLives;
  /** The largest answer, in bytes. */
  readonly maxAnswerBytes: number;
}

/** Time for a runner to answer a cancellation, in seconds. */
const CANCEL_SECONDS = 30;
const SMALL_ANSWER = 64 * 1024;

/** Sends requests of the queue to runners. */
export class QueueSender {
  readonly #parts: QueueSenderParts;
  readonly #proxy = new RequestProxy();

  constructor(parts: QueueSenderParts) {
    this.#parts = parts;
  }

  /** Sends an attempt, and reads its answer. Never throws. */
  async send({ id, number, payload, app, lease }: Attempt): Promise<AttemptResult> {
    const answer = new AnswerInMemory(this.#parts.maxAnswerBytes);
    try {
      const outcome = await this.#proxy.forward(
        {
          address: lease.address,
          method: payload.method,
          path: payload.path,
          headers: { ...withLists(payload.headers), "x-fal-attempt": String(number) },
          body: payload.body,
          timeoutSeconds: app.row.scale.requestTimeoutSeconds,
          requestId: id,
        },
        answer,
        answer,
        (hints) => (lease.runner.hints = hints),
      );
      judge(this.#parts.lives(), lease.runner, outcome);
      if (outcome.kind === "failed") return failure(outcome.error);
    } catch (error) {
      return failure(
        error instanceof GatewayError
          ? error
          : new GatewayError("internal_error", `The request can't be sent: ${(error as Error).message}.`),
      );
    }
    const { status, headers, body } = answer;
    const errorType = headers["x-fal-error-type"];
    return {
      status,
      answer: { status, headers, body },
      error: status < 400 ? undefined : `The app answered ${status}`,
      errorType: typeof errorType === "string" ? errorType : undefined,
    };
  }

  /** Tells a runner that the caller of a request wants it to end. An app without such a route does not mind. */
  sendCancel({ id, payload, lease }: Attempt): void {
    const [path = "/"] = payload.path.split("?", 1);
    const { "content-length": _length, ...headers } = withLists(payload.headers);
    const answer = new AnswerInMemory(SMALL_ANSWER);
    void this.#proxy
      .forward(
        {
          address: lease.address,
          method: "POST",
          path: `${path.replace(/\/$/, "")}/cancel`,
          headers: { ...headers, "content-type": "application/json" },
          body: null,
          timeoutSeconds: CANCEL_SECONDS,
          requestId: id,
        },
        answer,
        answer,
        () => {},
      )
      .catch(() => {});
  }

  async close(): Promise<void> {
    await this.#proxy.close();
  }
}

function failure(error: GatewayError): AttemptResult {
  return {
    status: error.status,
    error: error.message,
    errorType: error.type,
    answer: {
      status: error.status,
      headers: { "content-type": "application/json", "x-fal-error-type": error.type, ...error.headers },
      body: Buffer.from(error.body()),
    },
  };
}

function withLists(headers: Attempt["payload"]["headers"]): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === "string" ? value : [...value]]),
  );
}
