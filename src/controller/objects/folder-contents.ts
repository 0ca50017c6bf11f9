import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import type { ByteRange } from "../../file-headers/byte-range.ts";
import type { ContentFile, Contents } from "./contents.ts";

/** Contents in a folder of this machine: `ab/abcdef…`. */
export class FolderContents implements Contents {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async put(name: string, { path }: ContentFile): Promise<void> {
    const target = this.#pathOf(name);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await rename(path, target);
    await syncFolder(dirname(target));
  }

  async open(name: string, { start, length }: ByteRange): Promise<Readable | undefined> {
    const file = await open(this.#pathOf(name), "r").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (file === undefined) return undefined;
    if (length > 0) return file.createReadStream({ start, end: start + length - 1 });
    await file.close();
    return Readable.from([]);
  }

  async remove(name: string): Promise<void> {
    await rm(this.#pathOf(name), { force: true });
  }

  #pathOf(name: string): string {
    return join(this.#root, name.slice(0, 2), name);
  }
}

/** Makes the names in a folder outlast a loss of power. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
