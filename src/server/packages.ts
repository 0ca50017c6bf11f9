import { createRequire } from "node:module";
import type * as Ajv from "ajv/dist/2020.js";
import type addFormats from "ajv-formats";
import type * as FastJsonStringify from "fast-json-stringify";
import type * as Fastify from "fastify";
import type * as Pino from "pino";

// Heavy packages, loaded when the first server is built: importing the framework to define or read a class stays fast.
// All are CommonJS, so that building a server stays synchronous.
const require = createRequire(import.meta.url);

export const loadAjv = () => require("ajv/dist/2020") as typeof Ajv;
export const loadAjvFormats = () => require("ajv-formats") as typeof addFormats;
export const loadFastJsonStringify = () => require("fast-json-stringify") as typeof FastJsonStringify;
export const loadFastify = () => require("fastify") as typeof Fastify;
export const loadPino = () => require("pino") as typeof Pino;
export const loadMime = () => require("mime") as { getType(path: string): string | null }; // has no types
