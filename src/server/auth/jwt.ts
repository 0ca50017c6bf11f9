import type { FastifyRequest } from "fastify";
import type { CryptoKey, JWTVerifyGetKey } from "jose";
import { didYouMean } from "../../did-you-mean.ts";
import { AppException, DefinitionError, ForbiddenException, UnauthorizedException } from "../../errors.ts";
import { Misfit, text, texts, type Check } from "../../settings/check.ts";
import type { Authentication } from "../../settings/authentication.ts";
import { bearerToken } from "./credentials.ts";

/** Public keys as a JSON Web Key Set (RFC 7517). */
export interface KeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[];
}

/** The options of {@link jwt}. */
export interface JwtOptions {
  /** The issuer of the tokens (`iss`), or several that are accepted. */
  issuer: string | readonly string[];
  /** The audience that the tokens are for (`aud`), or several of which one must match. */
  audience: string | readonly string[];
  /** The issuer's public keys: the `https:` address of its key set, or the key set itself. */
  jwks: string | URL | KeySet;
  /** Accepted signature algorithms; only asymmetric ones. Default: RS, PS and ES with 256, 384 or 512 bits, and EdDSA. */
  algorithms?: readonly string[];
  /** Scopes that a token must have in `scope` or `scp`; other tokens are refused with 403. Default: none. */
  scopes?: readonly string[];
  /** Maximum difference between the clocks of issuer and server, in seconds. Default 5. */
  clockToleranceSeconds?: number;
  /** Maximum age of the fetched key set, in seconds. A token with an unknown key renews it earlier. Default 600. */
  cacheSeconds?: number;
  /** Maximum time to fetch the key set, in ms. Default 5,000. */
  fetchTimeoutMs?: number;
}

/** The verified claims of a token. */
export interface JwtCaller {
  readonly iss: string;
  readonly aud: string | readonly string[];
  /** The time of expiry, in seconds since 1970. */
  readonly exp: number;
  readonly sub?: string;
  readonly [claim: string]: unknown;
}

/** Options with their defaults. */
interface ResolvedJwtOptions extends Required<Omit<JwtOptions, "jwks">> {
  readonly jwks: URL | KeySet;
}

// Without "none" and HS: with HS, the public key would be the secret that an attacker signs with.
const ALGORITHMS: readonly string[] = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"],
  ...["EdDSA", "Ed25519"],
];

/** Errors of jose that mean that the token is invalid. */
const INVALID_TOKEN: ReadonlySet<unknown> = new Set([
  "ERR_JWT_EXPIRED",
  "ERR_JWT_CLAIM_VALIDATION_FAILED",
  "ERR_JWT_INVALID",
  "ERR_JWS_INVALID",
  "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
  "ERR_JOSE_ALG_NOT_ALLOWED",
  "ERR_JOSE_NOT_SUPPORTED",
  "ERR_JWKS_NO_MATCHING_KEY",
]);
const MULTIPLE_KEYS = "ERR_JWKS_MULTIPLE_MATCHING_KEYS";

/**
 * Accepts callers that send a JSON Web Token, signed by one of the issuer's keys, as `Authorization: Bearer TOKEN`, or
 * as `fal_jwt_token` in the query string when they open a websocket. Issuer, audience, signature and expiry are checked.
 * If the key set can't be fetched, requests get 503.
 *
 * @example
 * ```ts
 * static override auth = jwt({
 *   issuer: "https://login.example.com/",
 *   audience: "https://api.example.com",
 *   jwks: "https://login.example.com/.well-known/jwks.json",
 * });
 * ```
 * `ctx.caller` holds the claims of the token. They are checked once, when the request arrives: a websocket stays open
 * when its token expires.
 * @throws DefinitionError for a missing or invalid option
 */
export function jwt(options: JwtOptions): Authentication<JwtCaller | undefined> {
  const resolved = resolveOptions(options);
  let verify: Promise<Verify> | undefined;
  return {
    securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
    async authenticate(request: FastifyRequest) {
      const token = bearerToken(request);
      if (token === undefined) return undefined;
      return (await (verify ??= createVerify(resolved)))(token);
    },
  };
}

type Verify = (token: string) => Promise<JwtCaller>;

