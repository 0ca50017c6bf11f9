import { findSourceMap } from "node:module";
import { isAbsolute } from "node:path";
import { pathToFileURL } from "node:url";
import { currentRuntime } from "./runtime.ts";

/** Where in a file something stands: the file as it lies on the disk, before any loader translates it. */
export interface SourceLocation {
  /** `file:` URL. */
  readonly module: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
}

/** The folder of this package's code: src, or dist. */
const OWN_FOLDER = new URL("../", import.meta.url).href;

/** A definition may stand deep below the start of its program. */
const MAX_FRAMES = 200;

/**
 * The place of the user's code that is being run: the innermost frame of the stack that is not this package's or,
 * with `module`, the innermost one in that module. Undefined when there is none.
 * @param module `file:` URL
 */
export function callerLocation(module?: string): SourceLocation | undefined {
  const runtime = currentRuntime();
  const frames = stackFrames();
  // In a bundle the map is Node's.
  const shown = runtime === undefined ? shownFrames() : [];
  for (const [index, frame] of frames.entries()) {
    const place = originOf(
      frame,
      runtime?.bundleUrl,
      shown.length === frames.length ? shown[index] : undefined,
    );
    if (place === undefined) continue;
    // In a bundle, this package's own code lies in the same file, and what is looked for in a known module.
    const wanted = runtime?.moduleUrl ?? module;
    if (wanted === undefined ? !place.module.startsWith(OWN_FOLDER) : place.module === wanted) return place;
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

/** The same frames as lines of text, as a stack shows them here. */
function shownFrames(): readonly string[] {
  try {
    return String(capturedStack())
      .split("\n")
      .filter((line) => /^\s+at /.test(line));
  } catch {
    return []; // what a tool has put in place of Node's own can't show them
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
 * Where a frame stands in the file on the disk. A loader's source map is followed back to the file it was made from;
 * one that a compiler left beside its output is not, since it is the output that is bundled.
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
  const place = shown === undefined ? undefined : placeInText(shown);
  return place?.module === url ? place : { module: url, line, column };
}

/**
 * The place that a line of a stack shows. Tools that evaluate what they have translated, as Vitest and Jest do, keep the
 * source maps to themselves; Node knows of none, but stacks are shown by the tool.
 */
function placeInText(text: string): SourceLocation | undefined {
  const [, file = "", line, column] =
    / \((.+):(\d+):(\d+)\)$/.exec(text) ?? /^\s+at (?:async )?(.+):(\d+):(\d+)$/.exec(text) ?? [];
  const module = plainUrl(file);
  return module === undefined ? undefined : { module, line: Number(line), column: Number(column) };
}

/** A file's URL, without the marks that loaders add behind a "?". */
function plainUrl(file: string): string | undefined {
  const url = file.startsWith("file:") ? file : isAbsolute(file) ? pathToFileURL(file).href : undefined;
  return url?.replace(/[?#].*$/, "");
}
