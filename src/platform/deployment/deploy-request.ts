import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import { UsageError } from "../../errors.ts";
import { aliasName, environmentField } from "../apps/alias-name.ts";
import { wholeAmount, wholeSeconds } from "../apps/amounts.ts";
import { choice } from "../apps/choice.ts";
import { deployMetadata, type DeployNotes } from "./deploy-metadata.ts";
import type { SyncedFile } from "../files/sync.ts";
import {
  ApplicationAuthMode,
  ApplicationHealthCheckConfig_Method,
  DeploymentStrategy,
  RetryCondition,
  type ApplicationHealthCheckConfigSchema,
  type BuildEnvironmentRequestSchema,
  type RegisterApplicationRequestSchema,
} from "../generated/controller_pb.ts";
import {
  buildRequirements,
  given,
  machineRequirements,
  type MachineSettings,
} from "../apps/machine-requirements.ts";

/** How a control plane asks a runner whether it is well. */
export interface HealthCheckSettings {
  readonly path: string;
  /** Default "GET". */
  readonly method?: "GET" | "POST" | undefined;
  /** Failures are ignored for this long after the start, in seconds. */
  readonly startPeriodSeconds?: number | undefined;
  /** How long one answer may take, in seconds. */
  readonly timeoutSeconds?: number | undefined;
  /** Failures in a row after which a runner is replaced. */
  readonly failureThreshold?: number | undefined;
  /** Ask all the time, not only while a runner starts. */
  readonly callRegularly?: boolean | undefined;
}

/** A reason to send a request to another runner. */
export type RetryReason = "timeout" | "server_error" | "connection_error";

/** What is deployed: a container that listens on a port. What is left out is the control plane's choice. */
export interface Deployment extends DeployNotes {
  /** The name of the app. */
  readonly appName: string;
  /** The environment it goes to. Default: the main one. */
  readonly environment?: string | undefined;
  /** The image in the form of the protocol, as `ContainerImage.toDict()` gives it. */
  readonly image: Readonly<Record<string, unknown>>;
  readonly machine?: MachineSettings | undefined;
  /** Who may call it. Default: of a new app its owner alone, of one that is there already those of before. */
  readonly auth?: "private" | "public" | "shared" | undefined;
  /** Whether the old runners go once the new ones are ready, or first. Default "rolling". */
  readonly strategy?: "rolling" | "recreate" | undefined;
  /**
   * Whether the registration ends once the new runners have taken over, or at once. Only where the strategy is "rolling".
   * Default: the control plane's choice.
   */
  readonly attach?: boolean | undefined;
  /** Take all of `machine`, in place of how the app was scaled since the last deployment. Default false. */
  readonly resetScale?: boolean | undefined;
  readonly healthCheck?: HealthCheckSettings | undefined;
  /** How often a request is tried again, by reason. */
  readonly retryConfig?: Readonly<Partial<Record<RetryReason, { readonly retries: number }>>> | undefined;
  /** Reasons for which no request is tried again. */
  readonly skipRetryConditions?: readonly RetryReason[] | undefined;
  /** How long running requests may take to end after a stop signal, in seconds. */
  readonly terminationGracePeriodSeconds?: number | undefined;
  /** The secrets the app may see. An empty list: none; left out: all that are exposed by default. */
  readonly secrets?: readonly string[] | undefined;
  readonly dataMounts?: readonly string[] | undefined;
  /** Logs are for the owner's eyes only. */
  readonly privateLogs?: boolean | undefined;
  /** Build every layer anew. Default false. */
  readonly noCache?: boolean | undefined;
}

const AUTH_MODES = {
  private: ApplicationAuthMode.PRIVATE,
  public: ApplicationAuthMode.PUBLIC,
  shared: ApplicationAuthMode.SHARED,
} as const;
const STRATEGIES = { recreate: DeploymentStrategy.RECREATE, rolling: DeploymentStrategy.ROLLING } as const;
const CONDITIONS = {
  timeout: RetryCondition.TIMEOUT,
  server_error: RetryCondition.SERVER_ERROR,
  connection_error: RetryCondition.CONNECTION_ERROR,
} as const;
const METHODS = {
  GET: ApplicationHealthCheckConfig_Method.GET,
  POST: ApplicationHealthCheckConfig_Method.POST,
} as const;

