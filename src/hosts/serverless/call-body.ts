import { serialize } from "node:v8";
import { serializationFailure } from "../../functions/serializable-values.ts";
import { assertFits, CALL_FORMAT } from "./server/call-protocol.ts";

/** So much is made into text at a time, in bytes: whole groups of three. */
const PIECE_BYTES = 3 * 2 ** 16;
const START = `{"format":${CALL_FORMAT},"args":"`;
const END = `"}`;

/** The body of a call. Its arguments are in memory once, and made into text while they are sent. */
export class CallBody {
  readonly #args: Buffer;
  /** How long it is, in bytes. */
  readonly length: number;

  /**
   * @param functionName for messages
   * @throws FalSerializationError when the arguments are too large
   */
  constructor(functionName: string, args: readonly unknown[]) {
    const label = `the arguments of ${functionName}`;
    try {
      this.#args = serialize(args);
    } catch (error) {
      throw serializationFailure(error, args, label);
    }
    assertFits(this.#args.length, label);
    this.length = START.length + Math.ceil(this.#args.length / 3) * 4 + END.length;
  }

  /** All of it, from the beginning; it may be sent again. */
  *pieces(): Generator<Buffer> {
    yield Buffer.from(START);
    for (let at = 0; at < this.#args.length; at += PIECE_BYTES) {
      yield Buffer.from(this.#args.toString("base64", at, at + PIECE_BYTES), "latin1");
    }
    yield Buffer.from(END);
  }
}
