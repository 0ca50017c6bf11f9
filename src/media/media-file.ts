import { copyFile, writeFile } from "node:fs/promises";
import { openAsBlob } from "node:fs";
import { Readable } from "node:stream";
import { FalServerlessError } from "../errors.ts";
import { lateImport } from "../late-import.ts";
import { matchesType } from "../routes/content-types.ts";
import { extensionOf, typeOfName, type Inspection } from "./content-inspection.ts";
import { decodeDataUri } from "./data-uri.ts";
import { downloadFault, fileFault, PROCESS_FILES, tooLargeFault, type FileBinding } from "./file-binding.ts";
import {
  bytesOfContent,
  collect,
  contentOfBytes,
  contentOfPath,
  inspectContent,
  streamOfContent,
  TooLargeError,
  type Content,
  type TemporaryFiles,
} from "./file-content.ts";
import { NO_LIMITS, type FileLimits } from "./file-limits.ts";
import { recordOf, type FileRecord, type MediaKind, type StatedFacts } from "./wire-file.ts";

const safeFetch = lateImport(() => import("./safe-fetch.ts"));

/** Where the bytes of a file come from. */
export type Origin =
  | { readonly url: string; readonly content?: Content }
  | { readonly content: Content }
  | { readonly path: string }
  | { readonly stream: AsyncIterable<unknown> };

/**
 * A file: one that a caller sent, or a new one for the answer. A caller's file is fetched when it is first read, once. If
 * it can't be fetched or breaks a limit of its schema, the method that reads it rejects with the error to answer with,
 * 422 at the field of the file. Temporary files are removed when the call is answered.
 */
export class MediaFile<Kind extends MediaKind = MediaKind> {
  readonly kind: Kind;
  readonly #origin: Origin;
  readonly #facts: StatedFacts;
  #limits: FileLimits | undefined;
  #binding: FileBinding | undefined;
  #content: Promise<Content> | undefined;
  #inspection: Promise<Inspection> | undefined;
  #path: Promise<string> | undefined;
  /** The type according to the server of the URL, or the data URI. */
  #fetchedType: string | undefined;

  /** Not for apps: use `Image.fromBytes()` and the like. */
  constructor(kind: Kind, origin: Origin, facts: StatedFacts = {}) {
    this.kind = kind;
    this.#origin = origin;
    this.#facts = facts;
    // A stream may fail before it is read; then it has no listener yet.
    if ("stream" in origin && origin.stream instanceof Readable) origin.stream.on("error", () => {});
  }

  /** The URL that the caller sent; undefined for uploads, for bytes in a frame, and for new files. */
  get url(): string | undefined {
    return "url" in this.#origin ? this.#origin.url : undefined;
  }

  /** The facts that the caller, or the code that created the file, states. Not trustworthy if it is a caller's. */
  get stated(): StatedFacts {
    return this.#facts;
  }

  /** The stated name of the file; undefined if there is none. Not trustworthy if it is a caller's. */
  get fileName(): string | undefined {
    return this.#facts.fileName;
  }

  /** The content type as the first bytes show it; of a text, as it is stated. */
  get contentType(): Promise<string> {
    return this.#inspect().then(({ contentType }) => contentType);
  }

  /** Number of bytes. */
  get size(): Promise<number> {
    return this.#checked().then(({ size }) => size);
  }

