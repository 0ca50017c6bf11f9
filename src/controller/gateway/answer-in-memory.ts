import { GatewayError } from "./gateway-error.ts";
import type { AnswerTarget } from "./request-proxy.ts";

/** An app's answer that is read into memory, up to a size. */
export class AnswerInMemory implements AnswerTarget {
  status = 0;
  headers: Readonly<Record<string, string | string[]>> = {};
  /** Set once the answer is too large. */
  reason: GatewayError | undefined;
  onLeft: ((reason: GatewayError) => void) | undefined;
  readonly #maxBytes: number;
  readonly #chunks: Buffer[] = [];
  #size = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get body(): Buffer {
    return this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
  }

  writeHead(status: number, headers: Record<string, string | string[]>): void {
    this.status = status;
    this.headers = headers;
  }

  flushHeaders(): void {}

  write(chunk: Buffer): boolean {
    this.#size += chunk.length;
    if (this.#size <= this.#maxBytes) this.#chunks.push(chunk);
    else if (this.reason === undefined) {
      this.reason = new GatewayError(
        "insufficient_storage",
        `The answer has more than ${this.#maxBytes} bytes, the limit of the queue: quotas.queue_answer_mb of platform.toml.`,
      );
      this.onLeft?.(this.reason);
    }
    return true;
  }

  end(chunk?: Buffer): void {
    if (chunk !== undefined) this.write(chunk);
  }

  once(): void {} // never full
}
