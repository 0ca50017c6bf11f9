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

// What a user extends
export { App, type AppAuth } from "./servable/app.ts";
export { BaseServable, isServableClass, type ServableClass } from "./servable/base-servable.ts";
export { ServeWrapper } from "./servable/serve-wrapper.ts";
export type { RetryCondition } from "./servable/settings.ts";

// Routes
export { endpoint, type EndpointOptions } from "./routes/endpoint.ts";
export { bytes, type BytesOptions } from "./routes/bytes.ts";
export { realtime, type RealtimeOptions } from "./routes/realtime.ts";
export { websocket, type RawWebSocket, type WebsocketOptions } from "./routes/websocket.ts";
export type {
  CanBatch,
  DecodeMessage,
  EncodeMessage,
  HealthCheckOptions,
  RealtimeMode,
  RouteHandler,
  RouteSignature,
} from "./routes/signature.ts";
export type {
  BatchOptions,
  DispatchOptions,
  QueueOptions,
  WorkerOptions,
} from "./routes/dispatch-options.ts";
export type { BatchContext, RequestContext } from "./context.ts";

// Serving
export type { ServerOptions } from "./server/definition.ts";
export type { ServeOutcome } from "./server/drain.ts";
export type { ServeAddresses, ServeOptions } from "./server/serve.ts";
export type { OpenApiDocument } from "./openapi/annotate.ts";

// Errors
export {
  AppException,
  BatchItemErrors,
  BatchLengthException,
  BodyError,
  CUDAOutOfMemoryException,
  DefinitionError,
  ERRORS,
  FalServerlessError,
  FieldException,
  GPUException,
  GPUOutOfMemoryException,
  InputValidationError,
  OutputValidationError,
  OverloadException,
  QueueTimeoutException,
  RequestCancelledException,
  RequestTimeoutException,
  SessionTimeoutException,
  StartupError,
  StreamTimeoutException,
  UsageError,
  WorkerDiedException,
  type ErrorCode,
  type ErrorKind,
  type FieldExceptionOptions,
  type ValidationIssue,
} from "./errors.ts";
