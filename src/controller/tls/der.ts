/** The parts of DER that a certificate needs: each function returns an encoded value. */
function value(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const long = length < 0x80 ? [] : length < 0x100 ? [length] : [length >> 8, length & 0xff];
  if (length > 0xffff) throw new RangeError("The value is too long.");
  const head = long.length === 0 ? [tag, length] : [tag, 0x80 | long.length, ...long];
  return Buffer.concat([Buffer.from(head), content]);
}

export function sequence(...parts: readonly Buffer[]): Buffer {
  return value(0x30, ...parts);
}

export function set(...parts: readonly Buffer[]): Buffer {
  return value(0x31, ...parts);
}

/** A number of at least 0, from its bytes. */
export function integer(bytes: Buffer): Buffer {
  const start = bytes.findIndex((byte) => byte !== 0);
  const digits = start < 0 ? Buffer.from([0]) : bytes.subarray(start);
  return value(0x02, ...((digits[0] ?? 0) >= 0x80 ? [Buffer.from([0])] : []), digits);
}

export function boolean(is: boolean): Buffer {
  return value(0x01, Buffer.from([is ? 0xff : 0]));
}

/** `1.2.840.10045.4.3.2`. */
export function objectId(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const bytes = rest.flatMap((arc) => {
    const digits = [arc & 0x7f];
    for (let left = arc >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
    return digits;
  });
  return value(0x06, Buffer.from([first * 40 + second, ...bytes]));
}

export function utf8(text: string): Buffer {
  return value(0x0c, Buffer.from(text));
}

/** Years before 2050 have two digits, by RFC 5280. */
export function time(date: Date): Buffer {
  const text = date.toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  return date.getUTCFullYear() < 2050
    ? value(0x17, Buffer.from(text.slice(2)))
    : value(0x18, Buffer.from(text));
}

export function octets(content: Buffer): Buffer {
  return value(0x04, content);
}

/** @param unused bits at the end that do not count */
export function bits(content: Buffer, unused = 0): Buffer {
  return value(0x03, Buffer.from([unused]), content);
}

/** `[n]` with a value in it. */
export function explicit(number: number, content: Buffer): Buffer {
  return value(0xa0 | number, content);
}

/** `[n]` in the place of a simple value's own tag. */
export function implicit(number: number, content: Buffer): Buffer {
  return value(0x80 | number, content);
}
