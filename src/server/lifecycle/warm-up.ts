import type { FastifyInstance } from "fastify";

/**
 * Work that a server can do before it is needed. It begins when the server listens, one piece per turn of the event
 * loop, so that requests are answered in between.
 */
export class WarmUp {
  readonly #pieces: (() => void)[] = [];
  #next: NodeJS.Immediate | undefined;

  /** Adds a piece. If it throws, the error is that of the first request that needs it. */
  add(piece: () => void): void {
    this.#pieces.push(piece);
  }

  /** Begins when the server listens, and ends when it closes. */
  follow(server: FastifyInstance): void {
    server.server.once("listening", () => this.#schedule());
    server.addHook("onClose", async () => {
      clearImmediate(this.#next);
      this.#pieces.length = 0;
    });
  }

  #schedule(): void {
    if (this.#pieces.length === 0) return;
    this.#next = setImmediate(() => {
      try {
        this.#pieces.shift()?.();
      } catch {
        // The request that needs it reports the error, with its route.
      }
      this.#schedule();
    });
    this.#next.unref(); // does not keep the process alive
  }
}
