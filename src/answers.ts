import { assertErrorHeaders } from "./answer-header.ts";
import {
  AppException,
  BatchLengthException,
  FalServerlessError,
  FieldException,
  InputValidationError,
  OverloadException,
  QueueTimeoutException,
  WorkerDiedException,
  type ValidationIssue,
} from "./errors.ts";

/** The answer to a client for an error, the same for HTTP answers, stream events and realtime frames. */
export interface ErrorAnswer {
  status: number;
  /** The detail is a text, a list of issues, or what an app gave an error. */
  body: { detail: unknown };
  headers?: Record<string, string | string[]>;
  /** Whether the error was not raised on purpose, so that it must be logged with its stack. */
  unexpected: boolean;
}

// Parts of messages: all parts of one entry must occur, in any order. Plain strings, since callers may control
// messages.
const CUDA_OUT_OF_MEMORY = [
  ["CUDA", "out of memory"],
  ["NVML_SUCCESS == r INTERNAL ASSERT FAILED"],
  ["CUDNN_STATUS_INTERNAL_ERROR"],
  ["cuDNN error: CUDNN_STATUS_NOT_SUPPORTED."],
];
/** The original's list, and further components of CUDA. */
const GPU_NAMES = [
  ...["cuda", "cudnn", "nvml", "nccl", "cublas", "cufft", "cusolver", "cusparse", "triton"],
  ...["cudart", "cudadevrt", "nvcuda", "nvrtc", "nvvm", "nvjitlink", "nvfatbin", "nvptxcompiler", "cupti"],
  ...["curand", "cutensor", "cutensornet", "cutlass", "cudss", "cufile", "nvshmem", "nvjpeg", "nvcuvid"],
  ...["cublaslt", "cusparselt", "cusolvermg", "cufftw"],
];
const inAnyCase = (name: string): string =>
  Array.from(name, (letter) => `[${letter}${letter.toUpperCase()}]`).join("");
// A name at the start of a word or library name that does not continue in lower case: "barracuda" does not match. Both
// cases of its letters are listed, since with the flag "i" the class of lower-case letters would match all letters.
const GPU_NAME = new RegExp(
  String.raw`(?<![\p{L}\p{N}])(?:${inAnyCase("lib")})?(?:${GPU_NAMES.map(inAnyCase).join("|")})(?!\p{Ll})`,
  "u",
);

/** Maximum size of an error's answer: a small request must not cause a huge answer. */
export const MAX_ANSWER_BYTES = 64 * 1024;
/** Size of the answer without the text of the error or the list of issues. */
const FRAME_BYTES = 256;
const MAX_DETAIL_BYTES = MAX_ANSWER_BYTES - FRAME_BYTES;

const INTERNAL: ErrorAnswer = { status: 500, body: { detail: "Internal Server Error" }, unexpected: true };

/** Converts any thrown value to the answer to the client. Never throws, and never includes a stack. */
export function answerFor(error: unknown): ErrorAnswer {
  try {
    return readAnswer(error);
  } catch {
    return INTERNAL; // a proxy whose traps throw, or a property whose getter does
  }
}

function readAnswer(error: unknown): ErrorAnswer {
  if (error instanceof InputValidationError) {
    return {
      status: 422,
      body: { detail: fitIssues(error.issues) },
      headers: { "x-fal-billable-units": "0" },
      unexpected: false,
    };
  }
  if (error instanceof FieldException) return fieldAnswer(error);
  if (error instanceof AppException) {
    if (!isStatus(error.statusCode)) return INTERNAL;
    const headers = headersOf(error);
    return {
      status: error.statusCode,
      body: { detail: detailOf(error) },
      ...(headers === undefined ? {} : { headers }),
      unexpected: error instanceof BatchLengthException || error instanceof WorkerDiedException,
    };
  }
  // Its message contains names of the app's fields, or a URL of the caller, which could match the patterns below.
  if (error instanceof FalServerlessError && /^(?:OUTPUT_|FETCH_|DOWNLOAD_|MEDIA_|STORAGE_)/.test(error.code))
    return INTERNAL;
  const message = messageOf(error);
  if (CUDA_OUT_OF_MEMORY.some((parts) => parts.every((part) => message.includes(part)))) {
    return { status: 503, body: { detail: "CUDA error: out of memory" }, unexpected: true };
  }
  if (GPU_NAME.test(message)) return { status: 503, body: { detail: "GPU error" }, unexpected: true };
  return INTERNAL;
}

function headersOf(error: AppException): Record<string, string | string[]> | undefined {
  if (error instanceof OverloadException) {
    return { "retry-after": String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))) };
  }
  if (error instanceof QueueTimeoutException && error.isCallers)
    return { "x-fal-request-timeout-type": "user" };
  const { headers } = error;
  if (headers === undefined) return undefined;
  assertErrorHeaders(headers); // they may have been changed, or come from another copy of this package
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      typeof value === "object" ? [...value] : String(value),
    ]),
  );
}

/** The detail of an error, as far as it fits into an answer. */
function detailOf(error: AppException): unknown {
  const { detail } = error;
  if (detail === undefined || typeof detail === "string") return fitText(String(error.message));
  const json = JSON.stringify(detail);
  const copy: unknown = JSON.parse(json); // later changes, getters and toJSON() have no effect on the answer
  if (Buffer.byteLength(json) <= MAX_DETAIL_BYTES) return copy;
  const fitting = fitValue(copy, { bytes: MAX_DETAIL_BYTES - FRAME_BYTES });
  return sizeOf(fitting) <= MAX_DETAIL_BYTES ? fitting : fitText(json);
}

