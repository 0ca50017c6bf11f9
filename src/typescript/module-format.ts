import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { packageType } from "./package-files.ts";

/** The result of a resolver in Node's hooks. */
export interface Resolved {
  url: string;
  format?: string | null;
}

/** The suffix that tsx appends to the URL of a file that it loads as CommonJS. */
const AS_COMMONJS = /(?:\?|%3F)tsx-commonjs-.*$/;

type Next<Result> = (specifier: string, context: object) => Result;

/**
 * For a package.json without "type" (as `npm install` writes it) the TypeScript loader assumes CommonJS, and translates
 * every package that an app of ES modules imports. This checks the file itself, as Node does with JavaScript: with
 * `import` or `export`, it is an ES module.
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

/** The hook for loaders in the app's own thread. */
export function resolveSync(specifier: string, context: object, next: Next<Resolved>): Resolved {
  return withFormat(next(specifier, context));
}

/** The hook for loaders in a separate thread. Node requires this name. */
export async function resolve(
  specifier: string,
  context: object,
  next: Next<Promise<Resolved>>,
): Promise<Resolved> {
  return withFormat(await next(specifier, context));
}
