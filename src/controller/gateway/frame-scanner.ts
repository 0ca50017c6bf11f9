/** Callbacks of a scanner. */
export interface FrameHooks {
  /** Called at the end of each message: with its text, if it is a short text of a server. */
  readonly onMessage: (text: string | undefined) => void;
}

/** The codes of frames. Those from 8 on control the connection. */
const TEXT = 1;
const CLOSE = 8;
/** The longest head of a frame, in bytes: two, eight of the length, four of the mask. */
const MAX_HEAD = 14;
/** Texts that are longer are not control messages of the app, in bytes. */
const MAX_TEXT = 1_024;

/** Finds the ends of websocket messages in the bytes of one direction. It does not change or keep them. */
export class FrameScanner {
  readonly #hooks: FrameHooks;
  readonly #head = Buffer.allocUnsafe(MAX_HEAD);
  #headLength = 0;
  /** Bytes of the present frame that are still to come. */
  #left = 0;
  #code = 0;
  #isFinal = false;
  #isMasked = false;
  /** Whether the last frame of the present message is still to come. */
  #isInMessage = false;
  #text: Buffer[] | undefined;
  #textBytes = 0;

  constructor(hooks: FrameHooks) {
    this.#hooks = hooks;
  }

  /** Whether the next byte begins a frame, and no message has begun. */
  get isBetween(): boolean {
    return this.#headLength === 0 && this.#left === 0 && !this.#isInMessage;
  }

  /** Whether the byte at a position begins a close frame. */
  beginsClose(chunk: Buffer, at: number): boolean {
    return this.#headLength === 0 && this.#left === 0 && ((chunk[at] as number) & 0x0f) === CLOSE;
  }

  /**
   * Reads bytes from a position on.
   * @param stops whether to stop at the end of the present frame, or of the next one
   * @returns the position behind the last byte read
   */
  scan(chunk: Buffer, from: number, stops: boolean): number {
    let at = from;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at);
        this.#take(chunk, at, taken);
        at += taken;
        this.#left -= taken;
      } else {
        this.#head[this.#headLength++] = chunk[at++] as number;
        if (!this.#readHead()) continue;
      }
      if (this.#left > 0) continue;
      this.#end();
      if (stops) return at;
    }
    return at;
  }

  /** Reads the head, once it is complete. */
  #readHead(): boolean {
    const head = this.#head;
    if (this.#headLength < 2) return false;
    const first = head[0] as number;
    const second = head[1] as number;
    const short = second & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    this.#isMasked = (second & 0x80) !== 0;
    if (this.#headLength < 2 + lengthBytes + (this.#isMasked ? 4 : 0)) return false;
    this.#left =
      lengthBytes === 0 ? short : lengthBytes === 2 ? head.readUInt16BE(2) : Number(head.readBigUInt64BE(2));
    this.#code = first & 0x0f;
    this.#isFinal = (first & 0x80) !== 0;
    this.#headLength = 0;
    if (this.#code === TEXT && !this.#isMasked) {
      this.#text = [];
      this.#textBytes = 0;
    }
    return true;
  }

  #take(chunk: Buffer, at: number, length: number): void {
    if (this.#text === undefined || this.#code >= CLOSE) return;
    this.#textBytes += length;
    if (this.#textBytes > MAX_TEXT) this.#text = undefined;
    else this.#text.push(Buffer.from(chunk.subarray(at, at + length)));
  }

  #end(): void {
    if (this.#code >= CLOSE) return;
    this.#isInMessage = !this.#isFinal;
    if (!this.#isFinal) return;
    const text = this.#text === undefined ? undefined : Buffer.concat(this.#text).toString("utf8");
    this.#text = undefined;
    this.#hooks.onMessage(text);
  }
}
