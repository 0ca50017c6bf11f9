import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { END_OF_RUN, type FromRunner, type ToRunner } from "../../src/functions/runner/protocol.ts";
import type { ChannelListener, WorkerChannel } from "../../src/processes/worker-channel.ts";

/** A worker that the test controls: it is set up, answers and dies on request. */
export class FakeChannel implements WorkerChannel<ToRunner> {
  readonly pid = undefined;
  readonly stdout = new Readable({ read() {} });
  readonly stderr = new Readable({ read() {} });
  state: "starting" | "ready" | "ended" = "starting";
  /** Its current run. */
  current: { readonly id: number; readonly name: unknown } | undefined;
  isAborted = false;
  isStopping = false;
  isKilled = false;
  isHeld = true;
  readonly #listener: ChannelListener<FromRunner>;

  constructor(listener: ChannelListener<FromRunner>) {
    this.#listener = listener;
  }

  get isAlive(): boolean {
    return this.state !== "ended";
  }

  send(message: ToRunner): void {
    if (!this.isAlive) return;
    if (message.type === "run") {
      assert.equal(this.state, "ready", "a run for a worker that is not set up");
      assert.equal(this.current, undefined, "a second run at a time");
      assert.equal(this.isStopping, false, "a run for a worker that was asked to end");
      this.current = { id: message.id, name: message.args[0] };
      this.isAborted = false;
    } else if (message.type === "abort") {
      assert.equal(this.current?.id, message.id, "another run than its own is aborted");
      this.isAborted = true;
    } else if (message.type === "stop") {
      assert.equal(this.current, undefined, "a worker with a run is asked to end");
      this.isStopping = true;
    }
  }

  kill(): void {
    this.isKilled = true;
  }

  hold(isHeld: boolean): void {
    this.isHeld = isHeld;
  }

  becomeReady(): void {
    if (this.state !== "starting" || this.isKilled) return;
    this.state = "ready";
    this.#listener.onMessage({ type: "ready" });
  }

  /** Its setup throws, and it ends. */
  failToStart(): void {
    if (this.state !== "starting" || this.isKilled) return;
    const thrown = { value: "no setup" };
    this.#listener.onMessage({ type: "failed", origin: "user", thrown });
    this.end(1, null);
  }

  /** Its run returns its name, or throws it. Its output may still be pending. */
  finish(isGood: boolean, hasOutput: boolean = true): void {
    if (this.state !== "ready" || this.current === undefined || this.isKilled) return;
    const { id, name } = this.current;
    this.current = undefined;
    if (hasOutput) for (const stream of [this.stdout, this.stderr]) stream.push(`${END_OF_RUN}${id}\n`);
    this.#listener.onMessage(
      isGood
        ? { type: "result", id, value: name }
        : { type: "thrown", id, origin: "user", thrown: { value: name } },
    );
  }

  /** Sends a result for any run. */
  answer(id: number, value: unknown): void {
    this.#listener.onMessage({ type: "result", id, value });
  }

  end(code: number | null, signal: string | null): void {
    if (!this.isAlive) return;
    this.state = "ended";
    this.current = undefined;
    this.stdout.push(null);
    this.stderr.push(null);
    this.#listener.onEnd({ code, signal });
  }
}
