import { PlatformError, UsageError } from "../../errors.ts";
import { choice } from "../apps/wire-values.ts";
import type * as controller from "../generated/controller_pb.ts";
import type { PlatformSession } from "../transport/platform-session.ts";
import { Secret } from "../target/secret.ts";
import { dateOf } from "../timestamps.ts";

/** The former scope of a key: everything, or only calls of apps. */
export type KeyScope = "ADMIN" | "API";

/** A named set of permissions of a key. */
export type KeyPreset = keyof typeof KEY_PRESETS;

/** The presets, each with its purpose. */
export const KEY_PRESETS = {
  FULL: "everything in the account",
  API: "run models and upload files",
  DEPLOY: "deploy apps and upload files",
  READONLY: "read models, apps and logs",
  BILLING: "read billing, usage and invoices",
  COMPUTE: "manage compute instances and runners",
  SERVERLESS: "build, deploy and run apps, models and storage",
  AGENT: "run agents; the account has to have access to them",
} as const;

/** The presets that replace the former scopes. */
const PRESET_OF_SCOPE: Readonly<Record<KeyScope, KeyPreset>> = { ADMIN: "FULL", API: "API" };

/** A key without its secret. */
export interface KeyInfo {
  readonly keyId: string;
  /** Undefined if the control plane does not send it. */
  readonly createdAt: Date | undefined;
  /** Undefined for an unknown scope. */
  readonly scope: KeyScope | undefined;
  /** The owner's description. */
  readonly description: string | undefined;
  /** Undefined if it does not expire, or the control plane does not send it. */
  readonly expiresAt?: Date | undefined;
  /** Undefined if it was not used yet, or the control plane does not send it. */
  readonly lastUsedAt?: Date | undefined;
}

/** A new key. */
export interface CreatedKey {
  readonly keyId: string;
  /** The whole key, `id:secret`: read it by `key.reveal()`. It is sent only once. Printed, logged or as JSON it is "…". */
  readonly key: Secret;
}

/** Options of a new key. Exactly one of `preset`, `permissions` and `scope` is required. */
export interface CreateKeyOptions {
  /** A named set of permissions. */
  readonly preset?: KeyPreset | undefined;
  /** Single permissions, such as `models:requests:submit`. The control plane checks them. */
  readonly permissions?: readonly string[] | undefined;
  /** @deprecated The preset FULL (ADMIN) or API. */
  readonly scope?: KeyScope | undefined;
  /** A description, shown in the list. */
  readonly description?: string | undefined;
  /** Time until it expires, in seconds: only on a self-hosted platform. Default: it does not expire. */
  readonly expiresInSeconds?: number | undefined;
}

/** Options of {@link Keys.rotate}. */
export interface RotateKeyOptions {
  /** Time for which the former secret stays valid, in seconds. Default 0: it is invalid at once. */
  readonly graceSeconds?: number | undefined;
}

/** The keys of an account. The secret of a key is sent only once, when it is created. */
export class Keys {
  readonly #session: PlatformSession;

  constructor(session: PlatformSession) {
    this.#session = session;
  }

  /** Lists the keys, without their secrets. */
  async list(): Promise<KeyInfo[]> {
    const { connection, protocol } = await this.#session.grpc();
    const { listUserKeys } = protocol.IsolateController.method;
    const { userKeys } = await connection.unary(listUserKeys, {});
    const lives = await this.#lives();
    return userKeys.map(({ keyId, createdAt, scope, alias }) => ({
      keyId,
      createdAt: createdAt === undefined ? undefined : dateOf(createdAt),
      scope: scopeName(scope, protocol),
      description: alias === "" ? undefined : alias,
      ...lives.get(keyId),
    }));
  }

