import { createRequire } from "node:module";
import type * as Esbuild from "esbuild";
import type { Loader, TransformOptions } from "esbuild";

/** The JavaScript of a translated file, and its source map. */
export interface Translated {
  readonly code: string;
  readonly map: string;
}

/** The module format to translate to; undefined keeps that of the file. */
export type ModuleFormat = "esm" | "cjs" | undefined;

const LOADERS: Readonly<Record<string, Loader>> = {
  ts: "ts",
  mts: "ts",
  cts: "ts",
  tsx: "tsx",
  js: "js",
  mjs: "js",
  cjs: "js",
  jsx: "jsx",
};
/** Matches possible decorators. A false match, such as in a comment, only costs a translation. */
const DECORATOR = /(?:^|[\s;{}(=])@[\p{ID_Start}$_([]/mu;

/** Whether esbuild can read a file, and the file may have decorators. */
export function mayHaveDecorators(path: string, source: string): boolean {
  return loaderOf(path) !== undefined && DECORATOR.test(source);
}

/**
 * Translates a file with standard decorators into JavaScript that every Node runs.
 * @param path determines the kind of the file, and is named in the source map
 */
export async function translateDecorators(
  source: string,
  path: string,
  format: ModuleFormat,
): Promise<Translated> {
  const { transform } = await import("esbuild");
  return transform(source, optionsFor(path, format));
}

/** The synchronous form of {@link translateDecorators}, for tools that need it. */
export function translateDecoratorsSync(source: string, path: string, format: ModuleFormat): Translated {
  const { transformSync } = createRequire(import.meta.url)("esbuild") as typeof Esbuild;
  return transformSync(source, optionsFor(path, format));
}

function optionsFor(path: string, format: ModuleFormat): TransformOptions {
  return {
    loader: loaderOf(path) ?? "js",
    sourcefile: path,
    sourcemap: true,
    target: "es2022", // has no decorators
    // Standard semantics of decorators and fields, regardless of tsconfig.json.
    tsconfigRaw: { compilerOptions: { experimentalDecorators: false, useDefineForClassFields: true } },
    ...(format === undefined ? { jsx: "preserve" } : { format, jsx: "automatic" }),
    ...(format === "cjs" ? { platform: "node" } : {}),
  };
}

function loaderOf(path: string): Loader | undefined {
  const [, extension = ""] = /\.([a-z]+)$/.exec(path) ?? [];
  return LOADERS[extension];
}
