import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { BodyError, InputValidationError, type ValidationIssue } from "../../../errors.ts";
import type { UploadField } from "../../../routes/body-kind.ts";
import { matchesType } from "../../../routes/content-types.ts";
import { UploadedFile, UploadStream } from "../../../routes/uploaded-file.ts";
import { loadBusboy, type BusboyParser } from "../../packages.ts";
import { Arrival } from "../arrival.ts";
import { shown } from "../body-cause.ts";
import {
  assertContentType,
  contentTypeIssue,
  declaredLength,
  listed,
  type BodyReader,
  type OnRead,
} from "../body-reader.ts";
import { FieldTexts, repeated } from "../field-values.ts";
import type { ArrivingBody } from "../memory-budget.ts";
import { overloaded } from "../memory-bodies.ts";
import { broken, tooLarge, tooShort, tooMany, encodingIssue, missing } from "./multipart-faults.ts";
import { storesFiles, type MultipartPlan } from "./multipart-plan.ts";
import { HeldFile } from "./held-file.ts";
import { cleanName, merged } from "./multipart-values.ts";
import { StoredFile } from "./stored-file.ts";

const MULTIPART_TYPE = "multipart/form-data";

/** Memory of an arriving body: buffers of the connection, the parser and the disk. In bytes. */
const READING_BYTES = 512 * 1024;
/** Disk space that is reserved for a body of unknown length when it begins, in bytes. */
const FIRST_DISK_BYTES = 64 * 1024;
/** Limits of a part's headers. */
const HEADER_LIMITS = { headerPairs: 32, headerSize: 16 * 1024 };
/** Encodings of parts that do not change the bytes. */
const PLAIN_ENCODINGS: ReadonlySet<string> = new Set(["7bit", "8bit", "binary"]);

/** Creates the reader of a route's multipart bodies. */
export function createMultipartReader(plan: MultipartPlan): BodyReader {
  const storesOnDisk = storesFiles(plan.body);
  return (request, onRead) => {
    const { uploads, memory } = plan;
    try {
      assertContentType(request, [MULTIPART_TYPE]);
      const declared = declaredLength(request);
      const isTooLarge = declared > plan.limitBytes || (storesOnDisk && declared > uploads.disk.maxBytes);
      if (isTooLarge) throw new BodyError("BODY_TOO_LARGE");
      if (!memory.take(READING_BYTES)) throw overloaded(plan.overloadStatus);
    } catch (error) {
      return onRead(error);
    }
    const reading = new MultipartReading(plan, request, onRead);
    reading.begin(storesOnDisk);
  };
}

/** A multipart body that is being read. */
class MultipartReading {
  readonly #plan: MultipartPlan;
  readonly #request: IncomingMessage;
  readonly #onRead: OnRead;
  readonly #arrival: Arrival;
  readonly #texts = new FieldTexts();
  readonly #files = new Map<string, unknown[]>();
  readonly #counts = new Map<string, number>();
  readonly #issues: ValidationIssue[] = [];
  readonly #stored: StoredFile[] = [];
  #parser: BusboyParser | undefined;
  #space: ArrivingBody | undefined;
  #received = 0;
  #fieldBytes = 0;
  /** Bytes of files on the disk. */
  #fileBytes = 0;
  /** Memory of files that are not on the disk. */
  #heldBytes = 0;
  /** Parts that are being read, and files that are being written. */
  #open = 0;
  #isParsed = false;
  #isOver = false;
  /** The part that the handler reads as a stream, once it has been passed on. */
  #streamed: Streamed | undefined;

  constructor(plan: MultipartPlan, request: IncomingMessage, onRead: OnRead) {
    this.#plan = plan;
    this.#request = request;
    this.#onRead = onRead;
    this.#arrival = new Arrival(request, plan.body.times, plan.uploads.watch, (error) => this.#fail(error));
  }

