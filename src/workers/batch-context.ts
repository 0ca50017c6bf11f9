import type { Logger } from "pino";
import type { RequestContext } from "../context.ts";

/** What a handler of batches may know beside its inputs. */
export interface BatchContext {
  /** One for each input, in their order. */
  readonly requests: readonly RequestContext[];
  /** Aborts when nobody waits for the batch any more. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}
