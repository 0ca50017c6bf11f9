import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { Dispatcher } from "../queue/dispatcher.ts";
import { RequestQueue } from "../queue/request-queue.ts";
import { StatusWatch } from "../queue/status-watch.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import { aliasOf } from "../state/app-names.ts";
import type { Database } from "../store/database.ts";
import { QueueSender } from "./queue-sender.ts";

/** The parts of the queue of a platform. */
export interface QueueParts {
  readonly database: Database;
  readonly scheduler: Scheduler;
  readonly metrics: {
    completed(application: string, method: string, status: number, seconds: number): void;
  };
  readonly settings: { readonly quotas: { readonly queueInputMb: number; readonly queueAnswerMb: number } };
  readonly log: Logger;
}

/** The queue, with what feeds runners from it and what follows its requests. */
export interface Queueing {
  readonly queue: RequestQueue;
  readonly dispatcher: Dispatcher;
  readonly watch: StatusWatch;
  readonly now: () => number;
  readonly maxInputBytes: number;
  /** Ends after the requests that run, and gives back what has not ended. */
  close(): Promise<void>;
}

const MB = 1_000_000;

/** Puts the queue together. Its dispatcher has to be started. */
export function openQueue({ database, scheduler, metrics, settings, log }: QueueParts): Queueing {
  const now = Date.now;
  const queue = new RequestQueue({ database, now, holder: randomUUID() });
  const sender = new QueueSender({
    lives: () => scheduler.lives,
    maxAnswerBytes: settings.quotas.queueAnswerMb * MB,
  });
  const dispatcher = new Dispatcher({
    ...{ queue, scheduler, log, now, random: Math.random },
    send: (attempt) => sender.send(attempt),
    sendCancel: (attempt) => sender.sendCancel(attempt),
  });
  const watch = new StatusWatch(database, queue);
  queue.listen({
    onEnded: ({ app, environment, status, submittedAt }) =>
      metrics.completed(
        aliasOf({ app, environment }),
        "POST",
        status ?? 500,
        (now() - submittedAt.getTime()) / 1_000,
      ),
  });
  return {
    ...{ queue, dispatcher, watch, now, maxInputBytes: settings.quotas.queueInputMb * MB },
    async close() {
      dispatcher.stop();
      await watch.close();
      await sender.close();
      await dispatcher.close();
      await queue.close().catch((error: unknown) => {
        // Its lease ends, and the next process takes the requests over.
        log.warn({ error: (error as Error).message }, "requests of the queue could not be given back");
      });
    },
  };
}