/** The beginning of a JSON value that fits: with all its levels, but without the last items, fields and letters. */
function fitValue(value: unknown, room: { bytes: number }): unknown {
  if (typeof value === "string") {
    const text = fitText(value, Math.max(room.bytes, 16));
    room.bytes -= sizeOf(text);
    return text;
  }
  if (typeof value !== "object" || value === null) {
    room.bytes -= sizeOf(value);
    return value;
  }
  room.bytes -= 2;
  if (Array.isArray(value)) {
    const items: unknown[] = [];
    for (const item of value) {
      room.bytes -= 1;
      if (room.bytes <= 0) break;
      items.push(fitValue(item, room));
    }
    return items;
  }
  const fields: [string, unknown][] = [];
  for (const [key, item] of Object.entries(value)) {
    room.bytes -= sizeOf(key) + 2;
    if (room.bytes <= 0) break;
    fields.push([key, fitValue(item, room)]);
  }
  return Object.fromEntries(fields);
}

function fieldAnswer(error: FieldException): ErrorAnswer {
  if (!isStatus(error.statusCode)) return INTERNAL;
  const answer: ErrorAnswer = {
    status: error.statusCode,
    body: {
      detail: fitIssues([
        { loc: ["body", error.field], msg: fitText(String(error.message)), type: String(error.type) },
      ]),
    },
    unexpected: false,
  };
  if (!error.billableUnits) return answer;
  const units = formatBillableUnits(error.billableUnits);
  return units === undefined ? INTERNAL : { ...answer, headers: { "x-fal-billable-units": units } };
}

/** The last entry of an incomplete list of issues. */
export function endOfList(
  why: "full" | "work",
  loc: readonly (string | number)[] = ["body"],
): ValidationIssue {
  const msg =
    why === "full"
      ? "There are more errors than this answer has room for"
      : "There may be more errors: the rest was not looked into";
  return { type: "errors_omitted", loc: [...loc], msg };
}

/** As many issues as fit into an answer. The last entry says if there are more. */
function fitIssues(issues: readonly ValidationIssue[]): readonly ValidationIssue[] {
  if (sizeOf(issues) <= MAX_DETAIL_BYTES) return issues;
  const fitting: ValidationIssue[] = [];
  let room = MAX_DETAIL_BYTES - FRAME_BYTES;
  for (const issue of issues) {
    room -= sizeOf(issue) + 1;
    if (room < 0) break;
    fitting.push(issue);
  }
  const [first] = issues;
  if (fitting.length > 0 || first === undefined) return [...fitting, endOfList("full")];
  // Not even one fits: shorten it.
  const loc = first.loc.slice(0, 20).map((key) => (typeof key === "string" ? key.slice(0, 200) : key));
  return [{ type: first.type.slice(0, 200), loc, msg: fitText(first.msg, 4096) }, endOfList("full")];
}

/** As much of a text as fits into an answer. */
export function fitText(text: string, maxBytes: number = MAX_DETAIL_BYTES): string {
  if (text.length * 6 <= maxBytes || sizeOf(text) <= maxBytes) return text;
  let cut = text.slice(0, maxBytes);
  for (let bytes = sizeOf(cut); bytes > maxBytes - 3; bytes = sizeOf(cut)) {
    cut = cut.slice(0, Math.floor((cut.length * (maxBytes - 3)) / bytes) - 1);
  }
  return `${cut.replace(/[\ud800-\udbff]$/, "")}…`;
}

/** Size as JSON, in bytes. */
function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value) ?? "");
}

/** Formats an integer unchanged, other numbers and numeric strings with 8 decimals; undefined for other values. */
export function formatBillableUnits(units: unknown): string | undefined {
  if (typeof units === "bigint") return units.toString();
  if (typeof units === "number" && Number.isInteger(units)) return BigInt(units).toString();
  if (typeof units === "string" && units.trim() === "") return undefined;
  if (typeof units !== "number" && typeof units !== "string") return undefined;
  const value = Number(units);
  if (!Number.isFinite(value)) return undefined;
  // From 1e21 on, toFixed() falls back to exponents; such a number is whole.
  return Math.abs(value) < 1e21 ? value.toFixed(8) : `${BigInt(value)}.00000000`;
}

function isStatus(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 200 && (value as number) <= 599;
}

function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message) : String(error);
  } catch {
    return ""; // an object whose toString or message getter throws
  }
}

/**
 * Converts any thrown value to an error to log or to pass on. A thrown value may throw when it is inspected, or be
 * falsy, which libraries take for success.
 * @param thrower the code that threw it, for the message
 */
export function asError(thrown: unknown, thrower: string = "a handler"): Error {
  try {
    if (thrown instanceof Error) return thrown;
    if (thrown === undefined || thrown === null) return new Error(`${thrower} threw ${thrown}, no error`);
    const shown = typeof thrown === "object" ? JSON.stringify(thrown) : String(thrown);
    return new Error(`${thrower} threw no error but ${typeof thrown}: ${shown}`, { cause: thrown });
  } catch {
    return new Error(`${thrower} threw no error but a ${typeof thrown} that can't be shown`);
  }
}
