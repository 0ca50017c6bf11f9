import type { EnvironmentChoice } from "./apps/alias-name.ts";
import type { AppInfo } from "./apps/app-info.ts";
import type { RunnersOptions, ScaleOptions } from "./apps/apps.ts";
import type { DeploymentResult, DeployOptions } from "./deployment/deploy.ts";
import { PlatformSession } from "./transport/platform-session.ts";
import type { RunnerInfo } from "./runners/runner-info.ts";
import { ServerlessClient, type ServerlessClientOptions } from "./serverless-client.ts";

/** Lists the apps of an environment. Opens a client for this call: see `client.apps.list()`. */
export async function listApps(
  options: EnvironmentChoice = {},
  clientOptions?: ServerlessClientOptions,
): Promise<AppInfo[]> {
  using client = new ServerlessClient(clientOptions);
  return await client.apps.list(options);
}

/** Lists the runners of an app. Opens a client for this call: see `client.apps.runners()`. */
export async function appsRunners(
  appName: string,
  options: RunnersOptions & EnvironmentChoice = {},
  clientOptions?: ServerlessClientOptions,
): Promise<RunnerInfo[]> {
  using client = new ServerlessClient(clientOptions);
  return await client.apps.runners(appName, options);
}

/** Lists the runners of all apps. Opens a client for this call: see `client.runners.list()`. */
export async function listRunners(
  options: RunnersOptions = {},
  clientOptions?: ServerlessClientOptions,
): Promise<RunnerInfo[]> {
  using client = new ServerlessClient(clientOptions);
  return await client.runners.list(options);
}

/** Scales an app. Opens a client for this call: see `client.apps.scale()`. */
export async function scaleApp(
  appName: string,
  options: ScaleOptions,
  clientOptions?: ServerlessClientOptions,
): Promise<AppInfo | undefined> {
  using client = new ServerlessClient(clientOptions);
  return await client.apps.scale(appName, options);
}

/**
 * Deploys a container. Opens a client for this call: see `client.deploy()`. If the deployment fails, its unfinished
 * uploads are cancelled.
 */
export async function deploy(
  options: DeployOptions,
  { host, apiKey, profile, environment }: ServerlessClientOptions = {},
): Promise<DeploymentResult> {
  using session = new PlatformSession({ host, key: apiKey, profile, environment });
  const [deployment, { connection }, rest] = await Promise.all([
    import("./deployment/deploy.ts"),
    session.grpc(),
    session.rest(),
  ]);
  return await deployment.runDeployment({ connection, rest: rest.send, cancelsUploads: true }, options);
}
