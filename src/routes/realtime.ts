import type { TSchema } from "typebox";
import { DefinitionError } from "../errors.ts";
import { assertFits, flag, wholeNumber } from "../settings/check.ts";
import { resolveDispatchOptions, type ResolvedDispatchOptions } from "./dispatch-options.ts";
import type { AnyMethod, CheckRealtime } from "./handler-types.ts";
import {
  FRAME_LIMIT_NAMES,
  resolveInputLimits,
  type FrameLimitOptions,
  type ValueLimitOptions,
} from "./input-limits.ts";
import { assertKnownOptions, assertMethod, assertSchemas } from "./decorator-checks.ts";
import { assertSocketPath } from "./path-pattern.ts";
import { recordRoute } from "./registry.ts";
import type { CanBatch, DecodeMessage, EncodeMessage, RealtimeMode } from "./signature.ts";

/** The options of `@realtime`. */
export interface RealtimeOptions<
  Input extends TSchema | undefined,
  Output extends TSchema | undefined,
  Mode extends RealtimeMode,
  MaxBatchSize extends number,
  Batch extends RealtimeBatch = "session",
>
  extends FrameLimitOptions, ValueLimitOptions {
  /** The schema of an input. Default: any object. */
  input?: Input;
  /** The schema of an output, which must be an object. Default: any object. */
  output?: Output;
  /** How inputs relate to outputs. Default "unary": one output for each input, in order. */
  mode?: Mode;
  /** Maximum number of queued inputs: older ones are dropped. Default: keep all, up to the session's limits. */
  buffering?: number;
  /** Maximum time without an input, in seconds: the session ends after it. Default: no limit. */
  sessionTimeout?: number;
  /** Unary: maximum number of queued inputs passed in one call, as an array. Default 1: one input, not an array. */
  maxBatchSize?: MaxBatchSize;
  /**
   * Unary: which inputs share a call. "session" (default): the queued inputs of one session. "shared": one input of
   * each session, so that all sessions form batches of up to `maxBatchSize` together; the method takes `(inputs,
   * batch)` and returns one output, or `Error`, for each.
   */
  batch?: Batch;
  /** Send a message with the timing after each result. Default false. */
  emitTimings?: boolean;
  /** Format of frames: "application/msgpack" (default) or "application/json". */
  contentType?: string;
  /** A custom encoder. Default: the content type's. */
  encodeMessage?: EncodeMessage;
  /** A custom decoder, which must limit the size of values itself. Default: the content type's. */
  decodeMessage?: DecodeMessage;
  /** Returns false if `next` cannot join the batch that starts with `first`, which ends the batch. */
  canBatch?: CanBatch;
  /** Opens the route to callers that `authenticate()` would refuse. Default false. */
  public?: boolean;
  /** Markdown for the docs. */
  description?: string;
}

/** Which inputs form a batch: those of one session, or of all sessions. */
export type RealtimeBatch = "session" | "shared";

const OPTION_NAMES = [
  ...[
    "input",
    "output",
    "mode",
    "buffering",
    "sessionTimeout",
    "maxBatchSize",
    "batch",
    "emitTimings",
    "contentType",
  ],
  ...["encodeMessage", "decodeMessage", "canBatch", "public", "description"],
  ...FRAME_LIMIT_NAMES,
];
const MODES: readonly string[] = ["unary", "server_streaming", "client_streaming", "bidi"];
const CONTENT_TYPES: readonly string[] = ["application/msgpack", "application/json"];
const MAX_BUFFERING = 60;

/** Whether the method takes an array, and of whose inputs. */
type Batched<MaxBatchSize extends number, Batch extends RealtimeBatch> = [Batch] extends ["shared"]
  ? "shared"
  : [MaxBatchSize] extends [1]
    ? false
    : true;

/**
 * Serves a method as a realtime session on a websocket. The compiler checks it against the schemas and the mode:
 * `unary` takes an input and returns an output (arrays when `maxBatchSize` is above 1), `server_streaming` returns an
 * async iterable of outputs, `client_streaming` takes an async iterable of inputs, `bidi` does both.
 *
 * @example
 * ```ts
 * @realtime("/realtime", { input: Prompt, output: Picture, buffering: 2, sessionTimeout: 10 })
 * async live(input: Prompt, ctx: RequestContext): Promise<Picture> { … }
 * ```
 * @throws DefinitionError if the path or an option is invalid, or the method is private or static.
 */
export function realtime<
  Input extends TSchema | undefined = undefined,
  Output extends TSchema | undefined = undefined,
  Mode extends RealtimeMode = "unary",
  const MaxBatchSize extends number = 1,
  Batch extends RealtimeBatch = "session",
