import type { MinuteOfArrivals } from "../state/arrivals.ts";

const MINUTE_MS = 60_000;

/** Counts the requests of an app by the second of their arrival, until they are recorded. */
export class ArrivalCounter {
  readonly #minutes = new Map<number, number[]>();

  /** A request has arrived. @param at milliseconds since 1970 */
  note(at: number): void {
    const minute = Math.floor(at / MINUTE_MS);
    let counts = this.#minutes.get(minute);
    if (counts === undefined) this.#minutes.set(minute, (counts = Array.from({ length: 60 }, () => 0)));
    const second = Math.floor((at % MINUTE_MS) / 1_000);
    counts[second] = (counts[second] as number) + 1;
  }

  /** The counts since the last call. */
  take(): MinuteOfArrivals[] {
    const minutes = [...this.#minutes].map(([minute, counts]) => ({
      minute: new Date(minute * MINUTE_MS),
      counts,
    }));
    this.#minutes.clear();
    return minutes;
  }

  /** Counts once more what could not be recorded. */
  giveBack({ minute, counts }: MinuteOfArrivals): void {
    const key = Math.floor(minute.getTime() / MINUTE_MS);
    const known = this.#minutes.get(key) ?? Array.from({ length: 60 }, () => 0);
    this.#minutes.set(
      key,
      known.map((count, second) => count + (counts[second] ?? 0)),
    );
  }
}
