import { randomUUID } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { unreadable, uploadFailure } from "../../build-context/file-failures.ts";
import type { FalServerlessError } from "../../errors.ts";
import { partRange, type HashedFile } from "./hash.ts";

const CHUNK_BYTES = 128 * 1024;

/**
 * The request body of one part: a form with the field `file_upload`, read from the file while it is sent, so that a part
 * is never in memory as a whole. Ends with an error before its last bytes if the file has changed since it was hashed.
 */
export class PartBody {
  readonly headers: Readonly<Record<string, string>>;
  readonly stream: ReadableStream<Uint8Array>;
  /** The error that ended the body early; undefined if the connection failed. */
  failure: FalServerlessError | undefined;

  /** @param onSent called with the size of each chunk of the file that is sent, in bytes */
  constructor(file: HashedFile, handle: FileHandle, part: number, onSent: (bytes: number) => void) {
    const boundary = `servable-${randomUUID()}`;
    const head = Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="file_upload"; filename="chunk"\r\n` +
        "Content-Type: application/octet-stream\r\n\r\n",
    );
    const foot = Buffer.from(`\r\n--${boundary}--\r\n`);
    const { start, length } = partRange(file, part);
    this.headers = {
      "content-type": `multipart/form-data; boundary=${boundary}`,
      "content-length": String(head.length + length + foot.length),
    };
    const chunks = this.#chunks(file, handle, part, onSent, head, foot);
    this.stream = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const { done, value } = await chunks.next();
          if (done === true) controller.close();
          else controller.enqueue(value);
        },
        async cancel() {
          await chunks.return();
        },
      },
      { highWaterMark: 0 },
    );
    this.#start = start;
    this.#length = length;
  }

  readonly #start: number;
  readonly #length: number;

  async *#chunks(
    file: HashedFile,
    handle: FileHandle,
    part: number,
    onSent: (bytes: number) => void,
    head: Uint8Array,
    foot: Uint8Array,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    yield head;
    let sum = 0;
    let done = 0;
    while (done < this.#length) {
      // A new buffer for each chunk, because the connection may still be sending the last one.
      const wanted = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, this.#length - done));
      const bytes = await this.#read(file, handle, wanted, this.#start + done);
      if (bytes.length === 0) break;
      sum = crc32(bytes, sum);
      done += bytes.length;
      // The last chunk is sent only if the checksum matches, so that a complete body is always correct.
      if (done === this.#length && sum !== file.partSums[part - 1]) break;
      yield bytes;
      onSent(bytes.length);
    }
    if (done < this.#length || sum !== file.partSums[part - 1]) throw this.#fail(changed(file.relativePath));
    yield foot;
  }

  async #read(file: HashedFile, handle: FileHandle, buffer: Buffer, position: number): Promise<Buffer> {
    try {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
      return buffer.subarray(0, bytesRead);
    } catch (error) {
      throw this.#fail(unreadable(file.relativePath, error));
    }
  }

  #fail(failure: FalServerlessError): FalServerlessError {
    this.failure = failure;
    return failure;
  }
}

function changed(path: string): FalServerlessError {
  return uploadFailure(`${path} changed while it was uploaded; deploy again once nothing writes to it.`);
}
