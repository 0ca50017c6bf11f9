/**
 * The format of a call of an isolated function over HTTP, shared by the host and the server. `docs/wire/calls.md`
 * describes it.
 * @module
 */
import { deserialize, serialize } from "node:v8";
import { FalSerializationError } from "../../../errors.ts";

/** The version of the format. A server rejects an unknown version. */
export const CALL_FORMAT = 1;

/** The largest body, in bytes: the maximum length of a string in Node. */
export const BODY_LIMIT_BYTES = 2 ** 29 - 24;

/** Upper bound for the length of a body without its value, in bytes. */
const FRAME_BYTES = 64;

/** Printed by the server to both output streams at the end of a call, to mark the end of the function's output. */
export const END_OF_OUTPUT = "[servable] the call has ended";

/** The body of a call: `POST /`. */
export interface CallBody {
  readonly format: number;
  /** The list of arguments, {@link packed}. */
  readonly args: string;
}

/** The answer: the function's result, or the encoded error; both {@link packed}. */
export type CallAnswer = { readonly result: string } | { readonly thrown: string };

/**
 * A value as text: serialized by structured clone, in base64.
 * @param label names the value in messages
 * @throws FalSerializationError if it is too large
 */
export function packed(value: unknown, label = "a value"): string {
  const bytes = serialize(value);
  assertFits(bytes.length, label);
  return bytes.toString("base64");
}

/** The value of a {@link packed} text. @throws for an invalid text */
export function unpacked(text: string): unknown {
  return deserialize(Buffer.from(text, "base64"));
}

/** @throws FalSerializationError if a value of this size is too large for a body */
export function assertFits(bytes: number, label: string): void {
  const limit = Math.floor(((BODY_LIMIT_BYTES - FRAME_BYTES) / 4) * 3);
  if (bytes <= limit) return;
  const megabytes = (count: number): string => `${Math.floor(count / 1e6)} MB`;
  throw new FalSerializationError(
    `${label} is too large: it has ${megabytes(bytes)}, and no more than ${megabytes(limit)} can be sent; store it elsewhere, and pass its location`,
  );
}
