/** What a call's answer holds: which field, and the bytes of its value. */
export interface Answer {
  readonly field: "result" | "thrown";
  readonly bytes: Buffer;
}

const START = /^\s*\{\s*"(result|thrown)"\s*:\s*"/;
const END = /^\s*\}\s*$/;
/** Within so many bytes an answer says what it is. */
const START_BYTES = 64;
/** So much is kept of what is no answer, in bytes: what is wrong is said in less. */
const OTHER_BYTES = 65_536;
const QUOTE = 0x22;

/**
 * Takes an answer's body as it comes. The value is made into bytes at once, since it may be hundreds of megabytes: it is
 * in memory once, and never as a text. Of a body of another form no more than its beginning is kept.
 */
export class AnswerReader {
  #head = Buffer.alloc(0);
  #field: Answer["field"] | undefined;
  #isOther = false;
  #hasEnded = false;
  /** Digits that are no whole group yet. */
  #rest = "";
  #tail = "";
  readonly #bytes: Buffer[] = [];

  /** Takes the next piece. */
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

  /** Whether nothing that may still come is of any use. */
  get isOver(): boolean {
    return this.#isOther && this.#head.length >= OTHER_BYTES;
  }

  /** The answer, once all has come; undefined when the body is none. */
  answer(): Answer | undefined {
    if (this.#field === undefined || !this.#hasEnded || !END.test(this.#tail)) return undefined;
    return { field: this.#field, bytes: Buffer.concat(this.#bytes) };
  }

  /** What came where it is no answer, or its beginning. */
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
