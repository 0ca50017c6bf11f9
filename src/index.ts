/**
 * Servable: a class whose decorated methods become HTTP endpoints and streams.
 *
 * ```ts
 * import { Type, type Static } from "typebox";
 * import { App, endpoint } from "servable";
 *
 * const Name = Type.Object({ name: Type.String({ minLength: 1 }) }, { $id: "Name" });
 * const Greeting = Type.Object({ text: Type.String() }, { $id: "Greeting" });
 *
 * export default class Greeter extends App {
 *   @endpoint("/", { input: Name, output: Greeting })
 *   greet({ name }: Static<typeof Name>): Static<typeof Greeting> {
 *     return { text: `Hello ${name}` };
 *   }
 * }
 * ```
 * @module
 */

// Classes to extend
export { App } from "./servable/app.ts";
export { BaseServable, isServableClass, type ServableClass } from "./servable/base-servable.ts";
export { ServeWrapper } from "./servable/serve-wrapper.ts";
export type {
  DataStorageSetting,
  FalStorageSetting,
  LocalStorageSetting,
  S3StorageSetting,
  StorageSetting,
} from "./settings/storage.ts";
export type { AppAuth, AppImage, RetryCondition } from "./settings/app-values.ts";

// Routes
export { endpoint, type EndpointOptions } from "./routes/endpoint.ts";
export type { InferInput, InferOutput, StandardSchema } from "./routes/standard-schema.ts";
export { bytes, type BytesOptions, type BytesStreamOptions } from "./routes/bytes.ts";
export { form } from "./routes/form.ts";
export { Hidden } from "./routes/field-notes.ts";
export { multipart, type MultipartOptions } from "./routes/multipart.ts";
export { upload, type UploadOptions } from "./routes/upload.ts";
export { UploadedFile, UploadStream } from "./routes/uploaded-file.ts";
export type { BlobLike, BytesResult, BytesStream, ResponseLike } from "./routes/bytes-result.ts";
export { file, FileAnswer, type FileOptions } from "./routes/file-answer.ts";
export { event, raw, type EventFields, type StreamEvent } from "./routes/stream-event.ts";
export { realtime, type RealtimeOptions } from "./routes/realtime.ts";
export { websocket, type RawWebSocket, type WebsocketOptions } from "./routes/websocket.ts";
export type {
  CanBatch,
  DecodeMessage,
  EncodeMessage,
  HealthCheckOptions,
  HttpMethod,
  RealtimeMode,
  RouteHandler,
  RouteSignature,
} from "./routes/signature.ts";
export type { BatchOptions, DispatchOptions, QueueOptions } from "./routes/dispatch-options.ts";
export type { WorkerOptions } from "./settings/worker-options.ts";
export type { BatchContext, RawHeaders, RawQuery, RequestContext, RequestParts } from "./context.ts";
export type { HeaderValue } from "./answer-header.ts";

// Callers
export { bearerTokens, type FindCaller } from "./server/auth/bearer-tokens.ts";
export { bearerToken } from "./server/auth/credentials.ts";
export { jwt, type JwtCaller, type JwtOptions, type KeySet } from "./server/auth/jwt.ts";
export type { KeyCaller, KeySource } from "./server/auth/key-list.ts";
export type { Authentication } from "./settings/authentication.ts";

// Webhooks
export {
  verifyWebhook,
  type VerifyWebhookOptions,
  type WebhookDelivery,
  type WebhookRequest,
} from "./webhooks/verify-webhook.ts";

// Serving
export { serve, type ServedClass } from "./servable/serve.ts";
export type { ServerOptions } from "./server/definition.ts";
export type { ServeOutcome } from "./server/lifecycle/drain.ts";
export type { ServeAddresses, ServeOptions } from "./server/lifecycle/serve.ts";
export type { OpenApiDocument } from "./openapi/annotate.ts";

