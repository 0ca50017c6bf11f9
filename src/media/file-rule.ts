import type { MediaFault, MediaRule } from "../routes/media-rule.ts";
import type { MediaRuntime } from "../routes/media-runtime.ts";
import type { ReceivedFile } from "../routes/uploaded-file.ts";
import { createFile } from "./create-file.ts";
import type { FileLimits } from "./file-limits.ts";
import { MediaFile } from "./media-file.ts";
import { RUNTIME } from "./runtime.ts";
import { CLASS_NAMES, isWire, readWire, recordOf, wireFaults, type MediaKind } from "./wire-file.ts";

/** The rule of a schema of files. It has no enumerable fields: compilers of schemas look into the objects they find. */
export class FileRule implements MediaRule {
  readonly #kind: MediaKind;
  readonly #limits: FileLimits;

  constructor(kind: MediaKind, limits: FileLimits) {
    this.#kind = kind;
    this.#limits = limits;
  }

  get runtime(): MediaRuntime {
    return RUNTIME;
  }

  get maxBytes(): number {
    return this.#limits.maxBytes;
  }

  get contentTypes(): readonly string[] | undefined {
    return this.#limits.contentTypes ?? (this.#kind === "image" ? ["image/*"] : undefined);
  }

  fits(value: unknown): boolean {
    if (value instanceof Uint8Array) return value.byteLength <= this.#limits.maxBytes;
    return value instanceof MediaFile ? this.#isOfKind(value) : isWire(this.#kind, value);
  }

  faults(value: unknown): readonly MediaFault[] {
    if (value instanceof Uint8Array) {
      const { maxBytes } = this.#limits;
      if (value.byteLength <= maxBytes) return [];
      const msg = `The file may have at most ${maxBytes} bytes`;
      return [{ type: "file_too_large", msg, loc: [], input: null, ctx: { max_size: maxBytes } }];
    }
    if (!(value instanceof MediaFile)) return wireFaults(this.#kind, value);
    if (this.#isOfKind(value)) return [];
    const name = CLASS_NAMES[this.#kind];
    const msg = `Input should be of the class ${name}, not ${CLASS_NAMES[(value as MediaFile).kind]}`;
    return [{ type: "model_type", msg, loc: [], input: null, ctx: { class_name: name } }];
  }

  accept(value: unknown): unknown {
    let file: MediaFile;
    if (value instanceof MediaFile) file = value;
    else if (value instanceof Uint8Array)
      file = createFile(this.#kind, { content: { bytes: value, size: value.byteLength } });
    else {
      const { url, facts } = readWire(value);
      file = createFile(this.#kind, { url }, facts);
    }
    file.limitTo(this.#limits);
    return file;
  }

  acceptUpload({ bytes, path, size, filename, contentType }: ReceivedFile): MediaFile {
    const fileName = filename === "" ? undefined : filename;
    const content = bytes === undefined ? { size, path: path as string } : { size, bytes };
    const file = createFile(this.#kind, { content }, { contentType, fileName, fileSize: size });
    file.limitTo(this.#limits);
    return file;
  }

  present(value: unknown): unknown {
    if (value instanceof Uint8Array) return value; // in a frame
    const { url, facts } = readWire(value);
    return recordOf(this.#kind, url, facts);
  }

  /** Any file is a `File`. */
  #isOfKind(file: MediaFile): boolean {
    return this.#kind === "file" || file.kind === this.#kind;
  }
}
