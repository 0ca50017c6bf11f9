import { createHmac, hash, randomBytes, timingSafeEqual } from "node:crypto";
import type { JWTPayload } from "jose";
import { findKey, isValidKey, noteUse, type FoundKey } from "../state/keys.ts";
import { PERMISSIONS, type Permission } from "../state/permissions.ts";
import { readSetting, writeSetting } from "../state/settings.ts";
import type { Database } from "../store/database.ts";

/** The caller of a request. */
export interface Caller {
  /** The key's id; undefined for a token. */
  readonly keyId: string | undefined;
  readonly permissions: readonly Permission[];
  /** The only apps that may be called, by alias; undefined: all. */
  readonly apps?: readonly string[];
}

interface KnownCaller {
  readonly caller: Caller;
  /** By `performance.now()`. */
  readonly until: number;
  /** Milliseconds since 1970; undefined: never. */
  readonly expiresAt: number | undefined;
}

/** How long a key is known without asking the database, in milliseconds: a revoked one works no longer than this elsewhere. */
const KNOWN_MS = 5_000;
/** How long a key is known while the database is away, in milliseconds. */
const GRACE_MS = 600_000;
const MAX_KNOWN = 10_000;
const MAX_TOKEN_SECONDS = 3_600;
const AUDIENCE = "apps";
const STORAGE_AUDIENCE = "storage";

/** Checks keys and tokens. */
export class KeyRing {
  readonly #database: Database;
  readonly #signingKey: Uint8Array;
  /** By the hash of the whole key, so that memory holds no secret. */
  readonly #known = new Map<string, KnownCaller>();
  /** How often callers were forgotten: what a query has found before is not kept after it. */
  #forgotten = 0;

  private constructor(database: Database, signingKey: Uint8Array) {
    this.#database = database;
    this.#signingKey = signingKey;
  }

  static async open(database: Database): Promise<KeyRing> {
    let text = await readSetting<string>(database, "tokenKey");
    if (text === undefined) {
      await writeSetting(database, "tokenKey", randomBytes(32).toString("base64"));
      text = await readSetting<string>(database, "tokenKey");
    }
    return new KeyRing(database, Buffer.from(text as string, "base64"));
  }

  /** The caller with a key; undefined for an invalid one. */
  async callerWithKey(id: string, secret: string): Promise<Caller | undefined> {
    const digest = hash("sha256", `${id}:${secret}`, "base64");
    const known = this.#known.get(digest);
    const now = performance.now();
    const isExpired = known?.expiresAt !== undefined && known.expiresAt <= Date.now();
    if (known !== undefined && known.until > now && !isExpired) return known.caller;
    const forgotten = this.#forgotten;
    let key: FoundKey | undefined;
    try {
      key = await findKey(this.#database.impatient, id, secret);
    } catch (error) {
      // Without the database, callers that were known before are let in.
      if (known !== undefined && known.until + GRACE_MS > now && !isExpired) return known.caller;
      throw error;
    }
    if (key === undefined) {
      this.#known.delete(digest);
      return undefined;
    }
    const caller = { keyId: key.id, permissions: key.permissions };
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    const expiresAt = key.secretExpiresAt?.getTime();
    if (forgotten === this.#forgotten) this.#known.set(digest, { caller, until: now + KNOWN_MS, expiresAt });
    void noteUse(this.#database, key.id).catch(() => {});
    return caller;
  }

  /** The caller of an `Authorization` header; undefined for a missing or invalid one. */
  async callerOf(authorization: string | undefined): Promise<Caller | undefined> {
    const [, scheme = "", credentials = ""] = /^(\w+) +(\S+) *$/.exec(authorization ?? "") ?? [];
    const isBearer = scheme.toLowerCase() === "bearer";
    if (!isBearer && scheme.toLowerCase() !== "key") return undefined;
    const split = credentials.indexOf(":");
    if (split > 0) return this.callerWithKey(credentials.slice(0, split), credentials.slice(split + 1));
    return isBearer ? this.callerWithToken(credentials) : undefined;
  }

  /** Makes a token that opens some apps for a short time: for browsers, which must not have a key. */
  async createToken(apps: readonly string[], seconds: number): Promise<string> {
    const { SignJWT } = await import("jose");
    return new SignJWT({ apps: [...apps] })
      .setProtectedHeader({ alg: "HS256" })
      .setAudience(AUDIENCE)
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1_000) + Math.min(seconds, MAX_TOKEN_SECONDS))
      .sign(this.#signingKey);
  }

  /** The caller with a token; undefined for an invalid or expired one. */
  async callerWithToken(token: string): Promise<Caller | undefined> {
    const { jwtVerify } = await import("jose");
    try {
      const options = { algorithms: ["HS256"], audience: AUDIENCE };
      const { payload } = await jwtVerify<JWTPayload & { apps?: unknown }>(token, this.#signingKey, options);
      if (!Array.isArray(payload.apps)) return undefined;
      const permissions = PERMISSIONS.filter((name) => name === "models:requests:submit");
      return { keyId: undefined, permissions, apps: payload.apps.map(String) };
    } catch {
      return undefined;
    }
  }

  /** Makes a token that stores files for a key. It is valid no longer than the key. */
  async createStorageToken(keyId: string, expiresAt: Date): Promise<string> {
    const { SignJWT } = await import("jose");
    return new SignJWT({})
      .setProtectedHeader({ alg: "HS256" })
      .setAudience(STORAGE_AUDIENCE)
      .setSubject(keyId)
      .setExpirationTime(Math.floor(expiresAt.getTime() / 1_000))
      .sign(this.#signingKey);
  }

  /** The id of the key for which a token stores files; undefined for an invalid or expired token, or one of a revoked key. */
  async keyWithStorageToken(token: string): Promise<string | undefined> {
    const { jwtVerify } = await import("jose");
    const options = { algorithms: ["HS256"], audience: STORAGE_AUDIENCE };
    const verified = await jwtVerify(token, this.#signingKey, options).catch(() => undefined);
    const keyId = verified?.payload.sub;
    return keyId !== undefined && (await isValidKey(this.#database, keyId)) ? keyId : undefined;
  }

  /** Signs a text of the platform's own. */
  signatureOf(text: string): string {
    return createHmac("sha256", this.#signingKey).update(text).digest("base64url");
  }

  /** The token by which a runner calls the platform. It is valid as long as the runner is known. */
  runnerToken(id: string): string {
    return `${id}.${this.signatureOf(`runner ${id}`)}`;
  }

  /** The id of the runner that has sent an `Authorization` header; undefined for any other header. */
  runnerOf(authorization: string | undefined): string | undefined {
    const [, token = "", id = ""] = /^Bearer (([0-9a-f-]{36})\.\S+)$/i.exec(authorization ?? "") ?? [];
    const [given, right] = [Buffer.from(token), Buffer.from(this.runnerToken(id))];
    return given.length === right.length && timingSafeEqual(given, right) ? id : undefined;
  }

  /** Forgets what was known, after a key was revoked or got another secret. */
  forget(): void {
    this.#forgotten++;
    this.#known.clear();
  }
}
