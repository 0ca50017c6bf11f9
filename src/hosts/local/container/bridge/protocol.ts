import type { Writable } from "node:stream";

/** The kinds of frames. The numbers never occur in UTF-8 text, so that text in place of a frame is detected. */
export const FRAME = {
  /** To the bridge: the process to start, serialized. Sent once. */
  start: 0xf5,
  /** A message to or from the process, serialized. */
  message: 0xf6,
  /** To the bridge: end the process, and the bridge with it. */
  kill: 0xf7,
  /** From the bridge: it is running. Its first frame. */
  ready: 0xf8,
  /** From the bridge: the oldest message has been passed to the process. */
  acknowledged: 0xf9,
  /** From the bridge: output of the process. */
  stdout: 0xfa,
  stderr: 0xfb,
  /** From the bridge: the end of the process, serialized. The last frame. */
  end: 0xfc,
} as const;

/** The kind of a frame. */
export type FrameKind = (typeof FRAME)[keyof typeof FRAME];

/** A received frame. */
export interface BridgeFrame {
  readonly kind: FrameKind;
  readonly payload: Buffer;
}

/** The process that the bridge starts. */
export interface BridgeStart {
  /** The arguments of the image's Node. */
  readonly args: readonly string[];
  /** Variables in addition to those of the image. */
  readonly variables: Readonly<Record<string, string>>;
  /** The process has an IPC channel. */
  readonly hasMessages: boolean;
  /** The container's memory limit, in bytes. */
  readonly memoryBytes?: number;
}

/** The end of the process that the bridge has started. */
export interface BridgeEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** The reason that it could not be started. */
  readonly error?: string;
}

const KINDS: ReadonlySet<number> = new Set(Object.values(FRAME));
/** The payload's length in 4 bytes, big-endian, and the kind in 1 byte. */
const HEADER_BYTES = 5;
/** Number of bytes of invalid input shown in an error. */
const SHOWN_BYTES = 200;
const NOTHING = Buffer.alloc(0);

/**
 * Writes a frame with a payload of less than 4 GiB.
 * @returns false if the stream's buffer is full
 */
export function writeFrame(stream: Writable, kind: FrameKind, payload: Uint8Array = NOTHING): boolean {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32BE(payload.byteLength, 0);
  header[HEADER_BYTES - 1] = kind;
  if (payload.byteLength === 0) return stream.write(header);
  // Not joined into one buffer: a payload may be hundreds of megabytes.
  stream.cork();
  stream.write(header);
  const takesMore = stream.write(payload);
  stream.uncork();
  return takesMore;
}

/** The input is not a valid frame. */
export class FrameError extends Error {
  /** @param bytes the invalid input */
  constructor(bytes: Buffer) {
    const text = bytes
      .toString("utf8", 0, SHOWN_BYTES)
      .replaceAll(/\p{Cc}+/gu, " ")
      .trim();
    super(`expected a frame, got "${text}"`);
    this.name = "FrameError";
  }
}

/** Decodes frames from chunks of any size. */
export class FrameDecoder {
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Number of bytes needed for the next step. */
  #wanted = HEADER_BYTES;
  #isBroken = false;

  /** Whether the input so far ends with a complete frame. */
  get isBetweenFrames(): boolean {
    return this.#bytes === 0;
  }

  /**
   * The frames that a chunk completes, in order.
   * @throws FrameError for an invalid frame; nothing is decoded after it
   */
  *write(chunk: Buffer): Generator<BridgeFrame, void, undefined> {
    if (this.#isBroken) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes >= this.#wanted) {
      const bytes = this.#joined();
      const kind = bytes[HEADER_BYTES - 1] as number;
      if (!isKind(kind)) {
        this.#isBroken = true;
        throw new FrameError(bytes);
      }
      const end = HEADER_BYTES + bytes.readUInt32BE(0);
      if (bytes.length < end) {
        this.#wanted = end;
        return;
      }
      this.#keep(bytes.subarray(end));
      yield { kind, payload: bytes.subarray(HEADER_BYTES, end) };
    }
  }

  #joined(): Buffer {
    return this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
  }

  #keep(rest: Buffer): void {
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
    this.#wanted = HEADER_BYTES;
  }
}

function isKind(byte: number): byte is FrameKind {
  return KINDS.has(byte);
}