  /** Creates a key. Its secret is available only in the result. */
  async create(options: CreateKeyOptions): Promise<CreatedKey> {
    const grant = grantOf(options);
    const { description, expiresInSeconds } = options;
    if (expiresInSeconds !== undefined) {
      const named = "policyPreset" in grant ? { preset: grant.policyPreset } : grant.policy;
      return this.#secret("/platform/keys", {
        ...named,
        description,
        expires_in_seconds: expiresInSeconds,
      });
    }
    const { connection, protocol } = await this.#session.grpc();
    const { createUserKey } = protocol.IsolateController.method;
    const { keyId, keySecret } = await connection.unary(
      createUserKey,
      {
        ...grant,
        ...(description === undefined ? {} : { alias: description }),
      },
      // A retry could create a second key, whose secret would be lost.
      { retry: false },
    );
    return createdKey(keyId, keySecret);
  }

  /**
   * Gives a key another secret, on a self-hosted platform. The id and the permissions stay.
   * @throws PlatformError, also if the control plane has no rotation
   */
  async rotate(keyId: string, { graceSeconds = 0 }: RotateKeyOptions = {}): Promise<CreatedKey> {
    checkId(keyId, "rotated");
    return this.#secret(`/platform/keys/${encodeURIComponent(keyId)}/rotate`, {
      ...(graceSeconds > 0 ? { grace_seconds: graceSeconds } : {}),
    });
  }

  /** Revokes a key, by its id. It is invalid from then on. */
  async revoke(keyId: string): Promise<void> {
    checkId(keyId, "revoked");
    const { connection, protocol } = await this.#session.grpc();
    await connection.unary(protocol.IsolateController.method.revokeUserKey, { keyId });
  }

  /** When keys expire and were last used, by their ids. Empty for fal's own platform, which does not say it. */
  async #lives(): Promise<ReadonlyMap<string, Pick<KeyInfo, "expiresAt" | "lastUsedAt">>> {
    const { endpoints } = await this.#session.target();
    if (/(?:^|\.)fal\.ai$/.test(new URL(endpoints.rest.url).hostname)) return new Map();
    const rest = await this.#session.rest();
    const answer = await rest.json({ method: "GET", path: "/platform/keys" }).catch((error: unknown) => {
      if (error instanceof PlatformError && error.status === "HTTP 404") return undefined;
      throw error;
    });
    const { keys } = fieldsOf(answer);
    const rows = Array.isArray(keys) ? keys.map(fieldsOf) : [];
    return new Map(
      rows.map(({ key_id, expires_at, last_used_at }) => [
        String(key_id),
        { expiresAt: dateIn(expires_at), lastUsedAt: dateIn(last_used_at) },
      ]),
    );
  }

  /** Sends a request of a self-hosted platform whose answer has a secret. */
  async #secret(path: string, json: object): Promise<CreatedKey> {
    const rest = await this.#session.rest();
    const answer = await rest.json({ method: "POST", path, json }).catch((error: unknown) => {
      if (!(error instanceof PlatformError) || !/^HTTP 40[45]$/.test(error.status ?? "")) throw error;
      if (/no key/.test(error.message)) throw error;
      throw new PlatformError(
        "PLATFORM_REFUSED",
        "This control plane can't rotate keys or let them expire; a self-hosted platform can.",
        { status: error.status },
      );
    });
    const { key_id: keyId, key_secret: keySecret } = fieldsOf(answer);
    return createdKey(String(keyId), String(keySecret));
  }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function dateIn(value: unknown): Date | undefined {
  return typeof value === "string" ? new Date(value) : undefined;
}

/** The message does not repeat the text: it is probably a whole key. */
function checkId(keyId: string, what: string): void {
  if (!/^[!-9;-~]+$/.test(keyId)) {
    throw new UsageError(`A key is ${what} by its id alone, which is what comes before the colon.`);
  }
}

function createdKey(keyId: string, keySecret: string): CreatedKey {
  if (!/^[!-9;-~]+$/.test(keyId) || !/^[!-~]+$/.test(keySecret)) {
    throw new PlatformError(
      "PLATFORM_REFUSED",
      "The control plane created a key that does not have the form id:secret; see servable keys list.",
    );
  }
  return { keyId, key: new Secret(`${keyId}:${keySecret}`) };
}

/** The permissions of a key, for the protocol. Never empty: without permissions a key may do everything. */
function grantOf({
  preset,
  permissions,
  scope,
}: CreateKeyOptions): { policyPreset: string } | { policy: { permissions: string[] } } {
  const given = Object.entries({ preset, permissions, scope }).filter(([, value]) => value !== undefined);
  if (given.length !== 1) {
    const names = given.map(([name]) => name).join(", ");
    throw new UsageError(
      `A key is made with one of preset, permissions and scope${names === "" ? "; none is given." : `, not with ${names}.`}`,
    );
  }
  if (permissions !== undefined) {
    const trimmed = permissions.map((permission) => permission.trim());
    if (trimmed.length === 0 || trimmed.includes("")) {
      throw new UsageError(
        "The permissions of a key are names, at least one, such as models:requests:submit.",
      );
    }
    return { policy: { permissions: trimmed } };
  }
  if (scope !== undefined) {
    if (Object.hasOwn(PRESET_OF_SCOPE, scope)) return { policyPreset: PRESET_OF_SCOPE[scope] };
    throw new UsageError("The scope of a key is ADMIN or API.");
  }
  return { policyPreset: choice("preset", PRESETS, preset as string) };
}

const PRESETS = Object.fromEntries(Object.keys(KEY_PRESETS).map((name) => [name, name]));

function scopeName(
  scope: controller.CreateUserKeyRequest_Scope,
  { CreateUserKeyRequest_Scope: { ADMIN, API } }: typeof controller,
): KeyScope | undefined {
  if (scope === ADMIN) return "ADMIN";
  return scope === API ? "API" : undefined;
}
