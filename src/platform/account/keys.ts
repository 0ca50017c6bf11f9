import { PlatformError, UsageError } from "../../errors.ts";
import type * as controller from "../generated/controller_pb.ts";
import type { PlatformSession } from "../transport/platform-session.ts";
import { Secret } from "../target/secret.ts";
import { dateOf } from "../timestamps.ts";

/** What a key opens: everything, or calls of apps alone. */
export type KeyScope = "ADMIN" | "API";

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

/** How a key is made. */
export interface CreateKeyOptions {
  readonly scope: KeyScope;
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
  async create({ scope, description }: CreateKeyOptions): Promise<CreatedKey> {
    if (scope !== "ADMIN" && scope !== "API") throw new UsageError("The scope of a key is ADMIN or API.");
    const { connection, protocol } = await this.#session.grpc();
    const { createUserKey } = protocol.IsolateController.method;
    const { keyId, keySecret } = await connection.unary(
      createUserKey,
      {
        scope: protocol.CreateUserKeyRequest_Scope[scope],
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

function scopeName(
  scope: controller.CreateUserKeyRequest_Scope,
  { CreateUserKeyRequest_Scope: { ADMIN, API } }: typeof controller,
): KeyScope | undefined {
  if (scope === ADMIN) return "ADMIN";
  return scope === API ? "API" : undefined;
}
