import { findSourceMap } from "node:module";
import { isAbsolute } from "node:path";
import { pathToFileURL } from "node:url";

/** A location in a source file as it is on the disk, before any loader transforms it. */
export interface SourceLocation {
  /** `file:` URL. */
  readonly module: string;
  /** Starts at 1. */
  readonly line: number;
  /** Starts at 1. */
  readonly column: number;
}

/** The folder of this package's code: src, or dist. */
const OWN_FOLDER = new URL("../", import.meta.url).href;

/** Captured stack frames. A definition may be nested deeper than Node's default of 10 frames. */
const MAX_FRAMES = 200;

/**
 * The location of the user's code that called this package: the innermost stack frame outside this package or, with
 * `module`, the innermost one in that module. Undefined if there is no such frame.
 * @param module `file:` URL
 * @param bundle the bundle that this code is part of, if it is: the module is then the bundled one
 */
export function callerLocation(
  module?: string,
  bundle?: { readonly bundleUrl: string; readonly moduleUrl: string },
): SourceLocation | undefined {
  const frames = stackFrames();
  // For a bundle, Node itself applies the source map.
  const shown = bundle === undefined ? shownFrames() : [];
  for (const [index, frame] of frames.entries()) {
    const location = originOf(
      frame,
      bundle?.bundleUrl,
      shown.length === frames.length ? shown[index] : undefined,
    );
    if (location === undefined) continue;
    // A bundle contains this package's code too; the user's module is known there.
    const wanted = bundle?.moduleUrl ?? module;
    if (wanted === undefined ? !location.module.startsWith(OWN_FOLDER) : location.module === wanted)
      return location;
  }
  return undefined;
}

function stackFrames(): readonly NodeJS.CallSite[] {
  const { prepareStackTrace } = Error;
  try {
    Error.prepareStackTrace = (_error, frames) => frames;
    return capturedStack() as readonly NodeJS.CallSite[];
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
  }
}

/** The same frames as lines of text, as `error.stack` shows them. */
function shownFrames(): readonly string[] {
  try {
    return String(capturedStack())
      .split("\n")
      .filter((line) => /^\s+at /.test(line));
  } catch {
    return []; // prepareStackTrace may have been replaced by a tool, and may throw
  }
}

function capturedStack(): unknown {
  const { stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = MAX_FRAMES;
    const holder: { stack?: unknown } = {};
    Error.captureStackTrace(holder, callerLocation);
    return holder.stack;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/**
 * The location of a frame in the file on the disk. A loader's source map is applied; the map of compiled output on the
 * disk is not, since the output is what gets bundled.
 */
function originOf(
  frame: NodeJS.CallSite,
  bundleUrl: string | undefined,
  shown: string | undefined,
): SourceLocation | undefined {
  const file = frame.getFileName();
  const line = frame.getLineNumber();
  const column = frame.getColumnNumber();
  if (file === null || file === undefined || line === null || column === null) return undefined;
  const url = plainUrl(file);
  if (url === undefined) return undefined;
  const map = findSourceMap(file);
  const origin = map?.findEntry(line - 1, column - 1);
  if (origin !== undefined && "originalSource" in origin && typeof origin.originalSource === "string") {
    const source = plainUrl(origin.originalSource);
    if (source !== undefined && (source === url || url === bundleUrl)) {
      return { module: source, line: origin.originalLine + 1, column: origin.originalColumn + 1 };
    }
  }
  if (url === bundleUrl) return undefined;
  const location = shown === undefined ? undefined : locationInText(shown);
  return location?.module === url ? location : { module: url, line, column };
}

/**
 * The location in one line of a stack trace. Tools that evaluate transformed code, such as Vitest and Jest, keep their
 * source maps to themselves: Node does not know them, but the tool applies them to the text of stack traces.
 */
function locationInText(text: string): SourceLocation | undefined {
  const [, file = "", line, column] =
    / \((.+):(\d+):(\d+)\)$/.exec(text) ?? /^\s+at (?:async )?(.+):(\d+):(\d+)$/.exec(text) ?? [];
  const module = plainUrl(file);
  return module === undefined ? undefined : { module, line: Number(line), column: Number(column) };
}

/** A file's URL, without the query that loaders add. */
function plainUrl(file: string): string | undefined {
  const url = file.startsWith("file:") ? file : isAbsolute(file) ? pathToFileURL(file).href : undefined;
  return url?.replace(/[?#].*$/, "");
}
