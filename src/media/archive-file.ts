import { rm } from "node:fs/promises";
import type { ExtractedFile } from "./archive-extraction.ts";
import { NO_LIMITS } from "./file-limits.ts";
import { MediaFile, type Origin } from "./media-file.ts";
import type { StatedFacts } from "./wire-file.ts";

/** The folder with the content of an archive. It is removed when the call is answered. */
export interface ExtractedArchive extends AsyncDisposable {
  /** The folder. */
  readonly path: string;
  /** Its files, in the order of the archive. Folders are not listed. */
  readonly files: readonly ExtractedFile[];
  /** Removes the folder now. */
  remove(): Promise<void>;
}

/** A zip archive. See {@link MediaFile}. */
export class ArchiveFile extends MediaFile<"archive"> {
  /** Not for apps: use `CompressedFile.fromBytes()` and the like. */
  constructor(origin: Origin, facts?: StatedFacts) {
    super("archive", origin, facts);
  }

  /**
   * Extracts the archive into a new temporary folder. Rejects if it is damaged or encrypted, if a name leads out of the
   * folder, if an entry is a link or a device, or if it breaks a limit of its schema. Then nothing stays on the disk.
   */
  async extract(): Promise<ExtractedArchive> {
    const content = await this.load();
    const path = this.temporary.newFile();
    const remove = (): Promise<void> => rm(path, { recursive: true, force: true });
    const { extractArchive, ArchiveFault } = await import("./archive-extraction.ts");
    try {
      const { limits, signal } = this.binding ?? { limits: NO_LIMITS, signal: undefined };
      const files = await extractArchive(content, path, { limits, signal });
      return { path, files, remove, [Symbol.asyncDispose]: remove };
    } catch (error) {
      await remove();
      if (error instanceof ArchiveFault) throw this.unreadable(error.message, error.type, error.ctx);
      throw error;
    }
  }
}
