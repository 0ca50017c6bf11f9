import type { LogEntry } from "../../log-entry.ts";
import { SharedCall } from "../../processes/single-flight.ts";
import type { PrepareOptions } from "./engine.ts";

/** Does what runners that start together need once. */
export class SharedPreparations {
  readonly #calls = new Map<string, SharedCall<void, LogEntry>>();

  /** Does work, or joins those who wait for the same. It is aborted when none of them waits any more. */
  async once(
    key: string,
    options: PrepareOptions,
    work: (shared: PrepareOptions) => Promise<void>,
  ): Promise<void> {
    let call = this.#calls.get(key);
    if (call === undefined || call.isClosed) {
      const started = new SharedCall<void, LogEntry>((signal, log) => work({ signal, log }));
      this.#calls.set(key, started);
      void started.settled().then(() => {
        if (this.#calls.get(key) === started) this.#calls.delete(key);
      });
      call = started;
    }
    await call.join(options);
  }
}
