/**
 * `servable/jest`: a transformer of Jest's for TypeScript with standard decorators:
 * `transform: { "^.+\\.[cm]?tsx?$": "servable/jest" }`.
 * @module
 */
import { createHash } from "node:crypto";
import { translateDecorators, translateDecoratorsSync, type Translated } from "./decorators.ts";

/** The options of a transformer that are used here. */
interface JestOptions {
  /** Whether the file is loaded as an ES module rather than as CommonJS. */
  readonly supportsStaticESM?: boolean;
  readonly configString?: string;
}

/** The methods of the transformer that Jest calls. */
export interface ServableJestTransformer {
  process(source: string, path: string, options: JestOptions): Translated;
  processAsync(source: string, path: string, options: JestOptions): Promise<Translated>;
  getCacheKey(source: string, path: string, options: JestOptions): string;
}

const transformer: ServableJestTransformer = {
  process: (source, path, options) => translateDecoratorsSync(source, path, formatFor(options)),
  processAsync: (source, path, options) => translateDecorators(source, path, formatFor(options)),
  getCacheKey: (source, path, options) =>
    createHash("sha256")
      .update([import.meta.url, path, formatFor(options), options.configString, source].join("\0"))
      .digest("hex"),
};

function formatFor({ supportsStaticESM }: JestOptions): "esm" | "cjs" {
  return supportsStaticESM === true ? "esm" : "cjs";
}

export default transformer;
