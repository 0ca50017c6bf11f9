import type { Duplex } from "node:stream";
import type { Lease } from "../scheduler/live-runner.ts";
import { FrameScanner } from "./frame-scanner.ts";

/** A place on another runner, and the connection to it. */
export interface NextRunner {
  readonly lease: Lease;
  readonly upstream: Duplex;
  /** Bytes that it has sent already. */
  readonly first: Buffer;
}

/** Moves sessions to other runners. */
export interface Mover {
  /** Finds a place on another runner and connects with it. Undefined if the session can't be moved. */
  readonly connect: (signal: AbortSignal) => Promise<NextRunner | undefined>;
  /** The session has left its runner, and is on this one. */
  readonly moved: (lease: Lease) => void;
  /** The session stays; the place is not needed. */
  readonly unused: (lease: Lease) => void;
}

/** Messages that arrive while a session is moved are kept up to this size; then the caller's connection is paused. In bytes. */
const MAX_HELD = 1024 * 1024;
/** A close frame of a client, with code 1000: the old runner's session ends as if its caller had left. */
const CLOSE = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 1_000 >> 8, 1_000 & 0xff]);

/**
 * Connects the socket of a unary realtime session with a runner, and moves it to another one when the runner is to end: the
 * old runner answers all messages that it has got, those that arrive meanwhile are held, and the caller sees no close.
 */
export class SessionRelay {
  readonly #client: Duplex;
  readonly #mover: Mover;
  #upstream: Duplex;
  #fromClient: FrameScanner;
  #fromRunner: FrameScanner;
  /** Messages without an answer. */
  #pending = 0;
  #next: NextRunner | undefined;
  #connecting: AbortController | undefined;
  /** Whether the close frame for the old runner was sent. */
  #isLeaving = false;
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(client: Duplex, upstream: Duplex, mover: Mover) {
    this.#client = client;
    this.#upstream = upstream;
    this.#mover = mover;
    this.#fromClient = new FrameScanner({ onMessage: () => this.#pending++ });
    this.#fromRunner = this.#runnerScanner();
    client.on("data", (chunk: Buffer) => this.#onClient(chunk));
    client.on("drain", () => this.#upstream.resume());
    client.once("end", () => this.#upstream.end());
    client.once("close", () => this.#close());
    this.#listen(upstream);
  }

  /** Passes on what both sides have sent already. */
  begin(fromClient: Buffer, fromRunner: Buffer): void {
    if (fromRunner.length > 0) this.#onRunner(fromRunner);
    if (fromClient.length > 0) this.#onClient(fromClient);
  }

  /** Begins to move the session: its runner is to end. */
  move(): void {
    if (this.#connecting !== undefined || this.#client.destroyed) return;
    const connecting = new AbortController();
    this.#connecting = connecting;
    this.#mover.connect(connecting.signal).then(
      (next) => {
        if (next === undefined) return;
        if (connecting.signal.aborted) return this.#drop(next);
        if (next.upstream.destroyed) return this.#drop(next);
        next.upstream.once("close", () => this.#lose(next));
        this.#next = next;
        this.#leave();
      },
      () => {}, // the session stays until its runner evicts it
    );
  }

  /** Gives up moving. */
  stay(): void {
    this.#connecting?.abort(new Error("The session stays."));
    if (this.#next !== undefined) this.#drop(this.#next);
    this.#next = undefined;
  }

  /** The new runner has ended before the session was on it: the session stays with the old one, and looks for another. */
  #lose(next: NextRunner): void {
    if (this.#next !== next || this.#isLeaving) return;
    this.#next = undefined;
    this.#connecting = undefined;
    this.#drop(next);
    this.#sendHeld();
    this.move();
  }

  /** Passes on the messages that were held. */
  #sendHeld(): void {
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    for (const chunk of held) this.#onClient(chunk);
    this.#client.resume();
  }

  #drop({ lease, upstream }: NextRunner): void {
    upstream.destroy();
    this.#mover.unused(lease);
  }

  #onClient(chunk: Buffer): void {
    let at = 0;
    if (this.#next === undefined) at = this.#fromClient.scan(chunk, 0, false);
    // The present message still goes to the old runner.
    else while (at < chunk.length && !this.#fromClient.isBetween) at = this.#fromClient.scan(chunk, at, true);
    if (at > 0 && !this.#upstream.write(chunk.subarray(0, at))) this.#client.pause();
    if (at === chunk.length) return this.#leave();
    this.#held.push(chunk.subarray(at));
    this.#heldBytes += chunk.length - at;
    if (this.#heldBytes > MAX_HELD) this.#client.pause();
    this.#leave();
  }

  #onRunner(chunk: Buffer): void {
    let at = 0;
    if (!this.#isLeaving) at = this.#fromRunner.scan(chunk, 0, false);
    else {
      while (at < chunk.length) {
        if (this.#fromRunner.beginsClose(chunk, at)) break;
        at = this.#fromRunner.scan(chunk, at, true);
      }
    }
    if (at > 0 && !this.#client.write(chunk.subarray(0, at))) this.#upstream.pause();
    if (at < chunk.length) this.#switch();
    else this.#leave();
  }

  /** Ends the session on the old runner, once nothing is under way. */
  #leave(): void {
    if (this.#next === undefined || this.#isLeaving) return;
    if (this.#pending > 0 || !this.#fromClient.isBetween || !this.#fromRunner.isBetween) return;
    this.#isLeaving = true;
    this.#upstream.write(CLOSE);
  }

  /** Goes on with the new runner: the old one has sent everything. */
  #switch(): void {
    const { lease, upstream, first } = this.#next as NextRunner;
    const old = this.#upstream;
    this.#next = undefined;
    this.#connecting = undefined;
    this.#isLeaving = false;
    this.#upstream = upstream;
    old.destroy();
    this.#fromRunner = this.#runnerScanner();
    this.#listen(upstream);
    this.#mover.moved(lease);
    if (first.length > 0) this.#onRunner(first);
    this.#sendHeld();
    if (upstream.destroyed) this.#client.end();
    else if (lease.runner.state !== "ready") this.move();
  }

  #listen(upstream: Duplex): void {
    const isPresent = (): boolean => this.#upstream === upstream;
    upstream.on("data", (chunk: Buffer) => {
      if (isPresent()) this.#onRunner(chunk);
    });
    upstream.on("drain", () => {
      if (isPresent() && this.#heldBytes <= MAX_HELD) this.#client.resume();
    });
    upstream.on("error", () => {}); // followed by close
    upstream.once("close", () => {
      if (!isPresent()) return;
      if (this.#isLeaving) return this.#switch();
      this.stay();
      this.#client.end();
    });
  }

  #runnerScanner(): FrameScanner {
    return new FrameScanner({
      onMessage: (text) => (this.#pending = Math.max(0, this.#pending - answeredBy(text))),
    });
  }

  #close(): void {
    this.stay();
    this.#upstream.destroy();
  }
}

/** The number of messages that a message of the app is the end of. */
function answeredBy(text: string | undefined): number {
  if (text?.startsWith('{"type":"x-fal-') !== true) return 1;
  try {
    const { action, count } = JSON.parse(text) as { readonly action?: string; readonly count?: number };
    return action === "dropped" && typeof count === "number" ? count : 0;
  } catch {
    return 1;
  }
}
