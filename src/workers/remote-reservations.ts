import { resolve as absolute } from "node:path";
import { decodeThrown } from "../processes/thrown-codec.ts";
import type { MediaCall, Reservation } from "../routes/media-runtime.ts";
import type { AskMessage, FromWorker, ToldMessage } from "./protocol.ts";

interface Asker {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** Reserves URLs of files for the handlers of a worker, by asking the main process, which has the storage. */
export class RemoteReservations {
  readonly #send: (message: FromWorker) => unknown;
  readonly #waiting = new Map<number, Asker>();
  #keys = 0;

  constructor(send: (message: FromWorker) => unknown) {
    this.#send = send;
  }

  /** The part of a call's files that handlers look for in the context. @param item the index of the context */
  of(call: number, item: number): Pick<MediaCall, "reserve"> {
    return {
      reserve: async (facts) => {
        const reserved = ++this.#keys;
        const known = await this.#ask(reserved, { kind: "reserve", call, item, facts });
        return {
          ...(known as Pick<Reservation, "url" | "contentType" | "fileName">),
          complete: async (given) => {
            const content = typeof given === "string" ? absolute(given) : given;
            const ask = { kind: "complete", reserved, content } as const;
            return (await this.#ask(++this.#keys, ask)) as { size: number };
          },
          abort: async () => void (await this.#ask(++this.#keys, { kind: "abort", reserved })),
        };
      },
    };
  }

  /** Takes an answer. */
  receive(message: ToldMessage): void {
    const asker = this.#waiting.get(message.key);
    this.#waiting.delete(message.key);
    if ("thrown" in message) asker?.reject(decodeThrown(message.thrown));
    else asker?.resolve(message.value);
  }

  #ask(key: number, ask: AskMessage["ask"]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(key, { resolve, reject });
      this.#send({ type: "ask", key, ask });
    });
  }
}
