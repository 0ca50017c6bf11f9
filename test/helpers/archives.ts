import { crc32, deflateRawSync } from "node:zlib";

/** An entry of an archive, with whatever lies about it a test needs. */
export interface ArchiveEntry {
  readonly name: string;
  readonly content?: Uint8Array | string;
  /** The mode of Unix, with the kind of the file. Default: none. */
  readonly mode?: number;
  /** The size that the archive states. */
  readonly statedSize?: number;
  readonly checksum?: number;
  /** Bit 0: encrypted. */
  readonly flags?: number;
  /** 0: not compressed, 8: deflate. */
  readonly method?: number;
}

/** A zip archive with these entries. */
export function zip(entries: readonly ArchiveEntry[], statedCount = entries.length): Uint8Array<ArrayBuffer> {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const { name, content = "", mode = 0, flags = 0, method = 8 } = entry;
    const plain = Buffer.from(content as string);
    const data = method === 8 ? deflateRawSync(plain) : plain;
    const { statedSize = plain.length, checksum = crc32(plain) } = entry;
    const bytes = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(flags | 0x800, 2); // names in UTF-8
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(checksum, 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(statedSize, 18);
    common.writeUInt16LE(bytes.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), common, bytes, data]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE((mode << 16) >>> 0, 6);
    rest.writeUInt32LE(offset, 10);
    directory.push(Buffer.from("PK\x01\x02\x14\x03"), common, rest, bytes);
    locals.push(local);
    offset += local.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06");
  end.writeUInt16LE(statedCount, 8);
  end.writeUInt16LE(statedCount, 10);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(offset, 16);
  return new Uint8Array(Buffer.concat([...locals, listed, end]));
}

/** An archive as a data URI. */
export function zipUri(archive: Uint8Array): string {
  return `data:application/zip;base64,${Buffer.from(archive).toString("base64")}`;
}