// Isolated functions
export { fn } from "./hosts/fn.ts";
export type {
  CalledOptions,
  Fn,
  ServedIsolatedFunction,
  ServeFunctionOptions,
  SetupOptions,
} from "./functions/create-fn.ts";
export { IsolatedFunction, type CallOptions } from "./functions/isolated-function.ts";
export type { Submission } from "./functions/submission.ts";
export {
  type FunctionEntry,
  type FunctionOptions,
  type FunctionTarget,
  Host,
  type RunOptions,
  type SpawnInfo,
} from "./functions/host.ts";
export type { LogEntry, LogLevel, LogSource } from "./log-entry.ts";
export {
  Options,
  type EnvironmentOptions,
  type FunctionKind,
  type GatewayOptions,
  type HostOptions,
  type Requirements,
} from "./functions/options.ts";
export type { Bundle, PackageImport } from "./functions/bundle/bundle.ts";
export {
  findMissingDependencies,
  type Bundled,
  type MissingDependency,
} from "./functions/missing-dependencies.ts";
export { cached } from "./functions/cached.ts";
export { currentRun, type RunContext } from "./functions/runtime.ts";
export { LocalHost, type LocalHostOptions } from "./hosts/local/local-host.ts";
export { FalServerlessHost, type FalServerlessHostOptions } from "./hosts/serverless/fal-serverless-host.ts";
export type { RegisterOptions, Registrable } from "./hosts/serverless/registration.ts";

// Container images
export {
  ContainerImage,
  type ContainerImageDict,
  type ContainerImageOptions,
  type ImageRunOptions,
  type RegistryLogin,
} from "./packaging/container-image.ts";

// A control plane
export type { AppConfig, AppSettings, ImageConfig, ServableConfig } from "./deploy-config.ts";
export { ServerlessClient, type ServerlessClientOptions } from "./platform/serverless-client.ts";
export { appsRunners, deploy, listApps, listRunners, scaleApp } from "./platform/operations.ts";
export type { AppInfo, AppRevision } from "./platform/apps/app-info.ts";
export type { RunnersOptions, ScaleOptions } from "./platform/apps/apps.ts";
export type {
  DeployableImage,
  DeploymentResult,
  DeployOptions,
  DeployPhase,
} from "./platform/deployment/deploy.ts";
export type { HealthCheckSettings } from "./settings/health-check.ts";
export type { GpuUsage } from "./platform/apps/gpu-usage.ts";
export type { EnvironmentInfo } from "./platform/account/environments.ts";
export type { CreatedKey, CreateKeyOptions, KeyInfo, KeyPreset, KeyScope } from "./platform/account/keys.ts";
export type { FlushQueueOptions, QueueSize, QueueSizeOptions } from "./platform/queue.ts";
export type { RunnerInfo } from "./platform/runners/runner-info.ts";
export type { RunnerLog, RunnerLogsOptions } from "./platform/runners/runner-logs.ts";
export type { StopRunnerOptions } from "./platform/runners/runners.ts";
export type { RunnerCommandEvent, RunnerCommandOptions } from "./platform/runners/shell-session.ts";
export type { Secret } from "./platform/target/secret.ts";
export type { SecretInfo } from "./platform/account/secrets.ts";
export type { User } from "./platform/account/user.ts";

// Files from URLs
export { fetchSafely, type FetchedFile, type FetchLimits } from "./media/safe-fetch.ts";

// Downloads
export { KVStore, type KVStoreOptions } from "./storage/kv-store.ts";
export { cloneRepository, downloadFile, downloadModelWeights } from "./downloads/downloads.ts";
export type {
  CloneOptions,
  DownloadFileOptions,
  DownloadOptions,
  DownloadProgress,
  ModelWeightsOptions,
} from "./downloads/options.ts";

// Errors
export {
  DownloadError,
  type DownloadFailure,
  FetchError,
  type FetchErrorOptions,
  type FetchFailure,
} from "./file-errors.ts";
export {
  AppException,
  BatchItemErrors,
  BatchLengthException,
  BodyError,
  CUDAOutOfMemoryException,
  DefinitionError,
  ERRORS,
  FalMissingDependencyError,
  FalSerializationError,
  FalServerlessError,
  FieldException,
  ForbiddenException,
  GPUException,
  GPUOutOfMemoryException,
  InputValidationError,
  InternalFalServerlessError,
  OutputValidationError,
  OverloadException,
  PlatformError,
  QueueTimeoutException,
  RequestCancelledException,
  ServerStoppedException,
  RequestTimeoutException,
  SessionTimeoutException,
  StartupError,
  StreamTimeoutException,
  UnauthorizedException,
  UsageError,
  UserFunctionException,
  WorkerDiedException,
  type AppExceptionOptions,
  type ErrorCode,
  type ErrorDetail,
  type ErrorKind,
  type FieldExceptionOptions,
  type PlatformErrorOptions,
  type ValidationIssue,
} from "./errors.ts";
