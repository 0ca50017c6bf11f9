import type { SessionCounts } from "../../realtime/route.ts";

/** In seconds. Sessions last longer than requests. */
export const SESSION_BUCKETS = [0.1, 1, 10, 60, 300, 900, 3600, 14_400, 86_400] as const;

/** Counts the sessions of one websocket route. */
export class SessionMetrics implements SessionCounts {
  readonly path: string;
  open = 0;
  messagesIn = 0;
  messagesOut = 0;
  droppedInputs = 0;
  /** Sessions that ended for lack of input. */
  timeouts = 0;
  /** Ended sessions. */
  ended = 0;
  /** The sum of their durations. */
  seconds = 0;
  /** One counter per bucket of {@link SESSION_BUCKETS}, not cumulative. */
  readonly buckets: number[] = SESSION_BUCKETS.map(() => 0);
  /** Sessions by close code: the code that was sent, otherwise the one received, 1006 for a lost connection. */
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

  /** Records the end of a session. */
  close(code: number, seconds: number): void {
    this.open--;
    this.ended++;
    this.seconds += seconds;
    this.closeCodes.set(code, (this.closeCodes.get(code) ?? 0) + 1);
    const index = SESSION_BUCKETS.findIndex((bound) => seconds <= bound);
    if (index >= 0) this.buckets[index] = (this.buckets[index] as number) + 1;
  }
}
