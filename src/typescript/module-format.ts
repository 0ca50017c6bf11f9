import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { packageType } from "./package-files.ts";

/** What a resolver found, as Node's hooks pass it on. */
export interface Resolved {
  url: string;
  format?: string | null;
}

/** The loader's own mark on the address of a file that it means to wrap as CommonJS. */
const AS_COMMONJS = /(?:\?|%3F)tsx-commonjs-.*$/;

type Next<Result> = (specifier: string, context: object) => Result;

/**
 * A package.json without "type" (as `npm install` writes it) means CommonJS to the TypeScript loader, which then
 * runs an app of ES modules by translating every package it imports. As Node does with JavaScript, this looks at
 * the file: with `import` or `export` in it, it is a module.
 */
function withFormat(resolved: Resolved): Resolved {
  const { format } = resolved;
  if (format !== "commonjs" && format !== "commonjs-typescript") return resolved;
  const url = resolved.url.replace(AS_COMMONJS, "");
  if (!/^file:.*\.[jt]sx?(?:[?#]|$)/.test(url) || url.includes("/node_modules/")) return resolved;
  const path = fileURLToPath(url.replace(/[?#].*$/, ""));
  if (packageType(dirname(path)) !== undefined) return resolved;
  return /^\s*(?:import|export)\b(?!\s*\()/m.test(readFileSync(path, "utf8"))
    ? { url, format: "module" }
    : resolved;
}

/** The hook for a loader in the app's own thread. */
export function resolveSync(specifier: string, context: object, next: Next<Resolved>): Resolved {
  return withFormat(next(specifier, context));
}

/** The hook for a loader in a thread of its own; Node finds it by this name. */
export async function resolve(
  specifier: string,
  context: object,
  next: Next<Promise<Resolved>>,
): Promise<Resolved> {
  return withFormat(await next(specifier, context));
}
