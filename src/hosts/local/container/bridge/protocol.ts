import type { Writable } from "node:stream";

/**
 * What a frame holds. The numbers are bytes that no UTF-8 text has, so that text which comes where frames should is
 * seen to be none at its first "frame".
 */
export const FRAME = {
  /** To the bridge: what to start, serialized. Once. */
  start: 0xf5,
  /** A message to or from the process, serialized. */
  message: 0xf6,
  /** To the bridge: end the process, and the bridge with it. */
  kill: 0xf7,
  /** From the bridge: it runs. Its first frame. */
  ready: 0xf8,
  /** From the bridge: the process has been given the oldest message. */
  taken: 0xf9,
  /** From the bridge: what the process printed. */
  stdout: 0xfa,
  stderr: 0xfb,
  /** From the bridge: how the process ended, serialized. The last frame. */
  end: 0xfc,
} as const;

/** The kind of a frame. */
export type FrameKind = (typeof FRAME)[keyof typeof FRAME];

/** One frame, as it arrived. */
export interface BridgeFrame {
  readonly kind: FrameKind;
  readonly payload: Buffer;
}

/** What the bridge is to start. */
export interface BridgeStart {
  /** The arguments of the image's Node. */
  readonly args: readonly string[];
  /** Variables beside those of the image. */
  readonly variables: Readonly<Record<string, string>>;
  /** The process is spoken to by messages. */
  readonly hasMessages: boolean;
  /** The memory that the container may take, in bytes. */
  readonly memoryBytes?: number;
}

/** How the process ended that the bridge has started. */
export interface BridgeEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** Why it could not be started. */
  readonly error?: string;
}

const KINDS: ReadonlySet<number> = new Set(Object.values(FRAME));
/** The payload's length, in 4 bytes with the highest first, and the kind in one. */
const HEADER_BYTES = 5;
/** So much of what is no frame is shown. */
const SHOWN_BYTES = 200;
const NOTHING = Buffer.alloc(0);

/**
 * Writes a frame. A payload has less than 4 GiB.
 * @returns false when the stream wants no more for now
 */
export function writeFrame(stream: Writable, kind: FrameKind, payload: Uint8Array = NOTHING): boolean {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32BE(payload.byteLength, 0);
  header[HEADER_BYTES - 1] = kind;
  if (payload.byteLength === 0) return stream.write(header);
  // Not copied into one: a payload may be hundreds of megabytes.
  stream.cork();
  stream.write(header);
  const takesMore = stream.write(payload);
  stream.uncork();
  return takesMore;
}

/** What arrived is no frame. */
export class FrameError extends Error {
  /** @param bytes what arrived instead */
  constructor(bytes: Buffer) {
    const text = bytes
      .toString("utf8", 0, SHOWN_BYTES)
      .replaceAll(/\p{Cc}+/gu, " ")
      .trim();
    super(`something that is no frame came instead of one: "${text}"`);
    this.name = "FrameError";
  }
}

/** Puts frames together again from chunks of any size. */
export class FrameDecoder {
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** What the chunks must hold before there is anything to do. */
  #wanted = HEADER_BYTES;
  #isBroken = false;

  /** Whether the stream may end here: no frame is half there. */
  get isBetweenFrames(): boolean {
    return this.#bytes === 0;
  }

  /**
   * The frames that a chunk completes, in order.
   * @throws FrameError for what is no frame; nothing is decoded after it
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