  begin(storesOnDisk: boolean): void {
    const { uploads, overloadStatus } = this.#plan;
    const declared = declaredLength(this.#request);
    if (storesOnDisk) {
      this.#space = uploads.disk.expect(declared >= 0 ? declared : FIRST_DISK_BYTES, () =>
        this.#fail(overloaded(overloadStatus)),
      );
      if (this.#space === undefined) return this.#fail(overloaded(overloadStatus));
    }
    let parser: BusboyParser;
    try {
      parser = this.#createParser();
    } catch {
      return this.#fail(new BodyError("BODY_UNREADABLE", "the content type has no boundary"));
    }
    this.#parser = parser;
    parser.on("drain", () => void this.#request.resume());
    parser.on("error", () => this.#fail(broken()));
    parser.on("partsLimit", () =>
      this.#fail(
        new BodyError("BODY_TOO_COMPLEX", `a body may have at most ${this.#plan.body.maxParts} parts`),
      ),
    );
    parser.on("field", (name, value, _nameTruncated, isTruncated, encoding) =>
      this.#onField(name ?? "", value, isTruncated, encoding),
    );
    parser.on("file", (name, stream, filename, encoding, contentType) =>
      this.#onFile({ name: name ?? "", stream, filename: cleanName(filename), encoding, contentType }),
    );
    parser.on("finish", () => {
      this.#isParsed = true;
      this.#complete();
    });
    this.#request.on("data", this.#onData);
    this.#request.on("end", this.#onEnd);
  }

  #createParser(): BusboyParser {
    const { body, fields } = this.#plan;
    return new (loadBusboy())({
      headers: { "content-type": this.#request.headers["content-type"] ?? "" },
      limits: { fieldSize: body.maxFieldBytes, parts: body.maxParts, ...HEADER_LIMITS },
      // Unknown parts are read as files, which are dropped without being held in memory.
      isPartAFile: (name, contentType, filename) => {
        if (name === undefined || !fields.has(name)) return true;
        if (body.uploads.get(name)?.media === undefined) return false;
        return filename !== undefined || !(contentType ?? "text/plain").startsWith("text/plain");
      },
    });
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#received += chunk.length;
    if (this.#received > this.#plan.limitBytes) return this.#fail(new BodyError("BODY_TOO_LARGE"));
    if (this.#parser?.write(chunk) === false && !this.#isOver) this.#request.pause();
  };

  readonly #onEnd = (): void => {
    this.#parser?.end();
    this.#whenIdle();
  };

  /** Fails if the parser has read everything and is still not at the end: it waits forever on some broken bodies. */
  #whenIdle(): void {
    if (!this.#request.complete || this.#open > 0) return;
    setImmediate(() =>
      setImmediate(() => {
        if (!this.#isParsed && this.#open === 0) this.#fail(broken());
      }),
    );
  }

  #onField(name: string, value: string, isTruncated: boolean, encoding: string): void {
    if (this.#isOver || this.#comesTooLate(name)) return;
    this.#fieldBytes += value.length + name.length;
    const { maxFieldBytes } = this.#plan.body;
    if (isTruncated || this.#fieldBytes > maxFieldBytes) {
      return this.#fail(
        new BodyError("BODY_TOO_LARGE", `its text fields may have at most ${maxFieldBytes} bytes together`),
      );
    }
    if (PLAIN_ENCODINGS.has(encoding)) this.#texts.add(name, value);
    else this.#issues.push(encodingIssue(name, encoding));
  }

  #onFile(part: Part): void {
    const { name, stream, filename } = part;
    stream.on("error", () => this.#fail(broken()));
    const upload = this.#plan.body.uploads.get(name);
    if (upload === undefined || this.#isOver || this.#comesTooLate(name)) return void stream.resume();
    this.#open++;
    let target: Target | undefined;
    stream.on("data", (chunk: Buffer) => {
      if (this.#isOver) return;
      target ??= this.#beginFile(part, upload);
      target.take(chunk);
    });
    stream.on("end", () => {
      if (this.#isOver) return;
      // A form without a chosen file sends an empty part without a name.
      if (target === undefined && filename !== "") target = this.#beginFile(part, upload);
      if (target === undefined) this.#closeOne();
      else target.end();
    });
  }

  /** Decides about a file whose first bytes have arrived. */
  #beginFile(part: Part, upload: UploadField): Target {
    const { name, contentType, encoding } = part;
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    if (!matchesType(upload.contentTypes, contentType)) {
      const types = upload.contentTypes ?? [];
      const cause = `the file's content type is ${shown(contentType)}, send it as ${listed(types)}`;
      this.#issues.push(contentTypeIssue(["body", name], cause, types));
    }
    if (!PLAIN_ENCODINGS.has(encoding)) this.#issues.push(encodingIssue(name, encoding));
    if (count === upload.maxFiles + 1) this.#issues.push(tooMany(name, upload));
    // The rest of an invalid body is read for its other faults, but not stored.
    if (this.#issues.length > 0) return this.#dropped();
    return upload.isStream === true ? this.#passOn(part, upload) : this.#store(part, upload);
  }

  #dropped(): Target {
    return { take: () => {}, end: () => this.#closeOne() };
  }

  /** Holds a small file in memory if the handler does not need its path, and writes any other to the disk. */
  #store(part: Part, upload: UploadField): Target {
    const { name, filename, contentType } = part;
    const { uploads, overloadStatus } = this.#plan;
    let held = upload.media === undefined ? undefined : new HeldFile((bytes) => this.#hold(bytes));
    let file = held === undefined ? this.#createFile(part) : undefined;
    let size = 0;
    return {
      take: (chunk) => {
        if (this.#isOver) return;
        size += chunk.length;
        if (size > (upload.maxBytes ?? Infinity)) return this.#fail(tooLarge(name, upload));
        const isHeld = held?.add(chunk) === true;
        if (!isHeld) this.#fileBytes += file === undefined ? size : chunk.length;
        const hasSpace = this.#space?.came(chunk.length, this.#fileBytes, uploads.watch.clock.now());
        if (hasSpace === false) return this.#fail(overloaded(overloadStatus));
        if (isHeld) return;
        if (held !== undefined) this.#letGo(held.capacity);
        file ??= this.#createFile(part);
        if (held !== undefined) file?.write(held.bytes);
        held = undefined;
        file?.write(chunk);
      },
      end: () => {
        if (size < (upload.minBytes ?? 0)) this.#issues.push(tooShort(name, upload));
        const facts = { filename, contentType, size };
        const content = file === undefined ? { bytes: held?.bytes } : { path: file.path };
        const uploaded =
          upload.media?.acceptUpload({ ...facts, ...content }) ??
          new UploadedFile({ ...facts, path: file?.path ?? "" });
        const others = this.#files.get(name);
        if (others === undefined) this.#files.set(name, [uploaded]);
        else others.push(uploaded);
        if (file === undefined) this.#closeOne();
        else file.end(() => this.#closeOne());
      },
    };
  }

  /** Creates a file on the disk; undefined if the reading has failed. */
  #createFile({ stream }: Part): StoredFile | undefined {
    const failed = (error: NodeJS.ErrnoException): void => this.#fail(this.#storageError(error));
    try {
      const file = new StoredFile(this.#plan.uploads.folder.newFile(), stream, failed);
      this.#stored.push(file);
      return file;
    } catch (error) {
      failed(error as NodeJS.ErrnoException);
      return undefined;
    }
  }

  /** Reserves memory for a file. Half of the memory for all requests is left to those that can't use the disk. */
  #hold(bytes: number): boolean {
    const { memory } = this.#plan;
    if (memory.held + bytes > memory.maxBytes / 2 || !memory.take(bytes)) return false;
    this.#heldBytes += bytes;
    return true;
  }

  #letGo(bytes: number): void {
    this.#heldBytes -= bytes;
    this.#plan.memory.free(bytes);
  }

  /** Passes a file to the handler as a stream. The parts before it are all that the handler gets. */
  #passOn({ name, stream: source, filename, contentType }: Part, upload: UploadField): Target {
    let size = 0;
    const stream = new Readable({
      read: () => {
        this.#arrival.isPaused = false;
        source.resume();
      },
    });
    stream.on("error", () => {}); // an error that no handler listens to would end the process
    this.#deliver({ name, stream, file: new UploadStream(filename, contentType, stream) });
    return {
      take: (chunk) => {
        size += chunk.length;
        if (size > (upload.maxBytes ?? Infinity)) return this.#fail(tooLarge(name, upload));
        if (stream.destroyed || stream.push(chunk)) return; // the rest of an abandoned stream is discarded
        source.pause();
        this.#arrival.isPaused = true;
      },
      end: () => {
        this.#arrival.isPaused = false;
        if (size < (upload.minBytes ?? 0)) this.#fail(new InputValidationError([tooShort(name, upload)]));
        else this.#closeOne();
      },
    };
  }

  /** Whether a declared part follows the stream that the handler already reads. Fails then. */
  #comesTooLate(name: string): boolean {
    if (this.#streamed === undefined) return false;
    const msg = `Input should come before ${this.#streamed.name}, which is read while it arrives`;
    this.#fail(new InputValidationError([{ type: "value_error", loc: ["body", name], msg, input: null }]));
    return true;
  }

  #closeOne(): void {
    this.#open--;
    this.#complete();
    this.#whenIdle();
  }

  #complete(): void {
    if (!this.#isParsed || this.#open > 0 || this.#isOver) return;
    if (this.#streamed === undefined) return this.#deliver();
    this.#settle();
    this.#streamed.stream.push(null);
  }

  /** Passes the input to the handler. */
  #deliver(streamed?: Streamed): void {
    const { body, fields, names } = this.#plan;
    const issues = [...this.#issues];
    const files: Record<string, unknown> = {};
    for (const [name, { isList, isRequired }] of body.uploads) {
      const list = this.#files.get(name);
      const isGivenTwice = !isList && list !== undefined && this.#texts.get(name) !== undefined;
      if (isGivenTwice) issues.push(repeated(name, 2));
      if (name === streamed?.name) files[name] = streamed.file;
      else if (list !== undefined) files[name] = isList ? list : list[0];
      else if (this.#texts.get(name) !== undefined)
        continue; // the URL of a file
      else if (isRequired && !issues.some(({ loc }) => loc[1] === name)) issues.push(missing(name));
    }
    let input: object;
    try {
      input = merged(fields.read(this.#texts, issues, names), files, body.uploads);
    } catch (error) {
      return this.#fail(error as Error);
    }
    this.#streamed = streamed;
    const heldBytes = this.#heldBytes;
    if (streamed === undefined) this.#settle();
    const { uploads } = this.#plan;
    const paths = this.#stored.map(({ path }) => path);
    const bytes = this.#fileBytes;
    const release =
      streamed === undefined
        ? () => void uploads.remove(paths, bytes)
        : () => this.#fail(new BodyError("BODY_UNREADABLE"));
    this.#onRead(undefined, { input, bytes: this.#fieldBytes + heldBytes, release });
  }

  /** Ends the reading, and keeps the disk space of the stored files. */
  #settle(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopReading();
    this.#space?.end();
    this.#plan.uploads.disk.hold(this.#fileBytes);
  }

  /** Ends the reading with an error: removes what is stored, and discards the rest of the body. */
  #fail(error: Error): void {
    const { uploads } = this.#plan;
    if (this.#isOver) {
      // The body had arrived. A stream's files are kept until its call is answered.
      if (this.#streamed !== undefined) this.#removeStored(this.#fileBytes);
      return;
    }
    this.#isOver = true;
    this.#stopReading();
    this.#space?.end();
    uploads.disk.hold(this.#fileBytes); // until the files are removed
    this.#removeStored(this.#fileBytes);
    if (this.#streamed === undefined) this.#onRead(error);
    else this.#streamed.stream.destroy(error);
  }

  #removeStored(bytes: number): void {
    this.#fileBytes = 0;
    const { uploads } = this.#plan;
    const files = this.#stored.splice(0);
    let left = files.length;
    if (left === 0) uploads.disk.free(bytes);
    for (const file of files) {
      file.abandon(() => {
        if (--left === 0)
          void uploads.remove(
            files.map(({ path }) => path),
            bytes,
          );
      });
    }
  }

  #stopReading(): void {
    this.#arrival.end();
    this.#plan.memory.free(READING_BYTES);
    this.#letGo(this.#heldBytes);
    this.#request.removeListener("data", this.#onData);
    this.#request.removeListener("end", this.#onEnd);
    this.#request.resume(); // discards the rest
  }

  #storageError(error: NodeJS.ErrnoException): Error {
    if (error.code !== "ENOSPC" && error.code !== "EDQUOT") return error;
    // Once for each body, though several of its files may meet the full disk.
    if (!this.#isOver) this.#plan.uploads.log.error({ err: error }, "no disk space for an upload");
    return new BodyError("BODY_STORAGE_FULL", undefined, { cause: error });
  }
}

/** A part that is read as a file. */
interface Part {
  readonly name: string;
  readonly stream: Readable;
  readonly filename: string;
  readonly encoding: string;
  readonly contentType: string;
}

/** A file that the handler reads while it arrives. */
interface Streamed {
  readonly name: string;
  readonly stream: Readable;
  readonly file: UploadStream;
}

/** The receiver of a file's bytes. */
interface Target {
  take(chunk: Buffer): void;
  end(): void;
}
