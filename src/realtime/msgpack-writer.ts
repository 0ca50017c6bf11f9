/**
 * Size of a buffer, which several values share in turn: a buffer of its own, or a copy, costs as much as writing a short
 * value. In bytes.
 */
const SHARED_BYTES = 16 * 1024;
/** A value starts in a new buffer if the rest of the last one is shorter. In bytes. */
const MIN_ROOM = 2 * 1024;
/** Maximum length of a string that is written character by character, as long as it is ASCII. */
const MAX_SPELLED_LENGTH = 64;
/** Maximum bytes of a format and the number behind it. */
const HEAD_BYTES = 9;
const TWO_POW_32 = 2 ** 32;
const TWO_POW_34 = 2 ** 34;

/** Writes values as MessagePack. Fields that are undefined are omitted. */
export class MessagePackWriter {
  readonly #maxDepth: number;
  #bytes = Buffer.allocUnsafeSlow(SHARED_BYTES);
  #view = viewOf(this.#bytes);
  /** Start of the current value. */
  #start = 0;
  #at = 0;
  #isBusy = false;

  /** @param maxDepth maximum number of arrays and maps within each other */
  constructor(maxDepth: number) {
    this.#maxDepth = maxDepth;
  }

  /** @throws Error for a value that is nested too deeply, and for functions, symbols and bigints */
  write(value: unknown): Uint8Array {
    if (this.#isBusy) return new MessagePackWriter(this.#maxDepth).write(value); // called by a getter of a value
    this.#isBusy = true;
    if (this.#bytes.length - this.#start < MIN_ROOM) this.#move(SHARED_BYTES);
    try {
      this.#value(value, 0);
      const bytes = this.#bytes.subarray(this.#start, this.#at);
      this.#start = this.#at;
      return this.#bytes.length > SHARED_BYTES ? copyOf(bytes) : bytes;
    } finally {
      this.#at = this.#start;
      this.#isBusy = false;
      if (this.#bytes.length > SHARED_BYTES) this.#move(SHARED_BYTES); // was made for one large value
    }
  }

  #value(value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        return this.#text(value);
      case "number":
        return this.#number(value);
      case "boolean":
        return this.#head(value ? 0xc3 : 0xc2);
      case "undefined":
        return this.#head(0xc0);
      case "object":
        if (value === null) return this.#head(0xc0);
        if (depth >= this.#maxDepth) throw new Error("The value is nested too deeply for MessagePack.");
        if (Array.isArray(value)) return this.#array(value, depth);
        if (value instanceof Date) return this.#date(value);
        return ArrayBuffer.isView(value) ? this.#binary(value) : this.#map(value, depth);
      default:
        throw new Error(`MessagePack can't hold a ${typeof value}.`);
    }
  }

  #array(items: readonly unknown[], depth: number): void {
    const { length } = items;
    if (length < 16) this.#head(0x90 + length);
    else this.#count(0xdc, 0xdd, length);
    for (let index = 0; index < length; index++) this.#value(items[index], depth + 1);
  }

  #map(map: object, depth: number): void {
    const fields = map as Readonly<Record<string, unknown>>;
    const keys = Object.keys(fields);
    let size = 0;
    for (const key of keys) if (fields[key] !== undefined) size++;
    if (size < 16) this.#head(0x80 + size);
    else this.#count(0xde, 0xdf, size);
    for (const key of keys) {
      const value = fields[key];
      if (value === undefined) continue;
      this.#text(key);
      this.#value(value, depth + 1);
    }
  }

  #text(text: string): void {
    const { length } = text;
    if (length <= MAX_SPELLED_LENGTH && this.#spell(text)) return;
    const bytes = Buffer.byteLength(text);
    if (bytes < 32) this.#head(0xa0 + bytes);
    else if (bytes < 0x100) this.#short(0xd9, bytes);
    else this.#count(0xda, 0xdb, bytes);
    this.#reserve(bytes);
    this.#at += this.#bytes.write(text, this.#at);
  }

