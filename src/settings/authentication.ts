import type { FastifyRequest } from "fastify";
import { isRecord, misfit, Misfit, type Check } from "./check.ts";

/**
 * How an app identifies its callers. `bearerTokens()` and `jwt()` create one. Write your own object for other kinds of
 * credentials, such as a header of your own.
 */
export interface Authentication<Caller = unknown> {
  /**
   * Returns who calls, as `ctx.caller`. The request is refused with 401 if the result is undefined, null or false; with
   * the error's status for an `AppException`; and with 500 if anything else is thrown.
   */
  authenticate(request: FastifyRequest): Caller | PromiseLike<Caller>;
  /** The credentials in the form of OpenAPI's security schemes, by name. Default: an HTTP bearer token. */
  readonly securitySchemes?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** The value of `WWW-Authenticate` in an answer with 401. Default "Bearer". */
  readonly challenge?: string;
  /** Called once before a server is built, for example to read keys. Throws if the server must not start. */
  prepare?(): void;
}

const EXPECTED = "bearerTokens(…), jwt({…}) or an object with the method authenticate(request)";
const HEADER_VALUE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/** Checked by its shape, because another copy of this package may have created it. */
export const authentication: Check<Authentication> = (value) => {
  if (!isRecord(value) || typeof value["authenticate"] !== "function") {
    // The value itself may be a key, so it is never part of the message.
    return new Misfit(EXPECTED, value === null ? "null" : `a value of type ${typeof value}`);
  }
  const { securitySchemes, challenge, prepare } = value;
  const areSchemes =
    isRecord(securitySchemes) &&
    Object.values(securitySchemes).every((scheme) => isRecord(scheme) && typeof scheme["type"] === "string");
  if (securitySchemes !== undefined && !areSchemes) {
    return misfit('an object of OpenAPI security schemes, such as { key: { type: "http", scheme: "bearer" } }', securitySchemes).within(".securitySchemes"); // prettier-ignore
  }
  if (challenge !== undefined && !(typeof challenge === "string" && HEADER_VALUE.test(challenge))) {
    return misfit('a value of WWW-Authenticate, such as "Bearer"', challenge).within(".challenge");
  }
  if (prepare !== undefined && typeof prepare !== "function") {
    return misfit("a function", prepare).within(".prepare");
  }
  return value as unknown as Authentication; // the functions' own types can't be checked
};
