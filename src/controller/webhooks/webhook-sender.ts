import type { Logger } from "pino";
import { finishAttempt, takeDueWebhooks, type DueWebhook, type WebhookOutcome } from "../state/webhooks.ts";
import type { Database } from "../store/database.ts";
import { webhookBody } from "./webhook-body.ts";
import { postWebhook, type PostOutcome, type WebhookNetwork } from "./webhook-post.ts";
import type { WebhookSigner } from "./webhook-signer.ts";

/** The parts that a sender needs. */
export interface WebhookSenderParts {
  readonly database: Database;
  readonly signer: WebhookSigner;
  readonly network: WebhookNetwork;
  readonly log: Logger;
  readonly now: () => Date;
}

/** Pauses before the second attempt and each further one, in seconds: ten within two hours. */
export const RETRY_SECONDS: readonly number[] = [5, 15, 30, 60, 180, 420, 900, 1_500, 1_800, 2_280];
/** Time for the receiver's answer, in milliseconds. */
const ANSWER_MS = 15_000;
/** After this time a webhook is taken to be lost with its sender, in milliseconds. */
const LEASE_MS = 4 * ANSWER_MS;
/** Interval at which webhooks that are due are looked for, in milliseconds. */
const SWEEP_MS = 1_000;
/** Webhooks that are sent at a time, to all receivers and to one. Each has its answer in memory. */
const AT_ONCE = 16;
const AT_ONCE_TO_A_HOST = 8;

/** Sends webhooks until their receivers have answered 2xx, or eleven attempts have failed. */
export class WebhookSender {
  readonly #parts: WebhookSenderParts;
  readonly #timer: NodeJS.Timeout;
  readonly #stop = new AbortController();
  readonly #sending = new Set<Promise<void>>();
  readonly #hosts = new Map<string, number>();
  #looking: Promise<void> | undefined;
  #isAsked = false;

  constructor(parts: WebhookSenderParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => this.wake(), SWEEP_MS).unref();
    this.wake();
  }

  /** Looks for webhooks that are due, now. */
  wake(): void {
    this.#isAsked = true;
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
  }

  async #look(): Promise<void> {
    while (this.#isAsked && !this.#stop.signal.aborted) {
      this.#isAsked = false;
      const limit = AT_ONCE - this.#sending.size;
      if (limit <= 0) return; // the end of an attempt looks again
      const now = this.#parts.now();
      const isBusy = ([, count]: readonly [string, number]): boolean => count >= AT_ONCE_TO_A_HOST;
      const busyHosts = [...this.#hosts].filter(isBusy).map(([host]) => host);
      // All that are taken may be for the one of the other hosts that has most already.
      const most = Math.max(0, ...[...this.#hosts].filter((each) => !isBusy(each)).map(([, count]) => count));
      try {
        const due = await takeDueWebhooks(this.#parts.database.impatient, {
          now,
          until: new Date(now.getTime() + LEASE_MS),
          limit: Math.min(limit, AT_ONCE_TO_A_HOST - most),
          busyHosts,
        });
        for (const webhook of due) this.#begin(webhook);
        if (due.length > 0) this.#isAsked = true;
      } catch (error) {
        // The next sweep tries again.
        this.#parts.log.warn({ error: (error as Error).message }, "webhooks could not be looked for");
      }
    }
  }

  #begin(webhook: DueWebhook): void {
    this.#count(webhook.host, 1);
    const sent = this.#send(webhook)
      .catch((error: unknown) => {
        // Its lease ends, and it is sent again.
        this.#parts.log.warn(
          { error: (error as Error).message },
          "an attempt of a webhook could not be recorded",
        );
      })
      .finally(() => {
        this.#sending.delete(sent);
        this.#count(webhook.host, -1);
        this.wake();
      });
    this.#sending.add(sent);
  }

  #count(host: string, change: number): void {
    const count = (this.#hosts.get(host) ?? 0) + change;
    if (count === 0) this.#hosts.delete(host);
    else this.#hosts.set(host, count);
  }

  async #send(webhook: DueWebhook): Promise<void> {
    const { database, signer, network, now } = this.#parts;
    const { id, requestId, url, attempt } = webhook;
    const startedAt = now();
    const body = webhookBody(webhook);
    const headers = {
      "content-type": "application/json",
      "user-agent": "servable-webhooks",
      "x-fal-request-id": requestId,
      ...signer.headers(requestId, body, startedAt),
    };
    const patience = AbortSignal.timeout(ANSWER_MS);
    const outcome = await postWebhook(
      url,
      { headers, body },
      network,
      AbortSignal.any([patience, this.#stop.signal]),
    );
    // The platform ends: the lease of the webhook ends too, and the next start sends it again.
    if (this.#stop.signal.aborted && outcome.status === undefined) return;
    const error =
      patience.aborted && outcome.status === undefined
        ? `The receiver did not answer within ${ANSWER_MS / 1_000} s.`
        : outcome.error;
    const durationMs = Math.max(0, now().getTime() - startedAt.getTime());
    await finishAttempt(
      database,
      id,
      { attempt, startedAt, durationMs, status: outcome.status ?? null, error: error ?? null },
      this.#next(webhook, outcome),
    );
  }

  #next({ attempt, earlierAttempts }: DueWebhook, { error, isFinal }: PostOutcome): WebhookOutcome {
    if (error === undefined) return { state: "delivered" };
    const seconds = RETRY_SECONDS[attempt - earlierAttempts - 1];
    if (isFinal || seconds === undefined) return { state: "failed" };
    return { state: "waiting", nextAt: new Date(this.#parts.now().getTime() + seconds * 1_000) };
  }

  /** Ends attempts that are under way; the next start sends them again. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#stop.abort(new Error("The platform ends."));
    await this.#looking;
    await Promise.all(this.#sending);
  }
}
