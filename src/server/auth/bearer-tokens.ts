import type { FastifyRequest } from "fastify";
import { DefinitionError } from "../../errors.ts";
import { didYouMean } from "../../did-you-mean.ts";
import type { Authentication } from "../../settings/authentication.ts";
import { bearerToken } from "./credentials.ts";
import { KeyList, type KeyCaller, type KeySource } from "./key-list.ts";

/** Finds the caller of a token; undefined, null or false if the token is unknown. */
export type FindCaller<Caller> = (token: string, request: FastifyRequest) => Caller | PromiseLike<Caller>;

const SOURCES = ["keys", "env", "file"] as const;

/** Security schemes of a token in `Authorization`, with the scheme of HTTP and with fal's. */
const TOKEN_SCHEMES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  bearer: { type: "http", scheme: "bearer" },
  key: {
    type: "apiKey",
    in: "header",
    name: "Authorization",
    description: "The word `Key`, a space, and the key.",
  },
};

/**
 * Accepts callers that send a known key as `Authorization: Bearer KEY` or `Authorization: Key KEY`, or as
 * `fal_jwt_token` in the query string when they open a websocket. Keys are compared in constant time and never logged.
 *
 * @example
 * ```ts
 * static override auth = bearerTokens({ env: "API_KEYS" });                // "KEY,KEY" or "alice KEY,bob KEY"
 * static override auth = bearerTokens({ file: "/run/secrets/api-keys" });  // the same, or one per line
 * static override auth = bearerTokens((token) => users.findByToken(token)); // any caller of your own
 * ```
 * `ctx.caller` is `{ name }` of the key, or the result of the function. Variables and files are read when the server is
 * built, not when the class is defined.
 * @throws DefinitionError for an unknown option
 */
export function bearerTokens(source: KeySource | readonly string[]): Authentication<KeyCaller | undefined>;
export function bearerTokens<Caller>(find: FindCaller<Caller>): Authentication<Caller | undefined>;
export function bearerTokens(
  given: KeySource | readonly string[] | FindCaller<unknown>,
): Authentication<unknown> {
  if (typeof given === "function") {
    return {
      securitySchemes: TOKEN_SCHEMES,
      authenticate: (request) => {
        const token = bearerToken(request);
        return token === undefined ? undefined : given(token, request);
      },
    };
  }
  const source = resolveSource(given);
  let list: KeyList | undefined;
  return {
    securitySchemes: TOKEN_SCHEMES,
    prepare: () => void (list = KeyList.read(source)),
    authenticate: (request) => {
      const token = bearerToken(request);
      return token === undefined ? undefined : (list ??= KeyList.read(source)).find(token);
    },
  };
}

function resolveSource(given: unknown): KeySource {
  const refuse = (message: string): never => {
    throw new DefinitionError("SETTING_INVALID", `bearerTokens(): ${message}`);
  };
  if (Array.isArray(given)) return { keys: given as string[] };
  if (typeof given !== "object" || given === null) {
    refuse("needs { keys }, { env }, { file }, a list of keys or a function.");
  }
  const names = Object.keys(given as object);
  for (const name of names) {
    if ((SOURCES as readonly string[]).includes(name)) continue;
    refuse(`unknown option "${name}"${didYouMean(name, SOURCES) || `; known: ${SOURCES.join(", ")}.`}`);
  }
  if (names.length !== 1) refuse("give exactly one of keys, env and file.");
  const source = given as Readonly<Record<string, unknown>>;
  for (const name of ["env", "file"]) {
    const value = source[name];
    if (value === undefined && !(name in source)) continue;
    if (typeof value !== "string" || value === "") refuse(`${name} must be a name, not empty.`);
  }
  if ("keys" in source && (typeof source["keys"] !== "object" || source["keys"] === null)) {
    refuse("keys must be a list of keys, or an object from names to keys.");
  }
  return source as unknown as KeySource; // exactly one option with a checked value
}
