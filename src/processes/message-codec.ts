import { types } from "node:util";
import { DefaultDeserializer, DefaultSerializer } from "node:v8";

/** The maximum length of a message in JSON, in bytes. Messages of {@link encodeMessage} stay far below it. */
const MAX_LINE_BYTES = 2 ** 20;

/** Marks a message by structured clone. A line of JSON never begins with it. */
const CLONE_MARK = 0;
/** The mark, and the length of what follows in 4 bytes, little-endian. */
const CLONE_HEAD_BYTES = 5;

const LINE_FEED = 0x0a;
const OPEN_BRACE = 0x7b;

/**
 * Encodes a message for another process. A small message of plain data is a line of JSON, which is several times faster
 * for such values; every other message is a structured clone. The receiver cannot tell the difference, except that
 * fields of the message itself that are undefined are absent. Values that occur twice in a line are two values.
 * @throws Error if structured clone does not support a value
 */
export function encodeMessage(message: object): string | Buffer {
  return isSmallAndPlain(message) ? `${JSON.stringify(message)}\n` : cloneOf(message);
}

/** The bytes from another process are not a message. */
export class MessageError extends Error {
  override readonly name = "MessageError";
}

/** Decodes messages from chunks of any size. */
export class MessageDecoder {
  readonly #onMessage: (message: unknown) => void;
  /** Pieces of a message that is not complete. */
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  /** The length at which it may be complete. */
  #wanted = 0;

  constructor(onMessage: (message: unknown) => void) {
    this.#onMessage = onMessage;
  }

  /**
   * Passes on the messages that a chunk completes, in order.
   * @throws MessageError for an invalid message. No more may be written then
   */
  write(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#pieces.length > 0) {
      const isLine = this.#pieces[0]?.[0] === OPEN_BRACE;
      const isComplete = isLine ? chunk.includes(LINE_FEED) : this.#pieceBytes + chunk.length >= this.#wanted;
      if (!isComplete) return this.#keep(chunk, isLine);
      bytes = Buffer.concat([...this.#pieces, chunk]);
      this.#pieces = [];
      this.#pieceBytes = this.#wanted = 0;
    }
    let from = 0;
    while (from < bytes.length) {
      const end = this.#decode(bytes, from);
      if (end === undefined) break;
      from = end;
    }
    if (from === bytes.length) return;
    const rest = bytes.subarray(from);
    this.#keep(rest, rest[0] === OPEN_BRACE);
  }

  #keep(piece: Buffer, isLine: boolean): void {
    this.#pieces.push(piece);
    this.#pieceBytes += piece.length;
    if (isLine && this.#pieceBytes > MAX_LINE_BYTES) throw new MessageError("a message is too long");
  }

  /** Decodes the message at an offset. Returns its end; undefined if it is not complete. */
  #decode(bytes: Buffer, from: number): number | undefined {
    const first = bytes[from];
    if (first === OPEN_BRACE) {
      const end = bytes.indexOf(LINE_FEED, from);
      if (end === -1) return undefined;
      this.#onMessage(parse(bytes.toString("utf8", from, end)));
      return end + 1;
    }
    if (first !== CLONE_MARK) throw new MessageError(`a message begins with byte ${first}`);
    const body = from + CLONE_HEAD_BYTES;
    this.#wanted = CLONE_HEAD_BYTES;
    if (bytes.length < body) return undefined;
    const end = body + bytes.readUInt32LE(from + 1);
    this.#wanted = end - from;
    if (bytes.length < end) return undefined;
    this.#onMessage(readClone(bytes.subarray(body, end)));
    return end;
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new MessageError("a line is not JSON", { cause: error });
  }
}

/** Larger messages are cloned: to look at each of their values would take longer than JSON saves. */
const MAX_VALUES = 128;
const MAX_CHARACTERS = 8192;
const MAX_DEPTH = 16;

function isSmallAndPlain(message: object): boolean {
  const check = new PlainCheck();
  for (const name in message) {
    const value = (message as Record<string, unknown>)[name];
    if (value !== undefined && !check.passes(value, 0)) return false;
  }
  return true;
}

/** Whether JSON keeps values exactly as structured clone does. */
class PlainCheck {
  #values = MAX_VALUES;
  #characters = MAX_CHARACTERS;

  passes(value: unknown, depth: number): boolean {
    if (--this.#values < 0) return false;
    switch (typeof value) {
      case "string":
        return (this.#characters -= value.length) >= 0;
      case "boolean":
        return true;
      case "number":
        return Number.isFinite(value) && !Object.is(value, -0);
      case "object":
        return value === null || (depth < MAX_DEPTH && this.#passesObject(value, depth + 1));
      default:
        return false;
    }
  }

  #passesObject(value: object, depth: number): boolean {
    if (types.isProxy(value)) return false; // refused by structured clone
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null || inheritsNothing(prototype as object)) {
      for (const key in value) {
        if ((this.#characters -= key.length) < 0) return false;
        if (!this.passes((value as Record<string, unknown>)[key], depth)) return false;
      }
      return true;
    }
    if (prototype !== Array.prototype || !Array.isArray(value) || value.length > this.#values) return false;
    if (Object.keys(value).length !== value.length) return false; // gaps, or fields with names
    for (const item of value as readonly unknown[]) if (!this.passes(item, depth)) return false;
    return true;
  }
}

/** Whether objects with this prototype inherit nothing, like the parameters of a path in Fastify. */
function inheritsNothing(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Reflect.ownKeys(prototype).length === 0;
}

const CLONE_HEAD = Buffer.alloc(CLONE_HEAD_BYTES);

const IS_VIEW = 0;
const IS_OTHER = 1;

/** As in the messages of `node:child_process`: an object of Node that can't be cloned is sent as its fields. */
class Serializer extends DefaultSerializer {
  _writeHostObject(object: NodeJS.ArrayBufferView): void {
    if (ArrayBuffer.isView(object)) {
      this.writeUint32(IS_VIEW);
      (DefaultSerializer.prototype as unknown as HostObjectWriter)._writeHostObject.call(this, object);
    } else {
      this.writeUint32(IS_OTHER);
      this.writeValue({ ...(object as object) });
    }
  }
}

class Deserializer extends DefaultDeserializer {
  _readHostObject(): unknown {
    if (this.readUint32() === IS_OTHER) return this.readValue();
    return (DefaultDeserializer.prototype as unknown as HostObjectReader)._readHostObject.call(this);
  }
}

interface HostObjectWriter {
  _writeHostObject(this: DefaultSerializer, object: NodeJS.ArrayBufferView): void;
}
interface HostObjectReader {
  _readHostObject(this: DefaultDeserializer): unknown;
}

function cloneOf(message: object): Buffer {
  const serializer = new Serializer();
  serializer.writeRawBytes(CLONE_HEAD);
  serializer.writeHeader();
  serializer.writeValue(message);
  const bytes = serializer.releaseBuffer();
  bytes.writeUInt32LE(bytes.length - CLONE_HEAD_BYTES, 1);
  return bytes;
}

function readClone(bytes: Buffer): unknown {
  try {
    const deserializer = new Deserializer(bytes);
    deserializer.readHeader();
    const message: unknown = deserializer.readValue();
    if (typeof message === "object" && message !== null) return message;
  } catch (error) {
    throw new MessageError("a message is not a structured clone", { cause: error });
  }
  throw new MessageError("a message is not an object");
}
