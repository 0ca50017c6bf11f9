import { createRequire } from "node:module";
import type * as Esbuild from "esbuild";
import type { Loader, TransformOptions } from "esbuild";

/** What was made of a file: JavaScript, and the map back to the file. */
export interface Translated {
  readonly code: string;
  readonly map: string;
}

/** What a file is to become a part of. */
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
/** May be one. One that stands in a comment costs a translation, no more. */
const DECORATOR = /(?:^|[\s;{}(=])@[\p{ID_Start}$_([]/mu;

/** Whether a file is written in something that esbuild reads, and may have decorators. */
export function mayHaveDecorators(path: string, source: string): boolean {
  return loaderOf(path) !== undefined && DECORATOR.test(source);
}

/**
 * Translates a file with standard decorators into JavaScript that every Node runs.
 * @param path for the kind of the file, and for its map
 */
export async function translateDecorators(
  source: string,
  path: string,
  format: ModuleFormat,
): Promise<Translated> {
  const { transform } = await import("esbuild");
  return transform(source, optionsFor(path, format));
}

/** The same at once, for tools that can't wait. */
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
    // Decorators and fields mean what they mean in the language, whatever a tsconfig.json says.
    tsconfigRaw: { compilerOptions: { experimentalDecorators: false, useDefineForClassFields: true } },
    ...(format === undefined ? { jsx: "preserve" } : { format, jsx: "automatic" }),
    ...(format === "cjs" ? { platform: "node" } : {}),
  };
}

function loaderOf(path: string): Loader | undefined {
  const [, extension = ""] = /\.([a-z]+)$/.exec(path) ?? [];
  return LOADERS[extension];
}