  /** Writes a short string of ASCII. Returns false for other characters. */
  #spell(text: string): boolean {
    const { length } = text;
    this.#reserve(HEAD_BYTES + length);
    const bytes = this.#bytes;
    const headLength = length < 32 ? 1 : 2;
    const start = this.#at + headLength;
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) return false;
      bytes[start + index] = code;
    }
    if (headLength === 1) bytes[this.#at] = 0xa0 + length;
    else {
      bytes[this.#at] = 0xd9;
      bytes[this.#at + 1] = length;
    }
    this.#at = start + length;
    return true;
  }

  #number(number: number): void {
    if (!Number.isSafeInteger(number)) {
      this.#head(0xcb);
      this.#view.setFloat64(this.#at, number);
      this.#at += 8;
    } else if (number >= 0) {
      if (number < 0x80) this.#head(number);
      else if (number < 0x100) this.#short(0xcc, number);
      else if (number < TWO_POW_32) this.#count(0xcd, 0xce, number);
      else this.#wide(0xcf, number);
    } else if (number >= -0x20) this.#head(0x100 + number);
    else if (number >= -0x80) this.#short(0xd0, number);
    else if (number >= -0x8000) {
      this.#head(0xd1);
      this.#view.setInt16(this.#at, number);
      this.#at += 2;
    } else if (number >= -0x80000000) {
      this.#head(0xd2);
      this.#view.setInt32(this.#at, number);
      this.#at += 4;
    } else this.#wide(0xd3, number);
  }

  #binary({ buffer, byteOffset, byteLength }: ArrayBufferView): void {
    if (byteLength < 0x100) this.#short(0xc4, byteLength);
    else this.#count(0xc5, 0xc6, byteLength);
    this.#reserve(byteLength);
    this.#bytes.set(new Uint8Array(buffer, byteOffset, byteLength), this.#at);
    this.#at += byteLength;
  }

  /** A timestamp in the shortest of its formats. */
  #date(date: Date): void {
    const milliseconds = date.getTime();
    const seconds = Math.floor(milliseconds / 1000);
    const nanoseconds = (milliseconds - seconds * 1000) * 1e6;
    if (nanoseconds === 0 && seconds >= 0 && seconds < TWO_POW_32) {
      this.#short(0xd6, TIMESTAMP);
      this.#uint32(seconds);
    } else if (seconds >= 0 && seconds < TWO_POW_34) {
      this.#short(0xd7, TIMESTAMP);
      this.#uint32(nanoseconds * 4 + Math.floor(seconds / TWO_POW_32));
      this.#uint32(seconds);
    } else {
      this.#short(0xc7, 12);
      this.#head(TIMESTAMP);
      this.#uint32(nanoseconds);
      this.#int64(seconds);
    }
  }

  /** A format, which other bytes may follow. */
  #head(format: number): void {
    this.#reserve(HEAD_BYTES);
    this.#bytes[this.#at++] = format;
  }

  /** A number of one byte. */
  #short(format: number, number: number): void {
    this.#head(format);
    this.#bytes[this.#at++] = number;
  }

  /** A number of two or four bytes. */
  #count(twoBytes: number, fourBytes: number, number: number): void {
    if (number >= 0x10000) {
      this.#head(fourBytes);
      this.#uint32(number);
      return;
    }
    this.#head(twoBytes);
    this.#view.setUint16(this.#at, number);
    this.#at += 2;
  }

  /** A number of eight bytes. */
  #wide(format: number, number: number): void {
    this.#head(format);
    this.#int64(number);
  }

  #int64(number: number): void {
    this.#reserve(8);
    this.#view.setInt32(this.#at, Math.floor(number / TWO_POW_32));
    this.#view.setUint32(this.#at + 4, number);
    this.#at += 8;
  }

  #uint32(number: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#at, number);
    this.#at += 4;
  }

  /** Makes room for more bytes. */
  #reserve(bytes: number): void {
    if (this.#at + bytes > this.#bytes.length) {
      this.#move(Math.max(SHARED_BYTES, (this.#at - this.#start + bytes) * 2));
    }
  }

  /** Continues the value in a new buffer. */
  #move(length: number): void {
    const bytes = Buffer.allocUnsafeSlow(length);
    this.#bytes.copy(bytes, 0, this.#start, this.#at);
    this.#at -= this.#start;
    this.#start = 0;
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }
}

/** The type of the extension for timestamps, -1 as a byte. */
const TIMESTAMP = 0xff;

/** A copy in memory of its own: Node's pool, which `Buffer.from()` takes from, would be held as a whole. */
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
