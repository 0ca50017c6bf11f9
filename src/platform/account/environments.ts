import { UsageError } from "../../errors.ts";
import type * as controller from "../generated/controller_pb.ts";
import type { PlatformSession } from "../transport/platform-session.ts";
import { dateOf } from "../timestamps.ts";

/** A space of apps and secrets with a name, such as "staging". */
export interface EnvironmentInfo {
  readonly name: string;
  readonly description: string | undefined;
  /** It is the main one, where apps are when no environment is named. */
  readonly isDefault: boolean;
  /** Undefined when the control plane has not told. */
  readonly createdAt: Date | undefined;
}

/** The environments of a control plane: spaces of apps and secrets. */
export class Environments {
  readonly #session: PlatformSession;

  constructor(session: PlatformSession) {
    this.#session = session;
  }

  /** Every environment, the main one too. */
  async list(): Promise<EnvironmentInfo[]> {
    const { connection, protocol } = await this.#session.grpc();
    const { listEnvironments } = protocol.IsolateController.method;
    const { environments } = await connection.unary(listEnvironments, {});
    return environments.map(environmentInfo);
  }

  /** Makes an environment. Resolves to it, or to nothing when the control plane tells nothing of it. */
  async create(
    name: string,
    { description }: { readonly description?: string | undefined } = {},
  ): Promise<EnvironmentInfo | undefined> {
    // It becomes part of the names of apps, and so of their addresses.
    if (!/^[\w.-]+$/.test(name)) {
      throw new UsageError(
        `"${name}" can't be the name of an environment: it has letters, digits and "-" only.`,
      );
    }
    const { connection, protocol } = await this.#session.grpc();
    const { environment } = await connection.unary(
      protocol.IsolateController.method.createEnvironment,
      { name, ...(description === undefined ? {} : { description }) },
      // A second call would be told that the name is taken.
      { retry: false },
    );
    return environment === undefined ? undefined : environmentInfo(environment);
  }

  /** Deletes an environment, with what is in it. */
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
