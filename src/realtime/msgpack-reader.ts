/** Keys that were read, by a hash of their bytes: reading a string costs more than comparing its bytes. */
const KNOWN_KEYS = 1024;
/** Maximum length of a known key, in bytes. */
const MAX_KNOWN_LENGTH = 32;
/** Maximum length of a string that is built character by character, in bytes. */
const MAX_SPELLED_LENGTH = 8;
const TWO_POW_32 = 2 ** 32;

interface KnownKey {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** Builds the value of a MessagePack frame that has been scanned: all lengths, keys and types are valid. */
export class MessagePackReader {
  readonly #keys: (KnownKey | undefined)[] = Array.from({ length: KNOWN_KEYS }, () => undefined);
  /** For numbers of several bytes. */
  readonly #number = new DataView(new ArrayBuffer(8));
  #frame: Uint8Array = NOTHING;
  /** The same bytes. */
  #buffer: Buffer = NOTHING;
  #at = 0;

  /** @throws Error for the key `__proto__` */
  read(frame: Uint8Array): unknown {
    this.#frame = frame;
    this.#buffer = Buffer.isBuffer(frame)
      ? frame
      : Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
    this.#at = 0;
    const value = this.#value();
    this.#frame = this.#buffer = NOTHING; // so that the frame can be collected
    return value;
  }

  #value(): unknown {
    const byte = this.#byte();
    if (byte < 0x80) return byte;
    if (byte < 0x90) return this.#map(byte & 0x0f);
    if (byte < 0xa0) return this.#array(byte & 0x0f);
    if (byte < 0xc0) return this.#text(byte & 0x1f);
    if (byte >= 0xe0) return byte - 0x100;
    return this.#long(byte);
  }

  /** A value with a format of its own. */
  #long(format: number): unknown {
    switch (format) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#bytes(this.#unsigned(1 << (format - 0xc4)));
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#timestamp(this.#unsigned(1 << (format - 0xc7)));
      case 0xca:
        return this.#digits(4).getFloat32(0);
      case 0xcb:
        return this.#digits(8).getFloat64(0);
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#unsigned(1 << (format - 0xcc));
      case 0xcf:
        return this.#unsigned(4) * TWO_POW_32 + this.#unsigned(4);
      case 0xd0:
        return this.#digits(1).getInt8(0);
      case 0xd1:
        return this.#digits(2).getInt16(0);
      case 0xd2:
        return this.#digits(4).getInt32(0);
      case 0xd3:
        return this.#digits(4).getInt32(0) * TWO_POW_32 + this.#unsigned(4);
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#unsigned(1 << (format - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#unsigned(2 << (format - 0xdc)));
      case 0xde:
      case 0xdf:
        return this.#map(this.#unsigned(2 << (format - 0xde)));
      default:
        return this.#timestamp(1 << (format - 0xd4));
    }
  }

  #map(size: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    for (let left = size; left > 0; left--) {
      const byte = this.#byte();
      const key = this.#key(byte < 0xc0 ? byte & 0x1f : this.#unsigned(1 << (byte - 0xd9)));
      map[key] = this.#value();
    }
    return map;
  }

  #array(size: number): unknown[] {
    const array: unknown[] = [];
    for (let left = size; left > 0; left--) array.push(this.#value());
    return array;
  }

  #key(length: number): string {
    if (length === 0 || length > MAX_KNOWN_LENGTH) return this.#newKey(length);
    const bytes = this.#buffer;
    const start = this.#at;
    const end = start + length;
    const outer = (bytes[start] as number) * 17 + (bytes[end - 1] as number);
    const slot = (length * 37 + outer + (bytes[start + (length >> 1)] as number) * 5) % KNOWN_KEYS;
    const known = this.#keys[slot];
    if (known !== undefined && known.bytes.length === length) {
      let same = 0;
      while (same < length && known.bytes[same] === bytes[start + same]) same++;
      if (same === length) {
        this.#at = end;
        return known.text;
      }
    }
    const text = this.#newKey(length);
    this.#keys[slot] = { bytes: Uint8Array.from(bytes.subarray(start, end)), text };
    return text;
  }

  #newKey(length: number): string {
    const key = this.#text(length);
    if (key === "__proto__") throw new Error("the key __proto__ is not allowed");
    return key;
  }

  #text(length: number): string {
    const bytes = this.#buffer;
    const start = this.#at;
    this.#at = start + length;
    if (length > MAX_SPELLED_LENGTH) return bytes.toString(undefined, start, this.#at);
    let text = "";
    for (let index = start; index < this.#at; index++) {
      const byte = bytes[index] as number;
      if (byte > 0x7f) return bytes.toString(undefined, start, this.#at);
      text += String.fromCharCode(byte);
    }
    return text;
  }

  #bytes(length: number): Uint8Array {
    const start = this.#at;
    this.#at = start + length;
    return this.#frame.subarray(start, this.#at);
  }

  /** The only extension. */
  #timestamp(length: number): Date {
    this.#at++; // its type
    if (length === 4) return new Date(this.#unsigned(4) * 1000);
    const head = this.#unsigned(4);
    if (length === 8) {
      const seconds = (head & 3) * TWO_POW_32 + this.#unsigned(4);
      return new Date(seconds * 1000 + (head >>> 2) / 1e6);
    }
    const seconds = this.#digits(4).getInt32(0) * TWO_POW_32 + this.#unsigned(4);
    return new Date(seconds * 1000 + head / 1e6);
  }

  #byte(): number {
    return this.#buffer[this.#at++] as number;
  }

  /** A number of 1, 2 or 4 bytes. */
  #unsigned(length: number): number {
    let number = 0;
    for (let left = length; left > 0; left--) number = number * 256 + this.#byte();
    return number;
  }

  /** The next bytes, to be read as a number. */
  #digits(length: number): DataView {
    for (let index = 0; index < length; index++) this.#number.setUint8(index, this.#byte());
    return this.#number;
  }
}

const NOTHING = Buffer.alloc(0);
