import { deserialize, serialize } from "node:v8";
import { FalServerlessError } from "../../errors.ts";
import { serializationFailure } from "../../functions/serializable-values.ts";
import { decodeThrown, type WireThrown } from "../../processes/thrown-codec.ts";
import { assertFits, CALL_FORMAT } from "./server/call-protocol.ts";

/** Size of a piece that is converted to base64, in bytes: a multiple of three. */
const PIECE_BYTES = 3 * 2 ** 16;
const BODY_START = `{"format":${CALL_FORMAT},"args":"`;
const BODY_END = `"}`;

/** The body of a call. Its arguments are in memory once, and converted to text while they are sent. */
export class EncodedCall {
  readonly #args: Buffer;
  /** Length of the body, in bytes. */
  readonly length: number;

  /**
   * @param functionName for messages
   * @throws FalSerializationError if the arguments can't be serialized or are too large
   */
  constructor(functionName: string, args: readonly unknown[]) {
    const label = `the arguments of ${functionName}`;
    try {
      this.#args = serialize(args);
    } catch (error) {
      throw serializationFailure(error, args, label);
    }
    assertFits(this.#args.length, label);
    this.length = BODY_START.length + Math.ceil(this.#args.length / 3) * 4 + BODY_END.length;
  }

  /** The whole body from the start. May be called again to resend it. */
  *pieces(): Generator<Buffer> {
    yield Buffer.from(BODY_START);
    for (let at = 0; at < this.#args.length; at += PIECE_BYTES) {
      yield Buffer.from(this.#args.toString("base64", at, at + PIECE_BYTES), "latin1");
    }
    yield Buffer.from(BODY_END);
  }
}

/** The answer to a call: its field, and the bytes of the field's value. */
export interface Answer {
  readonly field: "result" | "thrown";
  readonly bytes: Buffer;
}

const START = /^\s*\{\s*"(result|thrown)"\s*:\s*"/;
const END = /^\s*\}\s*$/;
/** Length in bytes within which the field's name must be found. */
const START_BYTES = 64;
/** Number of bytes kept of a body that is not an answer, for an error message. */
const OTHER_BYTES = 65_536;
const QUOTE = 0x22;

/**
 * Decodes an answer's body while it arrives. A value may be hundreds of megabytes: it is decoded immediately, so that it
 * is in memory once and never as text. Of any other body, only the beginning is kept.
 */
export class AnswerReader {
  #head = Buffer.alloc(0);
  #field: Answer["field"] | undefined;
  #isOther = false;
  #hasEnded = false;
  /** Base64 digits of an incomplete group. */
  #rest = "";
  #tail = "";
  readonly #bytes: Buffer[] = [];

  /** Decodes the next chunk. */
  push(chunk: Buffer): void {
    if (this.#field !== undefined) return this.#decode(chunk);
    const before = this.#head.length;
    if (before >= OTHER_BYTES) return;
    this.#head = Buffer.concat([this.#head, chunk.subarray(0, OTHER_BYTES)]);
    if (this.#isOther) return;
    const start = this.#head.toString("latin1", 0, START_BYTES);
    const [all, field] = START.exec(start) ?? [];
    if (all === undefined) this.#isOther = this.#head.length >= START_BYTES;
    else {
      this.#field = field as Answer["field"];
      this.#decode(chunk.subarray(all.length - before));
    }
  }

  /** Whether the rest of the body can be ignored. */
  get isOver(): boolean {
    return this.#isOther && this.#head.length >= OTHER_BYTES;
  }

  /** The answer, after the last chunk; undefined if the body is not a valid answer. */
  answer(): Answer | undefined {
    if (this.#field === undefined || !this.#hasEnded || !END.test(this.#tail)) return undefined;
    return { field: this.#field, bytes: Buffer.concat(this.#bytes) };
  }

  /** The beginning of a body that is not an answer. */
  text(): string {
    return this.#head.toString("utf8", 0, OTHER_BYTES);
  }

  #decode(chunk: Buffer): void {
    if (this.#hasEnded) {
      if (this.#tail.length < START_BYTES) this.#tail += chunk.toString("latin1", 0, START_BYTES);
      return;
    }
    const quote = chunk.indexOf(QUOTE);
    const digits = this.#rest + chunk.toString("latin1", 0, quote === -1 ? chunk.length : quote);
    const whole = quote === -1 ? digits.length - (digits.length % 4) : digits.length;
    this.#bytes.push(Buffer.from(digits.slice(0, whole), "base64"));
    this.#rest = digits.slice(whole);
    if (quote === -1) return;
    this.#hasEnded = true;
    this.#decode(chunk.subarray(quote + 1));
  }
}

/** The outcome of an answered call. */
export type Outcome = { readonly value: unknown } | { readonly thrown: unknown };

export function readOutcome(name: string, { field, bytes }: Answer): Outcome {
  try {
    const value: unknown = deserialize(bytes);
    return field === "result" ? { value } : { thrown: decodeThrown(value as WireThrown) };
  } catch (error) {
    const message = `The call of ${name} was answered with something that can't be read; is it the function that answers?`;
    throw new FalServerlessError("RUN_FAILED", message, { cause: error });
  }
}
