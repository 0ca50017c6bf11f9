import { constants } from "node:fs";
import { open, realpath, type FileHandle } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { basename, isAbsolute, relative, resolve, sep } from "node:path";
import { AppException, FalServerlessError } from "../../errors.ts";
import type { FileAnswer } from "../../routes/file-answer.ts";
import { loadMime } from "../packages.ts";
import { readRange } from "../../file-headers/byte-range.ts";
import { FileSource } from "./byte-source.ts";
import { contentDisposition } from "../../file-headers/content-disposition.ts";
import { evaluateConditions, isRangeCurrent, type Validators } from "../../file-headers/preconditions.ts";
import type { ResultBody } from "./result-body.ts";

/**
 * Opens a file and evaluates the conditions and the range of a GET or HEAD request.
 * @throws AppException with 404 for a path that leaves its root or names no file in it, with 412 and 416
 * @throws FalServerlessError for a file without a root that can't be read
 */
export async function openFile(answer: FileAnswer, request: IncomingMessage): Promise<ResultBody> {
  const file = await openRegular(answer);
  try {
    return await bodyOfFile(answer, request, file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function bodyOfFile(
  { path, options }: FileAnswer,
  { method, headers }: IncomingMessage,
  file: FileHandle,
): Promise<ResultBody> {
  const { size, mtimeNs } = await file.stat({ bigint: true });
  const length = Number(size);
  const validators = validatorsOf(options.etag, size, mtimeNs);
  const { filename, download = filename !== undefined, cacheControl } = options;
  const given: [string, string][] = [];
  if (cacheControl !== undefined) given.push(["cache-control", cacheControl]);
  const isRead = method === "GET" || method === "HEAD";
  if (isRead) {
    if (validators.etag !== undefined) given.push(["etag", validators.etag]);
    given.push(["last-modified", new Date(validators.modifiedMs).toUTCString()], ["accept-ranges", "bytes"]);
    const decided = evaluateConditions(headers, validators);
    if (decided === 412) throw new AppException("Precondition Failed", 412);
    if (decided === 304) {
      await file.close();
      return { content: undefined, length: undefined, status: 304, headers: given };
    }
  }
  const name = filename ?? basename(path);
  if (filename !== undefined || download)
    given.push(["content-disposition", contentDisposition(name, download)]);
  const type = options.contentType;
  const guessed = loadMime().getType(name) ?? loadMime().getType(path);
  const body = { statedType: type, likelyType: withCharset(guessed) };
  const range =
    method === "GET" && isRangeCurrent(headers, validators) ? readRange(headers.range, length) : undefined;
  if (range === "unsatisfiable") {
    throw new AppException("Range Not Satisfiable", 416, {
      headers: { "content-range": `bytes */${length}` },
    });
  }
  if (range === undefined) {
    return { ...body, content: new FileSource(file, 0, length), length, headers: given };
  }
  const last = range.start + range.length - 1;
  return {
    ...body,
    content: new FileSource(file, range.start, range.length),
    length: range.length,
    status: 206,
    headers: [...given, ["content-range", `bytes ${range.start}-${last}/${length}`]],
  };
}

/** A file that has changed within this time may change again without a new time, in ms. */
const SETTLED_MS = 1000;

function validatorsOf(given: string | false | undefined, size: bigint, mtimeNs: bigint): Validators {
  const modifiedMs = Number(mtimeNs / 1_000_000n);
  const isSettled = Date.now() - modifiedMs > SETTLED_MS;
  const own = `${isSettled ? "" : "W/"}"${size.toString(16)}-${mtimeNs.toString(16)}"`;
  return { etag: given === false ? undefined : (given ?? own), modifiedMs, isSettled };
}

function withCharset(type: string | null): string | undefined {
  if (type === null) return undefined;
  return /^text\/|^application\/javascript$/.test(type) ? `${type}; charset=utf-8` : type;
}

/** Errors of the file system that mean that there is no such file. */
const MISSING: ReadonlySet<unknown> = new Set([
  ...["ENOENT", "ENOTDIR", "EISDIR", "ENAMETOOLONG", "ELOOP", "ENXIO", "ERR_INVALID_ARG_VALUE"],
]);

/** Opening a named pipe without a writer must not wait for one. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

async function openRegular({ path, options: { root } }: FileAnswer): Promise<FileHandle> {
  let file: FileHandle | undefined;
  try {
    file = await open(root === undefined ? path : await pathBelow(root, path), FLAGS);
    if ((await file.stat()).isFile()) return file;
  } catch (error) {
    if (root === undefined || !MISSING.has((error as NodeJS.ErrnoException).code)) {
      await file?.close();
      throw unreadable(path, error);
    }
  }
  await file?.close();
  throw root === undefined ? unreadable(path, new Error("it is not a regular file")) : notFound();
}

async function pathBelow(root: string, path: string): Promise<string> {
  const folder = await realpath(root).catch((cause: unknown) => {
    throw new Error(`its root is not a folder: ${String(cause)}`, { cause });
  });
  const target = await realpath(resolve(root, path));
  const inside = relative(folder, target);
  if (inside === "" || inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw Object.assign(new Error("the path leaves its root"), { code: "ENOENT" });
  }
  return target;
}

function notFound(): AppException {
  return new AppException("Not Found", 404);
}

function unreadable(path: string, cause: unknown): FalServerlessError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new FalServerlessError("OUTPUT_UNSENDABLE", `file(${JSON.stringify(path)}) can't be sent: ${why}`, {
    cause,
  });
}
