import { createRequire } from "node:module";
import type * as Ajv from "ajv/dist/2020.js";
import type addFormats from "ajv-formats";
import type * as FastJsonStringify from "fast-json-stringify";
import type * as Fastify from "fastify";
import type { Readable } from "node:stream";
import type * as Pino from "pino";

// Heavy packages, loaded when the first server is built: importing the framework to define or read a class stays fast.
// All are CommonJS, so that building a server stays synchronous.
const require = createRequire(import.meta.url);

export const loadAjv = () => require("ajv/dist/2020") as typeof Ajv;
export const loadAjvFormats = () => require("ajv-formats") as typeof addFormats;
export const loadBusboy = () => require("@fastify/busboy") as BusboyConstructor;
export const loadFastJsonStringify = () => require("fast-json-stringify") as typeof FastJsonStringify;
export const loadFastify = () => require("fastify") as typeof Fastify;
export const loadPino = () => require("pino") as typeof Pino;
export const loadMime = () => require("mime") as { getType(path: string): string | null }; // has no types

/** The part of `@fastify/busboy` that is used. Its own types declare events that it does not emit in this form. */
type BusboyConstructor = new (options: {
  readonly headers: { readonly "content-type": string };
  readonly limits: {
    readonly fieldSize: number;
    readonly parts: number;
    readonly headerPairs: number;
    readonly headerSize: number;
  };
  /** Whether a part is read as a file, and not as a field. */
  readonly isPartAFile: (
    name: string | undefined,
    contentType: string | undefined,
    filename: string | undefined,
  ) => boolean;
}) => BusboyParser;

/** A parser of multipart bodies. */
export interface BusboyParser {
  /** False if the parser wants no more before its event `drain`. */
  write(chunk: Buffer): boolean;
  end(): void;
  on(
    event: "file",
    listener: (
      name: string | undefined,
      stream: Readable,
      filename: string | undefined,
      encoding: string,
      contentType: string,
    ) => void,
  ): this;
  on(
    event: "field",
    listener: (
      name: string | undefined,
      value: string,
      nameTruncated: boolean,
      valueTruncated: boolean,
      encoding: string,
      contentType: string,
    ) => void,
  ): this;
  on(event: "partsLimit" | "finish" | "drain", listener: () => void): this;
  on(event: "error", listener: (error: Error) => void): this;
}