>(path: string, options: RealtimeOptions<Input, Output, Mode, MaxBatchSize, Batch> = {}) {
  return function decorate<Method extends AnyMethod>(
    method: Method & CheckRealtime<Method, Input, Output, Mode, Batched<MaxBatchSize, Batch>>,
    context: ClassMethodDecoratorContext,
  ): void {
    const methodName = assertMethod("@realtime", method, context);
    assertSocketPath(methodName, path);
    assertOptions(methodName, options);
    const { batch, maxBatchSize = 1 } = options;
    const limits = resolveInputLimits(`@realtime on ${methodName}()`, options);
    recordRoute(context.metadata, {
      path,
      methodName,
      isWebsocket: true,
      input: options.input,
      output: options.output,
      stream: false,
      timeoutMs: undefined,
      healthCheck: undefined,
      summary: undefined,
      description: options.description,
      ...(options.public === true ? { isPublic: true } : {}),
      ...(limits === undefined ? {} : { limits }),
      ...(batch === "shared" ? { dispatch: sharedBatch(methodName, maxBatchSize) } : {}),
      realtimeMode: options.mode ?? "unary",
      contentType: options.contentType ?? "application/msgpack",
      buffering: options.buffering,
      sessionTimeout: options.sessionTimeout,
      maxBatchSize,
      emitTimings: options.emitTimings ?? false,
      encodeMessage: options.encodeMessage,
      decodeMessage: options.decodeMessage,
      canBatch: options.canBatch,
    });
  };
}

/** The shared queue needs no limit, because each session submits an input only after the result of its previous one. */
function sharedBatch(methodName: string, maxSize: number): ResolvedDispatchOptions {
  const resolved = resolveDispatchOptions(`@realtime on ${methodName}()`, { batch: { maxSize } });
  return { ...resolved, maxQueue: { count: Infinity, bytes: Infinity } };
}

type AnyRealtimeOptions = RealtimeOptions<
  TSchema | undefined,
  TSchema | undefined,
  RealtimeMode,
  number,
  RealtimeBatch
>;

function assertOptions(methodName: string, options: AnyRealtimeOptions): void {
  assertKnownOptions("@realtime", methodName, options, OPTION_NAMES);
  assertSchemas("@realtime", methodName, { input: options.input, output: options.output });
  const refuse = (message: string): never => {
    throw new DefinitionError("ROUTE_OPTION_INVALID", `@realtime on ${methodName}(): ${message}`);
  };
  const {
    mode = "unary",
    buffering,
    sessionTimeout,
    maxBatchSize = 1,
    contentType = CONTENT_TYPES[0] as string,
  } = options;
  if (options.public !== undefined) assertFits("public", options.public, flag, refuse);
  if (!MODES.includes(mode)) refuse(`mode must be one of ${MODES.join(", ")}, got "${mode}".`);
  if (buffering !== undefined) assertFits("buffering", buffering, wholeNumber(1, MAX_BUFFERING), refuse);
  if (sessionTimeout !== undefined && !isDelay(sessionTimeout)) {
    refuse(`sessionTimeout must be a positive number of seconds, got ${String(sessionTimeout)}.`);
  }
  assertFits("maxBatchSize", maxBatchSize, wholeNumber(1), refuse);
  if (mode !== "unary" && (maxBatchSize > 1 || options.canBatch !== undefined)) {
    refuse(`maxBatchSize and canBatch are for unary sessions, not for "${mode}".`);
  }
  const { batch = "session" } = options;
  if (batch !== "session" && batch !== "shared") {
    refuse(`batch must be "session" or "shared", got ${JSON.stringify(batch)}.`);
  }
  if (batch === "shared" && (mode !== "unary" || options.canBatch !== undefined || maxBatchSize === 1)) {
    refuse('batch: "shared" is for unary sessions with a maxBatchSize above 1 and no canBatch.');
  }
  for (const name of ["maxDepth", "maxValues"] as const) {
    if (options[name] === undefined || options.decodeMessage === undefined) continue;
    refuse(`${name} has no effect with decodeMessage, which builds the input itself.`);
  }
  for (const name of ["encodeMessage", "decodeMessage", "canBatch"] as const) {
    const given: unknown = options[name];
    if (given === undefined || typeof given === "function") continue;
    refuse(`${name} must be a function, got ${String(given)}.`);
  }
  if (
    options.encodeMessage === undefined &&
    options.decodeMessage === undefined &&
    !CONTENT_TYPES.includes(contentType)
  ) {
    refuse(
      `contentType must be ${CONTENT_TYPES.join(" or ")}, or come with encodeMessage and decodeMessage.`,
    );
  }
  if ((options.encodeMessage === undefined) !== (options.decodeMessage === undefined)) {
    refuse("encodeMessage and decodeMessage go together.");
  }
}

/** Whether a Node timer can wait this many seconds. */
function isDelay(seconds: unknown): boolean {
  return typeof seconds === "number" && seconds > 0 && seconds < 2 ** 31 / 1000;
}
