import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { GatewayError } from "../gateway/gateway-error.ts";
import type { KeyRing } from "../gateway/key-ring.ts";
import type { ObjectOwner } from "../objects/objects.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import { MAIN_ENVIRONMENT } from "../state/environments.ts";
import type { ObjectRow } from "../state/objects.ts";

/** The header with the storage token of the caller for which an app stores a file. */
const TOKEN_HEADER = "x-fal-cdn-token";

/** Says who may store and read objects. */
export class ObjectAccess {
  readonly #keys: KeyRing;
  readonly #scheduler: Scheduler;

  constructor(keys: KeyRing, scheduler: Scheduler) {
    this.#keys = keys;
    this.#scheduler = scheduler;
  }

  /** The owner of what a request stores: a key that may call apps, or an app. @throws GatewayError */
  async ownerOf(request: IncomingMessage): Promise<ObjectOwner> {
    const { authorization } = request.headers;
    const environment = this.#environmentOf(authorization);
    if (environment !== undefined) {
      const token = request.headers[TOKEN_HEADER];
      const keyId = typeof token === "string" ? await this.#keys.keyWithStorageToken(token) : undefined;
      return { keyId: keyId ?? null, environment };
    }
    return { keyId: await this.keyOf(request), environment: MAIN_ENVIRONMENT };
  }

  /** The id of the key of a request, which may store files. @throws GatewayError */
  async keyOf({ headers: { authorization } }: IncomingMessage): Promise<string> {
    const [, token] = /^Bearer +(\S+) *$/i.exec(authorization ?? "") ?? [];
    const keyId = token === undefined ? undefined : await this.#keys.keyWithStorageToken(token);
    if (keyId !== undefined) return keyId;
    const caller = await this.#keys.callerOf(authorization);
    if (caller?.keyId === undefined) {
      throw new GatewayError(
        "unauthorized",
        'Storing a file needs a valid key, or a token of /storage/auth/token: "Authorization: Key ID:SECRET".',
      );
    }
    if (!caller.permissions.includes("models:requests:submit")) {
      throw new GatewayError(
        "forbidden",
        "Insufficient permissions: storing a file needs a key with models:requests:submit.",
      );
    }
    return caller.keyId;
  }

  /**
   * Checks that the sender of a request may read an object: of its owner, by a signature, or because anybody may.
   * @throws GatewayError
   */
  async assertMayRead(object: ObjectRow, request: IncomingMessage, query: URLSearchParams): Promise<void> {
    if (object.acl === "allow" || this.#isSigned(object.id, query)) return;
    if (await this.mayManage(object, request)) return;
    if (object.acl === "hide") throw noSuchFile();
    throw new GatewayError(
      request.headers.authorization === undefined ? "unauthorized" : "forbidden",
      "This file is private: it needs the key that has stored it, or a signed URL.",
    );
  }

  /** Whether a request comes from the owner of an object, or from somebody whose code could read it anyway. */
  async mayManage(object: ObjectRow, { headers }: IncomingMessage): Promise<boolean> {
    const { authorization } = headers;
    if (authorization === undefined) return false;
    const environment = this.#environmentOf(authorization);
    if (environment !== undefined) return environment === object.environment;
    const [, token] = /^Bearer +(\S+) *$/i.exec(authorization) ?? [];
    const keyId = token === undefined ? undefined : await this.#keys.keyWithStorageToken(token);
    if (keyId !== undefined) return keyId === object.keyId;
    const caller = await this.#keys.callerOf(authorization);
    if (caller?.keyId === undefined) return false;
    return caller.keyId === object.keyId || caller.permissions.includes("serverless:files:write");
  }

  /** The query with which anybody can read an object until a time. */
  signedQuery(id: string, expiresAt: Date): string {
    const expires = String(Math.floor(expiresAt.getTime() / 1_000));
    return new URLSearchParams({ expires, signature: this.#signature(id, expires) }).toString();
  }

  #isSigned(id: string, query: URLSearchParams): boolean {
    const expires = query.get("expires") ?? "";
    if (!/^\d{1,12}$/.test(expires) || Number(expires) * 1_000 <= Date.now()) return false;
    const [given, right] = [query.get("signature") ?? "", this.#signature(id, expires)].map((text) =>
      Buffer.from(text),
    ) as [Buffer, Buffer];
    return given.length === right.length && timingSafeEqual(given, right);
  }

  #signature(id: string, expires: string): string {
    return this.#keys.signatureOf(`object ${id} ${expires}`);
  }

  /** The environment of the app that has sent a header; undefined for any other sender. */
  #environmentOf(authorization: string | undefined): string | undefined {
    const runner = this.#keys.runnerOf(authorization);
    return runner === undefined ? undefined : this.#scheduler.lives.environmentOf(runner);
  }
}

/** The same answer for a file that is hidden, has expired, or never was. */
export function noSuchFile(): GatewayError {
  return new GatewayError("not_found", "There is no such file, or it has expired.");
}
