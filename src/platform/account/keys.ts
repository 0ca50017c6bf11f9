import { PlatformError, UsageError } from "../../errors.ts";
import { choice } from "../apps/choice.ts";
import type * as controller from "../generated/controller_pb.ts";
import type { PlatformSession } from "../transport/platform-session.ts";
import { Secret } from "../target/secret.ts";
import { dateOf } from "../timestamps.ts";

/** What a key opens: everything, or calls of apps alone. */
export type KeyScope = "ADMIN" | "API";

/** A named set of permissions that a key is made with. */
export type KeyPreset = keyof typeof KEY_PRESETS;

/** The sets of permissions, with what each is for. */
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

/** What a scope of before stands for. */
const PRESET_OF_SCOPE: Readonly<Record<KeyScope, KeyPreset>> = { ADMIN: "FULL", API: "API" };

/** What is known of a key without its secret. */
export interface KeyInfo {
  readonly keyId: string;
  /** Undefined when the control plane has not told. */
  readonly createdAt: Date | undefined;
  /** Undefined when it is none that is known here. */
  readonly scope: KeyScope | undefined;
  /** What its owner says of it. */
  readonly description: string | undefined;
}

/** A key that has just been made. */
export interface CreatedKey {
  readonly keyId: string;
  /** The whole key, `id:secret`, by `key.reveal()`. It is told this one time; printed, logged or as JSON it is "…". */
  readonly key: Secret;
}

/** How a key is made: with exactly one of `preset`, `permissions` and `scope`. */
export interface CreateKeyOptions {
  /** What it opens, as a named set of permissions. */
  readonly preset?: KeyPreset | undefined;
  /** What it opens, permission by permission, such as `models:requests:submit`. The control plane knows which there are. */
  readonly permissions?: readonly string[] | undefined;
  /** @deprecated The preset FULL (ADMIN) or API. */
  readonly scope?: KeyScope | undefined;
  /** What to know it by in the list. */
  readonly description?: string | undefined;
}

/** The keys of a control plane's user. A key's secret is told once, when it is made. */
export class Keys {
  readonly #session: PlatformSession;

  constructor(session: PlatformSession) {
    this.#session = session;
  }

  /** The keys, without their secrets. */
  async list(): Promise<KeyInfo[]> {
    const { connection, protocol } = await this.#session.grpc();
    const { listUserKeys } = protocol.IsolateController.method;
    const { userKeys } = await connection.unary(listUserKeys, {});
    return userKeys.map(({ keyId, createdAt, scope, alias }) => ({
      keyId,
      createdAt: createdAt === undefined ? undefined : dateOf(createdAt),
      scope: scopeName(scope, protocol),
      description: alias === "" ? undefined : alias,
    }));
  }

  /** Makes a key. What it resolves to is the only place where its secret ever is. */
  async create(options: CreateKeyOptions): Promise<CreatedKey> {
    const grant = grantOf(options);
    const { description } = options;
    const { connection, protocol } = await this.#session.grpc();
    const { createUserKey } = protocol.IsolateController.method;
    const { keyId, keySecret } = await connection.unary(
      createUserKey,
      {
        ...grant,
        ...(description === undefined ? {} : { alias: description }),
      },
      // A second key would be one that nobody ever sees.
      { retry: false },
    );
    if (!/^[!-9;-~]+$/.test(keyId) || !/^[!-~]+$/.test(keySecret)) {
      throw new PlatformError(
        "PLATFORM_REFUSED",
        "The control plane made a key that has not the form id:secret; see servable keys list.",
      );
    }
    return { keyId, key: new Secret(`${keyId}:${keySecret}`) };
  }

  /** Revokes a key, by its id: from then on it opens nothing. */
  async revoke(keyId: string): Promise<void> {
    // Not in a message: what is not an id alone is most likely a whole key.
    if (!/^[!-9;-~]+$/.test(keyId)) {
      throw new UsageError("A key is revoked by its id alone, which is what comes before the colon.");
    }
    const { connection, protocol } = await this.#session.grpc();
    await connection.unary(protocol.IsolateController.method.revokeUserKey, { keyId });
  }
}

/** What a key may do, in the form of the protocol: never nothing, as that would be everything. */
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