/** The two requests of a deployment. */
export interface DeployRequests {
  readonly build: MessageInitShape<typeof BuildEnvironmentRequestSchema>;
  readonly register: MessageInitShape<typeof RegisterApplicationRequestSchema>;
}

/**
 * The requests that build an image and register it as an app.
 * @param synced what the image is built from
 * @throws UsageError when the name, a setting or a note makes no sense, or `attach` does not fit the strategy
 */
export function deployRequests(deployment: Deployment, synced: readonly SyncedFile[] = []): DeployRequests {
  const { machine = {}, environment, secrets, retryConfig, skipRetryConditions = [] } = deployment;
  if (deployment.attach !== undefined && deployment.strategy === "recreate") {
    throw new UsageError('There is nothing to attach to, or detach from, where the strategy is "recreate".');
  }
  const shared = {
    applicationName: aliasName(deployment.appName, environment),
    files: synced.map(({ hash, relativePath }) => ({ hash, relativePath })),
    ...environmentField(environment),
    ...(secrets === undefined ? {} : { secrets: { names: [...secrets] } }),
  };
  const container = { kind: "container", configuration: { image: imageOf(deployment) } };
  const metadata = deployMetadata(deployment);
  return {
    build: {
      ...shared,
      environments: [{ ...container, force: deployment.noCache ?? false }],
      machineRequirements: buildRequirements(machine),
    },
    register: {
      ...shared,
      // Without force: what was just built anew is not to be built once more.
      environments: [container],
      machineRequirements: machineRequirements(machine),
      deploymentStrategy: choice("strategy", STRATEGIES, deployment.strategy ?? "rolling"),
      scale: deployment.resetScale ?? false,
      buildEnvironment: false,
      skipRetryConditions: skipRetryConditions.map((reason) =>
        choice("skipRetryConditions", CONDITIONS, reason),
      ),
      dataMounts: [...(deployment.dataMounts ?? [])],
      ...given({
        authMode: deployment.auth === undefined ? undefined : choice("auth", AUTH_MODES, deployment.auth),
        metadata,
        healthCheckConfig: healthCheck(deployment.healthCheck),
        retryConfig: retryConfig === undefined ? undefined : retryText(retryConfig),
        terminationGracePeriodSeconds: wholeSeconds(
          "terminationGracePeriodSeconds",
          deployment.terminationGracePeriodSeconds,
        ),
        privateLogs: deployment.privateLogs,
        attachToDeployment: deployment.attach,
      }),
    },
  };
}

/** The image of a container that is all there is, in the form of the protocol. */
export function imageOf({ image }: Pick<Deployment, "image">): JsonObject {
  const plain = JSON.parse(JSON.stringify(image)) as JsonObject;
  return {
    ...plain,
    // A path of this machine is of no use elsewhere, and nobody's business.
    ...("docker_context_dir" in plain ? { docker_context_dir: "." } : {}),
    // The container is all there is: no function runs in it by the platform's own means.
    use_isolate: false,
  };
}

/** The health check in the form of the protocol. @throws UsageError when a setting makes no sense */
export function healthCheck(
  settings: HealthCheckSettings | undefined,
): MessageInitShape<typeof ApplicationHealthCheckConfigSchema> | undefined {
  if (settings === undefined) return undefined;
  const {
    path,
    method = "GET",
    startPeriodSeconds,
    timeoutSeconds,
    failureThreshold,
    callRegularly,
  } = settings;
  return {
    path,
    method: choice("The method of the health check", METHODS, method),
    ...given({
      startPeriodSeconds: wholeSeconds("startPeriodSeconds", startPeriodSeconds),
      timeoutSeconds: wholeSeconds("timeoutSeconds", timeoutSeconds),
      failureThreshold: wholeAmount("failureThreshold", failureThreshold),
      callRegularly,
    }),
  };
}

/** JSON whose keys are sorted, so that the same settings are the same text. */
function retryText(config: Deployment["retryConfig"] & {}): string | undefined {
  const entries = Object.entries(config)
    .filter(([, item]) => item !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([reason, { retries }]) => {
      choice("retryConfig", CONDITIONS, reason);
      return [reason, { retries: wholeAmount("retries", Math.max(0, retries)) }];
    });
  return entries.length === 0 ? undefined : JSON.stringify(Object.fromEntries(entries));
}
