import { UsageError } from "../../errors.ts";
import type * as controller from "../generated/controller_pb.ts";
import type { PlatformSession } from "../transport/platform-session.ts";
import { dateOf } from "../timestamps.ts";

/** A named group of apps and secrets, such as "staging". */
export interface EnvironmentInfo {
  readonly name: string;
  readonly description: string | undefined;
  /** Whether it is the main environment, the default for apps. */
  readonly isDefault: boolean;
  /** Undefined if the control plane does not send it. */
  readonly createdAt: Date | undefined;
}

/** The environments of a control plane: named groups of apps and secrets. */
export class Environments {
  readonly #session: PlatformSession;

  constructor(session: PlatformSession) {
    this.#session = session;
  }

  /** Lists all environments, including the main one. */
  async list(): Promise<EnvironmentInfo[]> {
    const { connection, protocol } = await this.#session.grpc();
    const { listEnvironments } = protocol.IsolateController.method;
    const { environments } = await connection.unary(listEnvironments, {});
    return environments.map(environmentInfo);
  }

  /** Creates an environment. Resolves to it, or to undefined if the control plane does not send it. */
  async create(
    name: string,
    { description }: { readonly description?: string | undefined } = {},
  ): Promise<EnvironmentInfo | undefined> {
    // The name becomes part of the addresses of apps.
    if (!/^[\w.-]+$/.test(name)) {
      throw new UsageError(`"${name}" is not a valid name of an environment: use letters, digits and "-".`);
    }
    const { connection, protocol } = await this.#session.grpc();
    const { environment } = await connection.unary(
      protocol.IsolateController.method.createEnvironment,
      { name, ...(description === undefined ? {} : { description }) },
      // A retry would fail because the name is already in use.
      { retry: false },
    );
    return environment === undefined ? undefined : environmentInfo(environment);
  }

  /** Deletes an environment, including its apps and secrets. */
  async delete(name: string): Promise<void> {
    if (name === "") throw new UsageError("The environment to delete has no name.");
    const { connection, protocol } = await this.#session.grpc();
    await connection.unary(protocol.IsolateController.method.deleteEnvironment, { name });
  }
}

function environmentInfo({
  name,
  description,
  isDefault,
  createdAt,
}: controller.EnvironmentInfo): EnvironmentInfo {
  return {
    name,
    description: description === "" ? undefined : description,
    isDefault,
    createdAt: createdAt === undefined ? undefined : dateOf(createdAt),
  };
}
