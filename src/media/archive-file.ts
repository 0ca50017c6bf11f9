import { MediaFile, type Origin } from "./media-file.ts";
import type { StatedFacts } from "./wire-file.ts";

/** A zip archive. See {@link MediaFile}. */
export class ArchiveFile extends MediaFile<"archive"> {
  constructor(origin: Origin, facts?: StatedFacts) {
    super("archive", origin, facts);
  }
}
