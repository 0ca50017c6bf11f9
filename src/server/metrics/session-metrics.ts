import type { SessionCounts } from "../../realtime/route.ts";

/** Seconds; sessions live longer than requests. */
export const SESSION_BUCKETS = [0.1, 1, 10, 60, 300, 900, 3600, 14_400, 86_400] as const;

/** Counts the sessions of one websocket route. */
export class SessionMetrics implements SessionCounts {
  readonly path: string;
  open = 0;
  messagesIn = 0;
  messagesOut = 0;
  droppedInputs = 0;
  /** Sessions that ended for lack of inputs. */
  timeouts = 0;
  /** Ended sessions. */
  ended = 0;
  /** The sum of their lengths. */
  seconds = 0;
  /** One counter for each of {@link SESSION_BUCKETS}, not cumulative. */
  readonly buckets: number[] = SESSION_BUCKETS.map(() => 0);
  /** By the code of the close frame that was sent; what came in where none was, 1006 for nothing at all. */
  readonly closeCodes = new Map<number, number>();

  constructor(path: string) {
    this.path = path;
  }

  received(): void {
    this.messagesIn++;
  }

  sent(): void {
    this.messagesOut++;
  }

  dropped(count: number): void {
    this.droppedInputs += count;
  }

  timedOut(): void {
    this.timeouts++;
  }

  /** One session is over. */
  close(code: number, seconds: number): void {
    this.open--;
    this.ended++;
    this.seconds += seconds;
    this.closeCodes.set(code, (this.closeCodes.get(code) ?? 0) + 1);
    const index = SESSION_BUCKETS.findIndex((bound) => seconds <= bound);
    if (index >= 0) this.buckets[index] = (this.buckets[index] as number) + 1;
  }
}
