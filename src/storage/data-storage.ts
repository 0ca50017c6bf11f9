import { readFile } from "node:fs/promises";
import { storageFailure } from "./failures.ts";
import type { FileStorage, StorableFile, StoredFile } from "./file-storage.ts";

/** Maximum size of a file, in bytes: JSON with a larger one exceeds what a text can hold, or what memory can. */
const MAX_BYTES = 100 * 1024 ** 2;

/** Puts files into the answer itself, as data URIs. */
export class DataStorage implements FileStorage {
  readonly name = "data";

  async store({ bytes, path, size, contentType }: StorableFile): Promise<StoredFile> {
    if (size > MAX_BYTES) {
      const why = `it has ${size} bytes, and a data URI may have ${MAX_BYTES}; choose another storage, such as "local"`;
      throw storageFailure(this.name, why);
    }
    const content = bytes ?? (await readFile(path as string));
    const data = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString("base64");
    return { url: `data:${contentType};base64,${data}` };
  }
}