  /** Reads the whole file into memory. */
  async bytes(): Promise<Uint8Array> {
    return bytesOfContent(await this.#checked());
  }

  /** Reads the whole file as UTF-8. */
  async text(): Promise<string> {
    const bytes = await this.bytes();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  }

  /** Opens the file for reading. The stream fails with the error to answer with. */
  stream(): Readable {
    return Readable.from(this.#pieces(), { objectMode: false });
  }

  /** The file as a `Blob` with its content type. A large file stays on the disk. */
  async blob(): Promise<Blob> {
    const content = await this.#checked();
    const type = await this.contentType;
    if (content.path !== undefined) return openAsBlob(content.path, { type });
    return new Blob([(content.bytes ?? new Uint8Array()) as Uint8Array<ArrayBuffer>], { type });
  }

  /**
   * The path of a temporary file with the content, whose name ends in the extension of its type. It exists until the call
   * is answered: move or copy it to keep it.
   */
  path(): Promise<string> {
    return (this.#path ??= this.#createPath());
  }

  /** Writes the content to a path. An existing file is replaced. */
  async save(path: string): Promise<void> {
    const content = await this.#checked();
    if (content.path === undefined) await writeFile(path, content.bytes ?? new Uint8Array());
    else await copyFile(content.path, path);
  }

  /** @throws TypeError for a file that has no URL yet */
  toJSON(): FileRecord {
    const { url } = this;
    if (url !== undefined) return recordOf(this.kind, url, this.#facts);
    throw new TypeError(
      "a file has no URL before it is stored, which is done for results whose `output` schema has a File(), Image() or the like in its place",
    );
  }

  /** The limits of the schema that has accepted the file; undefined for a file that an app created. */
  get limits(): FileLimits | undefined {
    return this.#limits;
  }

  /** Makes the file a caller's, with the limits of a schema. */
  limitTo(limits: FileLimits): void {
    this.#limits ??= limits;
  }

  /** The connection of a caller's file with its call. */
  get binding(): FileBinding | undefined {
    return this.#binding;
  }

  /** Connects a caller's file with its call. */
  bind(binding: FileBinding): void {
    this.#binding ??= binding;
  }

  /** Loads the file, and checks the limits of its schema. */
  async load(): Promise<Content> {
    return this.#checked();
  }

  /** The content and all facts of a new file, so that it can be stored. */
  async settle(temporary: TemporaryFiles): Promise<{ content: Content; facts: StatedFacts }> {
    const content = await this.#load(temporary);
    const { contentType: found, dimensions } = await this.#inspect();
    const { contentType = likelyType(found, this.#facts.fileName), fileName, width, height } = this.#facts;
    const isPicture = this.kind === "image";
    return {
      content,
      facts: {
        contentType,
        fileName,
        fileSize: content.size,
        width: isPicture ? (width ?? dimensions?.width) : undefined,
        height: isPicture ? (height ?? dimensions?.height) : undefined,
      },
    };
  }

  protected get temporary(): TemporaryFiles {
    return this.#binding?.temporary ?? PROCESS_FILES;
  }

  protected inspection(): Promise<Inspection> {
    return this.#inspect();
  }

  /** The error of a file whose content is not what its kind promises: the caller's fault if it is the caller's file. */
  protected unreadable(msg: string, type: string, ctx?: Record<string, unknown>): Error {
    const { url } = this;
    if (this.#binding !== undefined)
      return fileFault(this.#binding, type, msg, ctx === undefined ? { url } : { url, ctx });
    return new FalServerlessError("MEDIA_UNREADABLE", `${msg}.`);
  }

  async *#pieces(): AsyncGenerator<Uint8Array> {
    yield* streamOfContent(await this.#checked()) as AsyncIterable<Uint8Array>;
  }

  async #createPath(): Promise<string> {
    const content = await this.#checked();
    const { contentType } = await this.#inspect();
    const path = this.temporary.newFile(extensionOf(contentType));
    if (content.path === undefined)
      await writeFile(path, content.bytes ?? new Uint8Array(), { flag: "wx", mode: 0o600 });
    else await copyFile(content.path, path);
    return path;
  }

  #load(temporary: TemporaryFiles = this.temporary): Promise<Content> {
    return (this.#content ??= this.#read(temporary));
  }

  async #read(temporary: TemporaryFiles): Promise<Content> {
    const origin = this.#origin;
    const binding = this.#binding;
    const { maxBytes } = binding?.limits ?? NO_LIMITS;
    try {
      if ("content" in origin && origin.content !== undefined) return withinLimit(origin.content, maxBytes);
      if ("path" in origin) return withinLimit(await contentOfPath(origin.path), maxBytes);
      if ("stream" in origin) return await collect(origin.stream, maxBytes, temporary);
      if (!("url" in origin)) throw new TypeError("a file without an origin");
      if (origin.url.startsWith("data:")) return this.#decode(origin.url, maxBytes);
      return await this.#fetch(origin.url, maxBytes, temporary);
    } catch (error) {
      if (binding === undefined) throw error;
      if (error instanceof TooLargeError) throw tooLargeFault(binding, this.url);
      throw error;
    }
  }

  #decode(uri: string, maxBytes: number): Content {
    try {
      const { contentType, bytes } = decodeDataUri(uri, maxBytes);
      this.#fetchedType = contentType;
      return contentOfBytes(bytes);
    } catch (error) {
      if (error instanceof RangeError) throw new TooLargeError(maxBytes);
      if (this.#binding === undefined) throw error;
      const msg = `The file can't be read: ${(error as Error).message}`;
      throw fileFault(this.#binding, "file_download_error", msg, { url: uri });
    }
  }

  async #fetch(url: string, maxBytes: number, temporary: TemporaryFiles): Promise<Content> {
    const binding = this.#binding;
    const { fetchSafely } = await safeFetch();
    try {
      const fetched = await fetchSafely(url, {
        maxBytes,
        timeoutMs: (binding?.limits ?? NO_LIMITS).timeoutMs,
        allowedHosts: binding?.allowedHosts ?? [],
        ...(binding === undefined ? {} : { signal: binding.signal }),
      });
      this.#fetchedType = fetched.contentType;
      return await collect(fetched.body, maxBytes, temporary);
    } catch (error) {
      throw binding === undefined ? error : downloadFault(binding, url, error);
    }
  }

  #inspect(): Promise<Inspection> {
    return (this.#inspection ??= this.#load().then((content) =>
      inspectContent(content, this.#facts.contentType ?? this.#fetchedType),
    ));
  }

  /** The content, once it is known to keep the limits. */
  async #checked(): Promise<Content> {
    const content = await this.#load();
    const binding = this.#binding;
    if (binding === undefined || binding.isChecked === true) return content;
    const { contentTypes, maxPixels } = binding.limits;
    if (this.kind !== "image" && contentTypes === undefined) return content;
    const { contentType, dimensions } = await this.#inspect();
    const { url } = this;
    if (this.kind === "image" && !contentType.startsWith("image/")) {
      throw fileFault(binding, "image_load_error", "The file is not a picture of a known format", { url });
    }
    if (!matchesType(contentTypes, contentType)) {
      const msg = `The file is ${contentType}, but should be ${contentTypes?.join(" or ")}`;
      const type = FORMAT_FAULTS[this.kind] ?? "unsupported_file_format";
      throw fileFault(binding, type, msg, { url, ctx: { supported_formats: contentTypes } });
    }
    if (maxPixels === Infinity) return content;
    if (dimensions === undefined) {
      const msg = "The size of the picture can't be read";
      throw fileFault(binding, "image_load_error", msg, { url });
    }
    if (dimensions.width * dimensions.height > maxPixels) {
      const msg = `The picture has ${dimensions.width} x ${dimensions.height} pixels, but may have ${maxPixels} in all`;
      throw fileFault(binding, "image_too_large", msg, { url, ctx: { max_pixels: maxPixels } });
    }
    return content;
  }
}

const FORMAT_FAULTS: Partial<Record<MediaKind, string>> = {
  image: "unsupported_image_format",
  audio: "unsupported_audio_format",
  video: "unsupported_video_format",
  archive: "invalid_archive",
};

/** A picture. See {@link MediaFile}. */
export class ImageFile extends MediaFile<"image"> {
  /** Not for apps: use `Image.fromBytes()` and the like. */
  constructor(origin: Origin, facts?: StatedFacts) {
    super("image", origin, facts);
  }

  /** In pixels, as the file says, before any rotation that its notes ask for. Rejects if it can't be read. */
  get width(): Promise<number> {
    return this.#dimension("width");
  }

  /** See {@link width}. */
  get height(): Promise<number> {
    return this.#dimension("height");
  }

  async #dimension(name: "width" | "height"): Promise<number> {
    await this.load(); // with its limits
    const { dimensions } = await this.inspection();
    if (dimensions !== undefined) return dimensions[name];
    throw this.unreadable("The size of the picture can't be read", "image_load_error");
  }
}

/** The type of a new file without a stated one. Without a name, its bytes tell; of a text, only its name can. */
function likelyType(found: string, fileName: string | undefined): string {
  return found === "application/octet-stream" ? (typeOfName(fileName) ?? found) : found;
}

function withinLimit(content: Content, maxBytes: number): Content {
  if (content.size > maxBytes) throw new TooLargeError(maxBytes);
  return content;
}
