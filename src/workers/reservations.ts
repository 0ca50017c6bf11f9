import type { Logger } from "pino";
import type { RequestContext } from "../context.ts";
import { encodeThrown } from "../processes/thrown-codec.ts";
import type { Reservation, ReservedFacts } from "../routes/media-runtime.ts";
import type { AskMessage, ToldMessage } from "./protocol.ts";

/** Reserves the URL of a file that belongs to a request. */
export type ReserveFile = (context: RequestContext, facts: ReservedFacts) => Promise<Reservation>;

/** The URLs that the handlers of one worker have reserved. Those of a worker that ends are given up. */
export class Reservations {
  readonly #reserve: ReserveFile | undefined;
  readonly #log: Logger;
  readonly #open = new Map<number, Reservation>();
  #hasEnded = false;

  /** @param reserve undefined where no route has files */
  constructor(reserve: ReserveFile | undefined, log: Logger) {
    this.#reserve = reserve;
    this.#log = log;
  }

  /**
   * Answers a question. Never rejects.
   * @param contexts the contexts of the call that the question names; undefined if it has ended
   */
  async answer(
    { key, ask }: AskMessage,
    contexts: readonly RequestContext[] | undefined,
  ): Promise<ToldMessage> {
    try {
      if (ask.kind === "reserve") {
        const value = await this.#add(key, contexts?.[ask.item], ask.facts);
        return { type: "told", key, value };
      }
      const reservation = this.#open.get(ask.reserved);
      this.#open.delete(ask.reserved);
      if (reservation === undefined)
        throw new Error("The reserved URL is not open any more: call complete() or abort(), once.");
      const done = ask.kind === "complete" ? reservation.complete(ask.content) : reservation.abort();
      return { type: "told", key, value: await done };
    } catch (error) {
      return { type: "told", key, thrown: encodeThrown(error) };
    }
  }

  /** The worker has ended: gives up the URLs whose files it has not sent. */
  end(): void {
    this.#hasEnded = true;
    for (const reservation of this.#open.values()) this.#giveUp(reservation);
    this.#open.clear();
  }

  async #add(key: number, context: RequestContext | undefined, facts: ReservedFacts): Promise<object> {
    if (context === undefined || this.#reserve === undefined)
      throw new Error("reserve() in a worker needs a call that has not ended.");
    const reservation = await this.#reserve(context, facts);
    if (this.#hasEnded) this.#giveUp(reservation);
    else this.#open.set(key, reservation);
    const { url, contentType, fileName } = reservation;
    return { url, contentType, fileName };
  }

  #giveUp(reservation: Reservation): void {
    reservation.abort().catch((err: unknown) => {
      this.#log.warn({ err }, `the reserved URL ${reservation.url} could not be given up`);
    });
  }
}
