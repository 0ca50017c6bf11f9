import type { Logger } from "pino";
import { asError } from "./answers.ts";

/** The iterator of a streaming handler's result. */
export type Items = Iterator<unknown, unknown> | AsyncIterator<unknown, unknown>;

/** @throws TypeError when it is not iterable. */
export function iteratorOf(value: unknown, methodName: string): Items {
  if (typeof value === "object" && value !== null) {
    if (Symbol.asyncIterator in value) return (value as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    if (Symbol.iterator in value) return (value as Iterable<unknown>)[Symbol.iterator]();
  }
  throw new TypeError(
    `${methodName}() is a stream but returned no iterable; write "async *${methodName}(…)"`,
  );
}

/**
 * Whether a result of an endpoint with `stream: "optional"` is a stream: an async iterable, or a generator. Lists, sets
 * and maps are single results.
 */
export function isStreamOfItems(value: unknown): value is AsyncIterable<unknown> | Iterable<unknown> {
  if (typeof value !== "object" || value === null) return false;
  if (Symbol.asyncIterator in value) return true;
  return Symbol.iterator in value && "next" in value && typeof value.next === "function";
}

/** Tells a generator to clean up, which it does at its next yield. Resolves when it has; never rejects. */
export async function closeItems(items: Items | undefined, log: Logger): Promise<void> {
  try {
    await items?.return?.();
  } catch (error) {
    log.error({ err: asError(error) }, "the stream failed while it was closed");
  }
}
