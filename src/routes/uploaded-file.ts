import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";

/** The description of an uploaded file, which can be sent to a worker. */
export interface FileDescription {
  /** The last part of the name that the client sent, without control characters; "" if it sent none. Not trustworthy. */
  readonly filename: string;
  /** The content type that the client sent, in lower case and without parameters. Not trustworthy. */
  readonly contentType: string;
  /** Number of bytes. */
  readonly size: number;
  /** The temporary file. It exists until the call is answered: move or copy it to keep it. */
  readonly path: string;
}

/** A file of a multipart body, in memory or in a temporary file. */
export interface ReceivedFile extends Omit<FileDescription, "path"> {
  readonly bytes?: Uint8Array | undefined;
  /** Set if `bytes` is not. */
  readonly path?: string | undefined;
}

/** A file of a multipart body, in a temporary file that exists until the call is answered. */
export class UploadedFile implements FileDescription {
  readonly filename: string;
  readonly contentType: string;
  readonly size: number;
  readonly path: string;

  constructor({ filename, contentType, size, path }: FileDescription) {
    this.filename = filename;
    this.contentType = contentType;
    this.size = size;
    this.path = path;
  }

  /** Opens the file for reading. */
  stream(): Readable {
    return createReadStream(this.path);
  }

  /** Reads the whole file. */
  async bytes(): Promise<Uint8Array> {
    return readFile(this.path);
  }

  /** Reads the whole file as UTF-8. */
  async text(): Promise<string> {
    return readFile(this.path, "utf8");
  }
}

/** A file of a multipart body that the handler reads while it arrives. It can be read once. */
export class UploadStream {
  /** As in {@link UploadedFile}. */
  readonly filename: string;
  /** As in {@link UploadedFile}. */
  readonly contentType: string;
  readonly #stream: Readable;

  constructor(filename: string, contentType: string, stream: Readable) {
    this.filename = filename;
    this.contentType = contentType;
    this.#stream = stream;
  }

  /** The bytes as they arrive. Fails with the error to answer with, if the body breaks a limit or a rule. */
  stream(): Readable {
    return this.#stream;
  }

  /** Reads the whole file into memory. */
  async bytes(): Promise<Uint8Array> {
    return buffer(this.#stream);
  }

  /** Reads the whole file as UTF-8. */
  async text(): Promise<string> {
    return (await buffer(this.#stream)).toString("utf8");
  }
}
