import { assertAnswerHeader } from "../answer-header.ts";

const BRAND: unique symbol = Symbol.for("servable.file-answer");

/** The options of {@link file}. */
export interface FileOptions {
  /** Default: by the extension of `filename` or of the path, otherwise `application/octet-stream`. */
  contentType?: string;
  /** The name under which browsers save the file. Default with `download`: the last part of the path. */
  filename?: string;
  /** Whether browsers save the file instead of displaying it. Default: true if `filename` is set. */
  download?: boolean;
  /**
   * A folder that the path may not leave, also not by symbolic links. A path that leaves it, or names no file, is
   * answered with 404. Set it whenever a part of the path comes from the request.
   */
  root?: string;
  /** The value of the header `cache-control`. Default: none. */
  cacheControl?: string;
  /** The value of the header `etag`, with its quotes; false: none. Default: from the file's size and time of change. */
  etag?: string | false;
}

/** A file as the result of an endpoint: see {@link file}. */
export class FileAnswer {
  /** As given: relative to the root if there is one, otherwise to the working directory. */
  readonly path: string;
  readonly options: Readonly<FileOptions>;

  /** @throws TypeError for an invalid option */
  constructor(path: string, options: FileOptions = {}) {
    assertFile(path, options);
    this.path = path;
    this.options = { ...options };
  }

  /** @throws TypeError always: JSON would send the path instead of the file */
  toJSON(): never {
    throw new TypeError("file() can only be the whole result of a method, not a part of it.");
  }

  /** Marks the class for other copies of this package. */
  get [BRAND](): true {
    return true;
  }
}

/** Whether a value is the result of {@link file}, also of another copy of this package. */
export function isFileAnswer(value: object): value is FileAnswer {
  return BRAND in value;
}

/**
 * A file as the result of an endpoint, sent without loading it into memory. To GET and HEAD requests it is answered with
 * `etag` and `last-modified`, and ranges and conditional requests are supported. The file is opened once the method has
 * returned: if it is missing, the answer is 500, or 404 with `root`.
 *
 * @example
 * ```ts
 * @endpoint("/picture", { output: bytes({ contentType: "image/png" }) })
 * picture(): FileAnswer { return file("/data/picture.png"); }
 * ```
 * @throws TypeError for an invalid option
 */
export function file(path: string, options: FileOptions = {}): FileAnswer {
  return new FileAnswer(path, options);
}

const TEXTS = ["contentType", "filename", "root", "cacheControl"] as const;
const NAMES: readonly string[] = [...TEXTS, "download", "etag"];

function assertFile(path: unknown, options: FileOptions): void {
  if (typeof path !== "string" || path === "")
    throw new TypeError(`file(): the path must be a text, got ${shown(path)}.`);
  const unknown = Object.keys(options).find((name) => !NAMES.includes(name));
  if (unknown !== undefined) {
    throw new TypeError(`file(): unknown option "${unknown}"; known: ${NAMES.join(", ")}.`);
  }
  for (const name of TEXTS) {
    const value: unknown = options[name];
    if (value === undefined || (typeof value === "string" && value !== "")) continue;
    throw new TypeError(`file(): ${name} must be a text that is not empty, got ${shown(value)}.`);
  }
  const { contentType, cacheControl, download, etag } = options;
  if (download !== undefined && typeof download !== "boolean")
    throw new TypeError(`file(): download must be a boolean, got ${shown(download)}.`);
  if (contentType !== undefined) assertAnswerHeader("content-type", contentType);
  if (cacheControl !== undefined) assertAnswerHeader("cache-control", cacheControl);
  if (etag === undefined || etag === false) return;
  if (typeof etag === "string" && ETAG.test(etag)) return;
  throw new TypeError(
    `file(): etag must be a text in double quotes, such as '"v1"', or false, got ${shown(etag)}.`,
  );
}

const ETAG = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
