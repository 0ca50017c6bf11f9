import { ArchiveFile } from "./archive-file.ts";
import { ImageFile, MediaFile, type Origin } from "./media-file.ts";
import type { MediaKind, StatedFacts } from "./wire-file.ts";

/** Creates a file of a kind. */
export function createFile(kind: MediaKind, origin: Origin, facts?: StatedFacts): MediaFile {
  if (kind === "image") return new ImageFile(origin, facts);
  if (kind === "archive") return new ArchiveFile(origin, facts);
  return new MediaFile(kind, origin, facts);
}
