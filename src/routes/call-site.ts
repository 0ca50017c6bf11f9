import { isAbsolute } from "node:path";
import { pathToFileURL } from "node:url";

/** The folder of this package's code: src or dist. */
const OWN_FOLDER = new URL("../", import.meta.url).href;

/** Packages with compilers' helpers, which are on the stack between a class and its decorators. */
const HELPERS = /\/node_modules\/(?:tslib|@swc\/helpers|@babel\/runtime)\//;

/**
 * Number of stack frames that is enough for a decorator and a helper. More frames are captured only if the caller is
 * not among them.
 */
const FEW_FRAMES = 4;
const MANY_FRAMES = 200;

/** A frame's file → its URL, or undefined if the file is not part of the user's code. */
const modules = new Map<string, string | undefined>();

/**
 * The `file:` URL of the module that called into this package: that of the first stack frame outside of it. While a
 * decorator is applied (not while its options are read), it is the module that defines the class.
 * Undefined if no file is on the stack.
 */
export function callSite(): string | undefined {
  return firstModule(FEW_FRAMES) ?? firstModule(MANY_FRAMES);
}

function firstModule(limit: number): string | undefined {
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = limit;
    Error.prepareStackTrace = pickModule;
    const holder: { stack?: unknown } = {};
    Error.captureStackTrace(holder, callSite);
    return holder.stack as string | undefined;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    Error.prepareStackTrace = prepareStackTrace;
  }
}

function pickModule(_error: Error, frames: NodeJS.CallSite[]): string | undefined {
  for (const frame of frames) {
    const file = frame.getFileName();
    if (file === null || file === undefined) continue;
    const module = modules.has(file) ? modules.get(file) : moduleOf(file);
    if (module !== undefined) return module;
  }
  return undefined;
}

function moduleOf(file: string): string | undefined {
  const url = file.startsWith("file:") ? file : isAbsolute(file) ? pathToFileURL(file).href : undefined;
  // Loaders append marks of their own after a "?".
  const plain = url?.replace(/[?#].*$/, "");
  const module =
    plain === undefined || plain.startsWith(OWN_FOLDER) || HELPERS.test(plain) ? undefined : plain;
  modules.set(file, module);
  return module;
}
