/**
 * `servable/jest`: a transformer of Jest's for TypeScript with standard decorators:
 * `transform: { "^.+\\.[cm]?tsx?$": "servable/jest" }`.
 * @module
 */
import { createHash } from "node:crypto";
import { translateDecorators, translateDecoratorsSync, type Translated } from "./decorators.ts";

/** What of a transformer's options is asked. */
interface JestOptions {
  /** The file is loaded as a module of the language's own, rather than of CommonJS. */
  readonly supportsStaticESM?: boolean;
  readonly configString?: string;
}

/** What Jest is given of the transformer. */
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
