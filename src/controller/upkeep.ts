import type { Logger } from "pino";
import type { Engines } from "./engines/engines.ts";
import type { RunnerLogs } from "./logs/runner-logs.ts";
import type { RunnerOutput } from "./logs/runner-output.ts";
import type { Objects } from "./objects/objects.ts";
import type { PlatformSettings } from "./settings/platform-settings.ts";
import { forgetArrivals } from "./state/arrivals.ts";
import { forgetDecisions } from "./state/decisions.ts";
import type { FileStore } from "./state/files.ts";
import { forgetExpiredValues } from "./state/kv.ts";
import { forgetRequests } from "./state/request-lines.ts";
import { filesInUse, forgetRevisions } from "./state/revisions.ts";
import { endedRunners, forgetRunners } from "./state/runners.ts";
import { forgetWebhooks } from "./state/webhooks.ts";
import type { Database } from "./store/database.ts";

/** The parts that are kept small. */
export interface UpkeepParts {
  readonly database: Database;
  readonly engines: Engines;
  readonly output: RunnerOutput;
  readonly logs: RunnerLogs;
  readonly files: FileStore;
  readonly objects: Objects;
  readonly settings: PlatformSettings;
  readonly log: Logger;
}

const DAY_MS = 24 * 60 * 60 * 1_000;
/** Interval at which what is older than its retention is removed, in milliseconds. */
const RETENTION_MS = 60 * 60 * 1_000;
/** Interval at which stored files that have expired are removed, in milliseconds. */
const OBJECTS_MS = 60 * 1_000;
/** Interval at which the size of the logs is looked at, in milliseconds. */
const QUOTA_MS = 60 * 1_000;
const MB = 1_000_000;

/** Removes what is older than its retention, or beyond its quota, from time to time. */
export class Upkeep {
  readonly #parts: UpkeepParts;
  readonly #timers: readonly NodeJS.Timeout[];
  #work: Promise<void> = Promise.resolve();

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
    this.#timers = [
      setInterval(() => void this.forgetOld(), RETENTION_MS).unref(),
      setInterval(() => void this.limitLogs(), QUOTA_MS).unref(),
      setInterval(() => void this.tidyObjects(), OBJECTS_MS).unref(),
    ];
    void this.forgetOld();
    void this.limitLogs();
    void this.tidyObjects();
  }

  /** Removes records, output and values that are older than their retention, and files that no revision has. */
  forgetOld(): Promise<void> {
    return this.#next("remove what is older than its retention", async () => {
      const { database, engines, log, output, files, settings } = this.#parts;
      const daysAgo = (days: number): Date => new Date(Date.now() - days * DAY_MS);
      for (const id of await forgetRunners(database, daysAgo(settings.retention.logsDays))) {
        await output.remove(id);
      }
      await forgetDecisions(database, daysAgo(settings.retention.decisionsDays));
      await forgetArrivals(database, daysAgo(settings.retention.arrivalsDays));
      await forgetRequests(database, daysAgo(settings.retention.requestsDays));
      await forgetExpiredValues(database);
      await forgetWebhooks(database, daysAgo(settings.retention.webhooksDays));
      for (const id of await forgetRevisions(database, daysAgo(settings.retention.logsDays))) {
        await engines.discard(id, (error) =>
          log.warn({ revision: id, error: (error as Error).message }, "files of a revision are left"),
        );
      }
      // Files of a deployment that is under way are younger.
      await files.collect(() => filesInUse(database), daysAgo(settings.retention.filesDays));
    });
  }

  /** Removes stored files that have expired, and what uploads have left behind. */
  tidyObjects(): Promise<void> {
    return this.#next("remove expired files", () => this.#parts.objects.tidy());
  }

  /** Removes the oldest output while there is more than its quota: of runners that have ended first. */
  limitLogs(): Promise<void> {
    return this.#next("limit the size of logs", async () => {
      const { database, output, logs, settings, log } = this.#parts;
      const quota = settings.quotas.logsMb * MB;
      const sizes = await output.sizes();
      let total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
      if (total <= quota) return;
      const before = total;
      const ended = await endedRunners(database);
      const running = [...sizes.keys()].filter((id) => logs.isWatched(id));
      const largestFirst = running.toSorted((a, b) => (sizes.get(b) ?? 0) - (sizes.get(a) ?? 0));
      for (const id of [...ended, ...largestFirst]) {
        if (total <= quota) break;
        const size = sizes.get(id) ?? 0;
        if (size === 0) continue;
        if (logs.isWatched(id)) logs.cut(id, "Older output was removed: quotas.logs_mb of platform.toml.");
        else await output.remove(id);
        total -= size;
      }
      log.warn(
        { bytesBefore: before, bytes: total, quotaBytes: quota },
        "the oldest output of runners was removed: quotas.logs_mb",
      );
    });
  }

  /** Ends after the work that has begun. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#work;
  }

  #next(what: string, work: () => Promise<void>): Promise<void> {
    this.#work = this.#work
      .then(work)
      .catch((error: unknown) =>
        this.#parts.log.warn({ error: (error as Error).message, what }, "upkeep failed"),
      );
    return this.#work;
  }
}
