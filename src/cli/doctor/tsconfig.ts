import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, extname, isAbsolute, resolve } from "node:path";
import { parseJsonWithComments } from "../../typescript/json-with-comments.ts";

/** The checked settings of a tsconfig.json, including those it extends. */
export interface TypeScriptSettings {
  readonly experimentalDecorators: boolean;
  readonly strict: boolean;
}

/** Reads a tsconfig.json: JSON with comments and trailing commas, and `extends`. @throws SyntaxError, Error */
export function readTypeScriptSettings(path: string): TypeScriptSettings {
  const options = compilerOptions(path, new Set());
  return {
    experimentalDecorators: options["experimentalDecorators"] === true,
    strict: options["strict"] === true,
  };
}

function compilerOptions(path: string, seen: Set<string>): Record<string, unknown> {
  if (seen.has(path)) throw new Error(`${path} extends itself`);
  seen.add(path);
  const config = parseJsonWithComments(readFileSync(path, "utf8")) as {
    extends?: string | string[];
    compilerOptions?: Record<string, unknown>;
  };
  const parents = [config.extends ?? []].flat().map((parent) => locate(parent, path));
  return Object.assign(
    {},
    ...parents.map((parent) => compilerOptions(parent, seen)),
    config.compilerOptions,
  ) as Record<string, unknown>;
}

function locate(parent: string, from: string): string {
  if (isAbsolute(parent) || parent.startsWith(".")) {
    const path = resolve(dirname(from), parent);
    return extname(path) === ".json" || existsSync(path) ? path : `${path}.json`;
  }
  const require = createRequire(from);
  for (const specifier of [parent, `${parent}.json`, `${parent}/tsconfig.json`]) {
    try {
      const path = require.resolve(specifier);
      if (path.endsWith(".json")) return path;
    } catch {
      continue;
    }
  }
  throw new Error(`it extends "${parent}", which is not installed`);
}