async function createVerify(options: ResolvedJwtOptions): Promise<Verify> {
  const { createLocalJWKSet, createRemoteJWKSet, jwtVerify } = await import("jose");
  const { jwks, scopes } = options;
  const getKey =
    jwks instanceof URL
      ? createRemoteJWKSet(jwks, {
          cacheMaxAge: options.cacheSeconds * 1000,
          timeoutDuration: options.fetchTimeoutMs,
        })
      : createLocalJWKSet(structuredClone(jwks) as Parameters<typeof createLocalJWKSet>[0]);
  const checks = {
    issuer: options.issuer as string | string[],
    audience: options.audience as string | string[],
    algorithms: [...options.algorithms],
    clockTolerance: options.clockToleranceSeconds,
    requiredClaims: ["exp"],
  };
  const find: JWTVerifyGetKey = async (header, token) => {
    try {
      return await getKey(header, token);
    } catch (error) {
      const code = codeOf(error);
      if (INVALID_TOKEN.has(code) || code === MULTIPLE_KEYS) throw error;
      throw new AppException("The keys of the token's issuer can't be fetched; try again later.", 503, { cause: error }, "AUTHENTICATION_UNAVAILABLE"); // prettier-ignore
    }
  };
  const claimsOf = async (token: string): Promise<JwtCaller> => {
    try {
      return (await jwtVerify(token, find, checks)).payload as unknown as JwtCaller; // jose has checked iss, aud and exp
    } catch (error) {
      if (codeOf(error) !== MULTIPLE_KEYS) throw refusalOf(error);
      // The token does not name its key: each key that fits is tried.
      for await (const key of error as AsyncIterable<CryptoKey>) {
        try {
          return (await jwtVerify(token, key, checks)).payload as unknown as JwtCaller; // checked as above
        } catch (failure) {
          if (codeOf(failure) !== "ERR_JWS_SIGNATURE_VERIFICATION_FAILED") throw refusalOf(failure);
        }
      }
      throw refusalOf({ code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED" });
    }
  };
  return async (token) => {
    const claims = await claimsOf(token);
    const missing = missingScopes(claims, scopes);
    if (missing.length > 0) throw new ForbiddenException(`The token lacks the scope ${missing.join(" ")}.`);
    return claims;
  };
}

function refusalOf(error: unknown): unknown {
  const code = codeOf(error);
  if (!INVALID_TOKEN.has(code)) return error;
  return new UnauthorizedException(code === "ERR_JWT_EXPIRED" ? "The token has expired." : undefined, {
    cause: error,
  });
}

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}

function missingScopes({ scope, scp }: JwtCaller, scopes: readonly string[]): readonly string[] {
  const given = [scope, scp].flat().flatMap((value) => (typeof value === "string" ? value.split(" ") : []));
  const known = new Set(given);
  return scopes.filter((wanted) => !known.has(wanted));
}

const name: Check<string | readonly string[]> = (value) =>
  Array.isArray(value) && value.length > 0
    ? texts("https://example.com/")(value)
    : text("https://example.com/")(value);

const CHECKS: Readonly<Record<keyof Omit<JwtOptions, "jwks">, Check>> = {
  issuer: name,
  audience: name,
  algorithms: (value) =>
    Array.isArray(value) && value.length > 0
      ? texts("RS256")(value)
      : new Misfit('a list such as ["RS256"]', String(value)),
  scopes: texts("images:write"),
  clockToleranceSeconds: numberUpTo(0, 600),
  cacheSeconds: numberUpTo(1, 86_400),
  fetchTimeoutMs: numberUpTo(1, 60_000),
};

function numberUpTo(minimum: number, maximum: number): Check<number> {
  return (value) =>
    typeof value === "number" && Number.isInteger(value) && value >= minimum && value <= maximum
      ? value
      : new Misfit(`a whole number from ${minimum} to ${maximum}`, String(value));
}

function resolveOptions(options: JwtOptions): ResolvedJwtOptions {
  if (typeof options !== "object" || options === null) throw invalid("needs { issuer, audience, jwks }.");
  const known = [...Object.keys(CHECKS), "jwks"];
  for (const option of Object.keys(options)) {
    if (known.includes(option)) continue;
    throw invalid(
      `unknown option "${option}"${didYouMean(option, known) || `; known: ${known.join(", ")}.`}`,
    );
  }
  for (const [option, check] of Object.entries(CHECKS)) {
    const value = options[option as keyof typeof CHECKS];
    if (value === undefined && option !== "issuer" && option !== "audience") continue;
    const result = check(value);
    if (result instanceof Misfit) {
      throw invalid(`${option}${result.path} must be ${result.expected}, got ${result.got}.`);
    }
  }
  const { issuer, audience, algorithms = ALGORITHMS, scopes = [] } = options;
  for (const algorithm of algorithms) {
    if (ALGORITHMS.includes(algorithm)) continue;
    throw invalid(
      `the algorithm ${algorithm} is not accepted: only public keys are; use ${ALGORITHMS.join(", ")}.`,
    );
  }
  return {
    issuer,
    audience,
    algorithms,
    scopes,
    jwks: resolveKeys(options.jwks),
    clockToleranceSeconds: options.clockToleranceSeconds ?? 5,
    cacheSeconds: options.cacheSeconds ?? 600,
    fetchTimeoutMs: options.fetchTimeoutMs ?? 5_000,
  };
}

function resolveKeys(given: unknown): URL | KeySet {
  if (typeof given === "string" || given instanceof URL) {
    const url = URL.canParse(String(given)) ? new URL(String(given)) : undefined;
    const isLocal = url !== undefined && /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
    if (url?.protocol === "https:" || (url?.protocol === "http:" && isLocal)) return url;
    throw invalid("jwks must be an https: address, or a key set: anyone on the way could replace the keys.");
  }
  const { keys } = (given ?? {}) as Partial<Record<"keys", unknown>>;
  if (!Array.isArray(keys) || keys.length === 0) {
    throw invalid(
      'jwks must be the address of a key set, or a key set such as { keys: [{ kty: "RSA", … }] }.',
    );
  }
  for (const key of keys as unknown[]) {
    const { kty, d } = (key ?? {}) as Partial<Record<"kty" | "d", unknown>>;
    if (typeof kty !== "string") throw invalid("each key of jwks needs a kty, such as RSA or EC.");
    if (kty === "oct") throw invalid("jwks holds a secret (kty oct); list public keys only.");
    if (d !== undefined) throw invalid("jwks holds a private key; list public keys only.");
  }
  return given as KeySet;
}

function invalid(message: string): DefinitionError {
  return new DefinitionError("SETTING_INVALID", `jwt(): ${message}`);
}
