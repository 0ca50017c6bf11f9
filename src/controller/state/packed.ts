/** Bytes of several rows in one parameter, which is sent as it is: a list of bytes would be sent as text, twice as long. */
export interface PackedBytes {
  readonly bytes: Buffer;
  /** Where each begins, counted from 1. */
  readonly from: readonly string[];
  /** The length of each; -1 for null. */
  readonly length: readonly string[];
}

/** Packs the bytes of rows: `substring(bytes from … for …)` unpacks them. */
export function packed(parts: readonly (Buffer | null)[]): PackedBytes {
  const from: string[] = [];
  const length: string[] = [];
  let next = 1;
  for (const part of parts) {
    from.push(String(next));
    length.push(String(part?.length ?? -1));
    next += part?.length ?? 0;
  }
  const present = parts.filter((part) => part !== null);
  return { bytes: present.length === 1 ? (present[0] as Buffer) : Buffer.concat(present), from, length };
}
