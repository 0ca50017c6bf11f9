/**
 * Deploys an app. This module loads the gRPC libraries, so import it by `import()` where a deployment is only one of
 * several actions.
 * @module
 */
import { FalServerlessError, UsageError } from "../../errors.ts";
import { MAIN_ENVIRONMENT } from "../apps/alias-name.ts";
import { StreamLines, type ApplicationLog } from "./application-logs.ts";
import type { Connection } from "../transport/connection.ts";
import { deployRequests, type Deployment, type DeployRequests } from "./deploy-request.ts";
import { buildEnvironment } from "./environment-build.ts";
import type { CollectedFile, FileCollection } from "../../build-context/collected-files.ts";
import type { SyncProgress } from "../files/progress.ts";
import type { RestCall } from "../transport/rest.ts";
import { syncFiles } from "../files/sync.ts";
import { abandonUploads } from "../files/resumable-uploads.ts";
import { IsolateController, type ServiceURLs } from "../generated/controller_pb.ts";

/** Connections to the control plane. */
export interface DeployTarget {
  readonly connection: Connection;
  /** Where files are uploaded. */
  readonly rest: RestCall;
  /**
   * Whether to cancel unfinished uploads if the deployment fails. Default false: the next deployment
   * resumes them.
   */
  readonly cancelsUploads?: boolean;
}

/** The phases of a deployment. */
export type DeployPhase = "uploading" | "building" | "registering";

/** An image that knows its form in the protocol and its files: a `ContainerImage`. */
export interface DeployableImage {
  toDict(): Readonly<Record<string, unknown>>;
  collectFiles(options: FileCollection): Promise<readonly CollectedFile[]>;
}

/** Options of a deployment. */
export interface DeployOptions extends Omit<Deployment, "image"> {
  /** A `ContainerImage`, whose files are uploaded; or an image in the form of the protocol, as `toDict()` returns it. */
  readonly image: DeployableImage | Readonly<Record<string, unknown>>;
  /** The files that the image is built from. Default: those of a `ContainerImage`, none for the form of the protocol. */
  readonly files?: readonly CollectedFile[] | undefined;
  /** Called when a phase begins. Without files there is no "uploading". */
  readonly onPhase?: ((phase: DeployPhase) => void) | undefined;
  /** Called with each log line of the build and of the registration. */
  readonly onLog?: ((log: ApplicationLog) => void) | undefined;
  /** Called with the progress of the upload, frequently. */
  readonly onUpload?: ((progress: SyncProgress) => void) | undefined;
  /** Called with a sentence about a problem that does not end the deployment. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Cancels the deployment, also on the control plane. */
  readonly signal?: AbortSignal | undefined;
}

/** An app that was deployed. */
export interface DeploymentResult {
  /** The id of the new revision. */
  readonly revision: string;
  readonly appName: string;
  /** Default "main". */
  readonly environment: string;
  readonly urls: {
    /** A page to try the app. */
    readonly playground: string;
    /** The address of synchronous calls. */
    readonly run: string;
    /** The address of queued calls. */
    readonly queue: string;
    /** The address of websockets; empty if the control plane reports none. */
    readonly ws: string;
    /** A page with the app's logs. */
    readonly log: string;
  };
}

/**
 * Deploys a container that listens on a port: uploads the files for its image, builds the image on the platform, and
 * registers it as a new revision of the app. If the build fails, nothing is registered.
 *
 * @throws UsageError for an invalid name, setting or note; PlatformError if the control plane can't be reached or
 *   refuses; FalServerlessError with code BUILD_FAILED if files of the image are missing, UPLOAD_FAILED if a file can't
 *   be uploaded, DEPLOY_FAILED if the build fails or an answer is incomplete; the signal's reason if it aborts.
 */
export async function runDeployment(target: DeployTarget, options: DeployOptions): Promise<DeploymentResult> {
  try {
    return await buildAndRegister(target, options);
  } catch (error) {
    if (target.cancelsUploads === true) await abandonUploads(target.rest);
    throw error;
  }
}

async function buildAndRegister(target: DeployTarget, options: DeployOptions): Promise<DeploymentResult> {
  const { image, signal, onPhase, onUpload: onProgress, onWarning } = options;
  signal?.throwIfAborted();
  checkImage(options);
  const deployment: Deployment = { ...options, image: isDeployable(image) ? image.toDict() : image };
  deployRequests(deployment); // reports invalid options before the upload
  const files = options.files ?? (isDeployable(image) ? await image.collectFiles({ onWarning, signal }) : []);
  if (files.length > 0) onPhase?.("uploading");
  const synced = await syncFiles({ files, rest: target.rest, signal, onProgress, onWarning });
  const requests = deployRequests(deployment, synced.files);
  onPhase?.("building");
  await buildEnvironment(target.connection, requests.build, options);
  onPhase?.("registering");
  return register(target, requests, options);
}

/** Rejects an invalid image with a helpful message, for callers that do not use TypeScript. */
function checkImage({ appName, image }: { readonly appName: unknown; readonly image?: unknown }): void {
  const what =
    typeof appName === "string" && appName !== "" ? `the deployment of ${appName}` : "a deployment";
  const forms = "a ContainerImage, or what its toDict() gives: { dockerfile_str: … } or { image: … }";
  if (image === undefined || image === null)
    throw new UsageError(`There is no image for ${what}: give ${forms}.`);
  const isObject = typeof image === "object" && !Array.isArray(image);
  const {
    toDict,
    dockerfile_str: text,
    image: reference,
  } = isObject ? (image as Record<string, unknown>) : {};
  if (
    typeof toDict === "function" ||
    [text, reference].some((item) => typeof item === "string" && item !== "")
  ) {
    return;
  }
  throw new UsageError(`The image for ${what} is not one: give ${forms}.`);
}

function isDeployable(image: DeployOptions["image"]): image is DeployableImage {
  return typeof image["toDict"] === "function";
}

async function register(
  { connection }: DeployTarget,
  requests: DeployRequests,
  options: DeployOptions,
): Promise<DeploymentResult> {
  const { signal, appName } = options;
  const environment = options.environment || MAIN_ENVIRONMENT;
  const lines = new StreamLines(options.onLog);
  const method = IsolateController.method.registerApplication;
  for await (const { logs, result, serviceUrls } of connection.stream(method, requests.register, {
    signal,
  })) {
    lines.forward(logs);
    if (result === undefined) continue;
    const { applicationId: revision } = result;
    if (revision === "" || serviceUrls === undefined) {
      throw failed(
        `The control plane registered ${appName}${revision === "" ? "" : ` as ${revision}`}, but did not tell ` +
          `${revision === "" ? "its revision" : "its addresses"}: look at "servable apps list" before you try again.`,
      );
    }
    return { revision, appName, environment, urls: urlsOf(serviceUrls) };
  }
  signal?.throwIfAborted();
  throw failed(
    `The registration of ${appName} ended without a result${lines.reason()} ` +
      `Look at "servable apps list" before you try again.`,
  );
}

function urlsOf({ playground, run, queue, ws, log }: ServiceURLs): DeploymentResult["urls"] {
  return { playground, run, queue, ws, log };
}

function failed(message: string): FalServerlessError {
  return new FalServerlessError("DEPLOY_FAILED", message);
}
