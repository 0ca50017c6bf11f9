import { Apps } from "./apps/apps.ts";
import type { DeploymentResult, DeployOptions } from "./deployment/deploy.ts";
import { Environments } from "./account/environments.ts";
import { Keys } from "./account/keys.ts";
import { PlatformSession } from "./transport/platform-session.ts";
import { Queue } from "./queue.ts";
import { Runners } from "./runners/runners.ts";
import { Secrets } from "./account/secrets.ts";
import { currentUser, type User } from "./account/user.ts";

/** Options of a {@link ServerlessClient}: its control plane and key. */
export interface ServerlessClientOptions {
  /** The control plane's host. Default, in this order: `FAL_GRPC_HOST`, `FAL_HOST`, the profile's host, fal's own. */
  host?: string | undefined;
  /** A key, `id:secret`. Default, in this order: `FAL_KEY`, the profile's key, `FAL_KEY_ID` with `FAL_KEY_SECRET`. */
  apiKey?: string | undefined;
  /** A profile of the config file. Default: `FAL_PROFILE`, else the profile selected in the file. */
  profile?: string | undefined;
  /** The environment variables to read. Default: `process.env`. */
  environment?: NodeJS.ProcessEnv | undefined;
}

/**
 * A client of a control plane: manages deployed apps. The first call opens the connection. Close the client, or create
 * it with `using`, because an open connection keeps the process alive.
 */
export class ServerlessClient implements Disposable {
  readonly apps: Apps;
  readonly environments: Environments;
  readonly keys: Keys;
  readonly queue: Queue;
  readonly runners: Runners;
  readonly secrets: Secrets;
  readonly #session: PlatformSession;

  constructor({ host, apiKey, profile, environment }: ServerlessClientOptions = {}) {
    const session = new PlatformSession({ host, key: apiKey, profile, environment });
    this.#session = session;
    this.apps = new Apps(session);
    this.environments = new Environments(session);
    this.keys = new Keys(session);
    this.queue = new Queue(session);
    this.runners = new Runners(session);
    this.secrets = new Secrets(session);
  }

  /**
   * Deploys a container: uploads its build context, builds the image, and registers a new revision.
   * @throws UsageError, PlatformError, FalServerlessError with code DEPLOY_FAILED or UPLOAD_FAILED
   */
  async deploy(options: DeployOptions): Promise<DeploymentResult> {
    const [{ runDeployment }, { connection }, rest] = await Promise.all([
      import("./deployment/deploy.ts"),
      this.#session.grpc(),
      this.#session.rest(),
    ]);
    return runDeployment({ connection, rest: rest.send }, options);
  }

  /** The owner of the client's key. @throws PlatformError */
  currentUser(): Promise<User> {
    return currentUser(this.#session);
  }

  /** Closes the connection. Running calls fail. */
  close(): void {
    this.#session.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
