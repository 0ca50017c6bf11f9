import type { ServerResponse } from "node:http";
import { GatewayError } from "./gateway-error.ts";

/**
 * Tells when the caller of a request leaves before its answer is complete. It makes a signal only for those that wait:
 * most requests find a free runner, and a signal costs more than all else that the gateway does.
 */
export class Departure {
  /** Called once when the caller leaves. */
  onLeft: ((reason: GatewayError) => void) | undefined;
  #controller: AbortController | undefined;
  #reason: GatewayError | undefined;

  constructor(response: ServerResponse) {
    // The caller may have left while its key was looked up.
    if (response.destroyed) this.#leave();
    else {
      response.once("close", () => {
        if (!response.writableFinished) this.#leave();
      });
    }
  }

  #leave(): void {
    this.#reason = new GatewayError("client_disconnected", "The caller left.");
    this.#controller?.abort(this.#reason);
    this.onLeft?.(this.#reason);
  }

  /** Set once the caller has left. */
  get reason(): GatewayError | undefined {
    return this.#reason;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }
}
