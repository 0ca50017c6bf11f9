/**
 * Files, pictures, sounds and videos, in and out.
 *
 * ```ts
 * import { Image } from "servable/media";
 *
 * const Input = Type.Object({ image: Image({ maxBytes: 5_000_000 }) });
 * ```
 * @module
 */
export {
  Audio,
  CompressedFile,
  File,
  Image,
  Video,
  type FileMaker,
  type NewFileOptions,
  type NewImageOptions,
  type ReservedMedia,
  type StoredFileOptions,
} from "./kinds.ts";
export {
  getImageSize,
  ImageSize,
  type ImageDimensions,
  type ImageSizeOptions,
  type ImageSizePreset,
} from "./image-sizes.ts";
export {
  AudioField,
  FileField,
  ImageField,
  VideoField,
  type FileFieldOptions,
  type ImageFieldOptions,
  type VideoFieldOptions,
} from "./url-fields.ts";
export type {
  ImageConstraints,
  ImageSizeConstraints,
  VideoConstraints,
  VideoNormalization,
} from "./field-limits.ts";
export type { ExtractedFile } from "./archive-extraction.ts";
export type { ExtractedArchive } from "./archive-file.ts";
export type { CallerInput, CallerOutput } from "./caller-types.ts";
export type { ArchiveOptions, FileOptions, ImageOptions } from "./file-limits.ts";
export type { FileRecord, FileWire, ImageRecord, ImageWire, MediaKind, StatedFacts } from "./wire-file.ts";
