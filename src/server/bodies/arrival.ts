import type { IncomingMessage } from "node:http";
import type { Clock } from "../../dispatch/clock.ts";
import { BodyError, RequestCancelledException } from "../../errors.ts";
import type { BodyTimes } from "../../routes/body-kind.ts";

/** Interval at which arriving bodies are checked, in ms: a limit is noticed at most one interval late. */
const CHECK_MS = 250;

/** Checks the time limits of all bodies that are arriving. One timer serves all, so that a body costs nothing more. */
export class ArrivalWatch {
  readonly clock: Clock;
  readonly #arrivals = new Set<Arrival>();
  #isPlanned = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  add(arrival: Arrival): void {
    this.#arrivals.add(arrival);
    if (!this.#isPlanned) this.#plan();
  }

  delete(arrival: Arrival): void {
    this.#arrivals.delete(arrival);
  }

  #plan(): void {
    this.#isPlanned = true;
    this.clock.after(CHECK_MS, () => {
      this.#isPlanned = false;
      const now = this.clock.now();
      for (const arrival of this.#arrivals) arrival.check(now);
      if (this.#arrivals.size > 0) this.#plan();
    });
  }
}

/** A body that is arriving: reports when it takes too long, and when its client disconnects. Does not read the body. */
export class Arrival {
  readonly #request: IncomingMessage;
  readonly #times: BodyTimes;
  readonly #watch: ArrivalWatch;
  readonly #onFault: (error: Error) => void;
  readonly #startedAt: number;
  #bytesRead: number;
  #lastAt: number;
  #isPaused = false;
  #isOver = false;

  /** @param onFault called at most once, and not after {@link end} */
  constructor(
    request: IncomingMessage,
    times: BodyTimes,
    watch: ArrivalWatch,
    onFault: (error: Error) => void,
  ) {
    this.#request = request;
    this.#times = times;
    this.#watch = watch;
    this.#onFault = onFault;
    this.#startedAt = this.#lastAt = watch.clock.now();
    this.#bytesRead = request.socket.bytesRead;
    request.on("error", this.#onLost);
    request.on("close", this.#onLost);
    watch.add(this);
  }

  /** Whether the reader currently wants no bytes, so that silence is not the client's fault. */
  set isPaused(isPaused: boolean) {
    if (this.#isPaused && !isPaused) this.#lastAt = this.#watch.clock.now();
    this.#isPaused = isPaused;
  }

  /** Reports a limit that is exceeded. */
  check(now: number): void {
    const { timeoutMs, idleTimeoutMs } = this.#times;
    const { bytesRead } = this.#request.socket;
    if (bytesRead !== this.#bytesRead || this.#isPaused) {
      this.#bytesRead = bytesRead;
      this.#lastAt = now;
    }
    if (now - this.#startedAt >= timeoutMs) this.#fail(tooSlow(`more than ${timeoutMs} ms`));
    else if (now - this.#lastAt >= idleTimeoutMs) this.#fail(tooSlow(`no byte for ${idleTimeoutMs} ms`));
  }

  /** Ends the watch. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#watch.delete(this);
    this.#request.removeListener("close", this.#onLost); // the listener for errors stays: others would be thrown
  }

  readonly #onLost = (): void => {
    if (!this.#request.complete) this.#fail(new RequestCancelledException());
  };

  #fail(error: Error): void {
    if (this.#isOver) return;
    this.end();
    this.#onFault(error);
  }
}

function tooSlow(why: string): BodyError {
  return new BodyError("BODY_TIMEOUT", why);
}
