import { PlatformError, UsageError } from "../../errors.ts";
import { environmentField, MAIN_ENVIRONMENT, type EnvironmentChoice } from "../apps/alias-name.ts";
import type { PlatformSession } from "../transport/platform-session.ts";
import { dateOf } from "../timestamps.ts";

/** A secret without its value. */
export interface SecretInfo {
  readonly name: string;
  /** Undefined if the control plane does not send it. */
  readonly environment: string | undefined;
  readonly createdAt: Date | undefined;
  /** Whether apps that list no secrets see it. Undefined if the control plane does not send it. */
  readonly defaultExposed: boolean | undefined;
}

/** The secrets of a control plane, which apps see as environment variables. Values can be set, not read. */
export class Secrets {
  readonly #session: PlatformSession;

  constructor(session: PlatformSession) {
    this.#session = session;
  }

  /** Lists the secrets of an environment, without their values. */
  async list({ environment }: EnvironmentChoice = {}): Promise<SecretInfo[]> {
    const { connection, protocol } = await this.#session.grpc();
    const { listSecrets } = protocol.IsolateController.method;
    const { secrets } = await connection.unary(listSecrets, environmentField(environment));
    return secrets.map(({ name, environmentName, createdTime, defaultExposed }) => ({
      name,
      environment: environmentName,
      createdAt: createdTime === undefined ? undefined : dateOf(createdTime),
      defaultExposed,
    }));
  }

  /** Sets a secret. `defaultExposed` (default true): apps that list no secrets see it. */
  async set(
    name: string,
    value: string,
    {
      environment,
      defaultExposed = true,
    }: EnvironmentChoice & { readonly defaultExposed?: boolean | undefined } = {},
  ): Promise<void> {
    checkName(name);
    const { connection, protocol } = await this.#session.grpc();
    const { setSecret } = protocol.IsolateController.method;
    await connection.unary(setSecret, { name, value, defaultExposed, ...environmentField(environment) });
  }

  /** Deletes a secret. Resolves to whether it existed; true if the key may not list secrets. */
  async unset(name: string, { environment }: EnvironmentChoice = {}): Promise<boolean> {
    checkName(name);
    if (!(await this.#mayBeThere(name, environment))) return false;
    const { connection, protocol } = await this.#session.grpc();
    const { setSecret } = protocol.IsolateController.method;
    await connection.unary(setSecret, { name, ...environmentField(environment) });
    return true;
  }

  /** Whether a secret exists. True if that is unknown: a key may have the permission to delete secrets but not to list them. */
  async #mayBeThere(name: string, environment: string | undefined): Promise<boolean> {
    const wanted = environment || MAIN_ENVIRONMENT;
    try {
      const secrets = await this.list({ environment });
      return secrets.some((secret) => secret.name === name && (secret.environment || wanted) === wanted);
    } catch (error) {
      const isUntold = error instanceof PlatformError && UNTOLD.has(error.status ?? "");
      if (isUntold) return true;
      throw error;
    }
  }
}

const UNTOLD: ReadonlySet<string> = new Set(["PERMISSION_DENIED", "UNIMPLEMENTED"]);

/** The message does not repeat the name: it may be a secret value. */
function checkName(name: string): void {
  if (!/^[A-Za-z_]\w*$/.test(name)) {
    throw new UsageError('The name of a secret has letters, digits and "_" only, such as API_TOKEN.');
  }
}
