import { basename } from "node:path";
import type { TUnsafe } from "typebox";
import { ArchiveFile } from "./archive-file.ts";
import type { MediaCall } from "../routes/media-runtime.ts";
import type { ArchiveOptions, FileOptions, ImageOptions } from "./file-limits.ts";
import { createFileSchema } from "./file-schema.ts";
import { fileUrl, type MediaKind, type StatedFacts } from "./wire-file.ts";
import { ImageFile, MediaFile, type Origin } from "./media-file.ts";

/** Facts about a new file. */
export interface NewFileOptions {
  /** Default: as the first bytes show it, otherwise by the name, otherwise `application/octet-stream`. */
  contentType?: string;
  /** Default: a random name with the extension of the type. */
  fileName?: string;
}

/** Facts about a new picture. */
export interface NewImageOptions extends NewFileOptions {
  /** In pixels. Default: as the bytes show it. */
  width?: number;
  /** In pixels. Default: as the bytes show it. */
  height?: number;
}

/** Facts about a file that is stored already. */
export interface StoredFileOptions extends NewFileOptions {
  /** Number of bytes. */
  fileSize?: number;
}

/** A file whose URL is known before its content. */
export interface ReservedMedia<Value> {
  readonly url: string;
  /** Stores the content. Call it once, also after the answer. @param content bytes, or the path of a file */
  complete(content: Uint8Array | string): Promise<Value>;
  /** Gives the URL up. */
  abort(): Promise<void>;
}

/** Creates the schema of a kind of files, and new files of the kind. */
export interface FileMaker<Value, Options, NewOptions, UrlOptions> {
  /** The schema of a file. */
  (options?: Options): TUnsafe<Value>;
  /** A new file with these bytes. They are not copied. */
  fromBytes(bytes: Uint8Array | ArrayBuffer, options?: NewOptions): Value;
  /** A new file with the content of a file on the disk, which must exist until the call is answered. */
  fromPath(path: string, options?: NewOptions): Value;
  /** A new file with the content of a stream, such as a pipeline of sharp, which is read once. */
  fromStream(stream: AsyncIterable<Uint8Array | string>, options?: NewOptions): Value;
  /**
   * Reserves the URL of a file whose content comes later, so that the answer can name it before.
   * @param ctx the context of a request to an endpoint whose schemas have files
   * @throws FalServerlessError if the storage can't reserve a URL, as "data"
   */
  reserve(ctx: object, options?: NewFileOptions): Promise<ReservedMedia<Value>>;
  /** A file that is stored elsewhere already. @throws TypeError for a URL that is not http, https or data */
  fromUrl(url: string, options?: UrlOptions): Value;
}

const CONTENT_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:[ \t]*;[\t\x20-\x7e]*)?$/;

/** The facts about a new file. It is stored with its type as a header. @throws TypeError for an invalid type */
function checkedFacts<Facts extends StatedFacts>(facts: Facts | undefined): Facts | undefined {
  const { contentType } = facts ?? {};
  if (contentType === undefined || CONTENT_TYPE.test(contentType)) return facts;
  throw new TypeError(
    `contentType must be a type such as "image/png", not ${JSON.stringify(contentType).slice(0, 100)}.`,
  );
}

function createMaker<Value, Options extends ImageOptions & ArchiveOptions, NewOptions extends StatedFacts>(
  kind: MediaKind,
  create: (origin: Origin, facts: StatedFacts) => Value,
): FileMaker<Value, Options, NewOptions, NewOptions & { fileSize?: number }> {
  const maker = (options?: Options): TUnsafe<Value> => createFileSchema<Value>(kind, options ?? {});
  return Object.assign(maker, {
    fromBytes(bytes: Uint8Array | ArrayBuffer, options?: NewOptions): Value {
      const view = bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : bytes;
      if (!(view instanceof Uint8Array))
        throw new TypeError("fromBytes() takes a Uint8Array or an ArrayBuffer.");
      return create({ content: { bytes: view, size: view.byteLength } }, { ...checkedFacts(options) });
    },
    fromPath: (path: string, options?: NewOptions): Value =>
      create({ path }, { fileName: basename(path), ...checkedFacts(options) }),
    fromStream(stream: AsyncIterable<Uint8Array | string>, options?: NewOptions): Value {
      if (typeof stream !== "object" || stream === null || !(Symbol.asyncIterator in stream))
        throw new TypeError("fromStream() takes a Readable, a ReadableStream or another async iterable.");
      return create({ stream }, { ...checkedFacts(options) });
    },
    async reserve(ctx: object, options: NewFileOptions = {}): Promise<ReservedMedia<Value>> {
      const { files } = ctx as { files?: Pick<MediaCall, "reserve"> };
      if (files === undefined) {
        throw new TypeError(
          "reserve() takes the context of a request to an endpoint that has files in its schemas.",
        );
      }
      const { url, contentType, fileName, ...reserved } = await files.reserve(checkedFacts(options) ?? {});
      return {
        url,
        abort: () => reserved.abort(),
        async complete(content) {
          const { size } = await reserved.complete(content);
          return create({ url }, { contentType, fileName, fileSize: size });
        },
      };
    },
    fromUrl(url: string, options?: NewOptions): Value {
      const known = fileUrl(url);
      if (known === undefined) throw new TypeError("fromUrl() takes an http, https or data URL.");
      return create({ url: known }, { ...checkedFacts(options) });
    },
  });
}

/** A file of any kind: its schema, and new files. */
export const File: FileMaker<MediaFile, FileOptions, NewFileOptions, StoredFileOptions> = createMaker(
  "file",
  (origin, facts) => new MediaFile("file", origin, facts),
);
export type File = MediaFile;

/** A picture: its schema, and new pictures. */
export const Image: FileMaker<ImageFile, ImageOptions, NewImageOptions, NewImageOptions & StoredFileOptions> =
  createMaker("image", (origin, facts) => new ImageFile(origin, facts));
export type Image = ImageFile;

/** A sound: its schema, and new sounds. */
export const Audio: FileMaker<
  MediaFile<"audio">,
  FileOptions,
  NewFileOptions,
  StoredFileOptions
> = createMaker("audio", (origin, facts) => new MediaFile("audio", origin, facts));
export type Audio = MediaFile<"audio">;

/** A video: its schema, and new videos. */
export const Video: FileMaker<
  MediaFile<"video">,
  FileOptions,
  NewFileOptions,
  StoredFileOptions
> = createMaker("video", (origin, facts) => new MediaFile("video", origin, facts));
export type Video = MediaFile<"video">;

/** A zip archive: its schema, and new archives. */
export const CompressedFile: FileMaker<ArchiveFile, ArchiveOptions, NewFileOptions, StoredFileOptions> =
  createMaker("archive", (origin, facts) => new ArchiveFile(origin, facts));
export type CompressedFile = ArchiveFile;
