import type { Logger } from "pino";
import { Backoff } from "../../processes/backoff.ts";
import { pause } from "../../processes/timers.ts";
import { updateRunner, type RunnerChange } from "../state/runners.ts";
import type { Database } from "../store/database.ts";

/** About a minute of attempts: a database that is started again takes less. */
const ATTEMPTS = 40;

/** Records what happens to runners, as soon as the database takes it. Nothing waits for it. */
export class RunnerRecords {
  readonly #database: Database;
  readonly #log: Logger;
  /** The last write of each runner. */
  readonly #writes = new Map<string, Promise<void>>();

  constructor(database: Database, log: Logger) {
    this.#database = database;
    this.#log = log;
  }

  /** Records a change of a runner, after those before it. */
  add(runner: string, change: RunnerChange): void {
    const write = (this.#writes.get(runner) ?? Promise.resolve()).then(() => this.#write(runner, change));
    this.#writes.set(runner, write);
    void write.finally(() => {
      if (this.#writes.get(runner) === write) this.#writes.delete(runner);
    });
  }

  /** Resolves when all that has happened is recorded. */
  async settled(): Promise<void> {
    while (this.#writes.size > 0) await Promise.all(this.#writes.values());
  }

  async #write(runner: string, change: RunnerChange): Promise<void> {
    const backoff = new Backoff({ firstMs: 50, lastMs: 2_000 });
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      try {
        return await updateRunner(this.#database, runner, change);
      } catch (error) {
        this.#log.warn({ error: (error as Error).message, runner }, "the state of a runner was not recorded");
        await pause(backoff.next(), undefined);
      }
    }
  }
}
