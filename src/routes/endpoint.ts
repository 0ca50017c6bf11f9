import { DefinitionError } from "../errors.ts";
import {
  DISPATCH_OPTION_NAMES,
  resolveDispatchOptions,
  type AnyBatchOptions,
  type BatchOptions,
  type DispatchOptions,
} from "./dispatch-options.ts";
import { BODY_TIME_NAMES, resolveBodyKind, type BodyTimeOptions } from "./body-kind.ts";
import { assertBodyFits, memoryLimits } from "./body-checks.ts";
import type { AnyMethod, CheckEndpoint, ContextOf, InputOf, PartsOf, SchemaObject } from "./handler-types.ts";
import { BODY_LIMIT_NAMES, resolveInputLimits, type BodyLimitOptions } from "./input-limits.ts";
import { assertKnownOptions, assertMethod, assertSchemas } from "./decorator-checks.ts";
import { assertGetPath, assertPath } from "./path-pattern.ts";
import { assertRequestOptions } from "./request-options.ts";
import { recordRoute } from "./registry.ts";
import type { HealthCheckOptions, HttpMethod, RouteSignature } from "./signature.ts";

/** The options of `@endpoint`. */
export interface EndpointOptions<
  Input extends SchemaObject | undefined,
  Output extends SchemaObject | undefined,
  Stream extends boolean | "optional",
  MaxSize extends number = never,
  Params extends SchemaObject | undefined = undefined,
  Query extends SchemaObject | undefined = undefined,
  Headers extends SchemaObject | undefined = undefined,
  Item extends SchemaObject | undefined = undefined,
  Path extends string = string,
>
  extends Omit<DispatchOptions, "batch">, BodyLimitOptions, BodyTimeOptions {
  /** Default "POST". HEAD is answered wherever GET is. */
  method?: HttpMethod;
  /** The schema of the path's parameters, an object with the same names. Default: all are text. */
  params?: Params;
  /** The schema of the query string's parameters, an object. Default: all are text. */
  query?: Query;
  /** The schema of the headers that the method reads, an object with names in lower case. Default: all are text. */
  headers?: Headers;
  /** The status of a successful answer, from 200 to 399. Default 200. */
  status?: number;
  /** Opens the endpoint to callers that `authenticate()` would refuse. Default false. */
  public?: boolean;
  /**
   * The schema of the body: of JSON, or with `bytes()`, `form()` or `multipart()` of another kind. With
   * it, the method is called with `(input, ctx)`; without it, with `(ctx)`.
   */
  input?: Input;
  /** The schema of the result, or of an item with `stream`. Without it, results are not checked. */
  output?: Output;
  /**
   * Whether the method is an async generator, whose items are sent as server-sent events. "optional": it returns one
   * result or an async iterable, and each call decides which. Default false.
   */
  stream?: Stream;
  /** With `stream: "optional"`, the schema of an item; `output` is that of a single result. Default: not checked. */
  item?: Item;
  /** Puts the inputs of several callers into one call: the method takes and returns arrays. Needs `input`. */
  batch?: BatchOptions<InputOf<Input>, ContextOf<Path, Params, Query, Headers>> & { maxSize: MaxSize };
  /** One line for the docs. Default: the method's name in words. */
  summary?: string;
  /** Markdown for the docs. */
  description?: string;
  /**
   * Maximum time until the answer, including time in a queue, or until each item of a stream, in milliseconds. After
   * it, the caller gets 504 and `ctx.signal` aborts. Default: no limit.
   */
  timeoutMs?: number;
  /** Marks the endpoint that a platform probes; at most one. `true` uses the platform's defaults. */
  healthCheck?: boolean | HealthCheckOptions;
}

const OPTION_NAMES = [
  "method",
  "params",
  "query",
  "headers",
  "status",
  "public",
  "input",
  "output",
  "stream",
  "item",
  "summary",
  "description",
  "timeoutMs",
  "healthCheck",
  ...BODY_LIMIT_NAMES,
  ...BODY_TIME_NAMES,
  ...DISPATCH_OPTION_NAMES,
] as const satisfies readonly (keyof EndpointOptions<undefined, undefined, false>)[];

/** The longest delay of a Node timer, about 24.8 days. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Serves a method as `POST path`, or with the method of the options. The compiler checks the method against the
 * schemas: it must accept `Static<typeof input>` and return `Static<typeof output>` (or an async iterable of it with
 * `stream: true`). Segments such as `:id` are parameters: see `ctx.params`.
 *
 * @example
 * ```ts
 * class Greeter extends App {
 *   @endpoint("/greet", { input: Name, output: Greeting })
 *   greet({ name }: Name): Greeting { return { text: `Hello ${name}` }; }
 * }
 * ```
 * @throws DefinitionError if the path or an option is invalid, or the method is private or static.
 */
export function endpoint<
  Input extends SchemaObject | undefined = undefined,
  Output extends SchemaObject | undefined = undefined,
  Stream extends boolean | "optional" = false,
  MaxSize extends number = never,
  Params extends SchemaObject | undefined = undefined,
  Query extends SchemaObject | undefined = undefined,
  Headers extends SchemaObject | undefined = undefined,
  Item extends SchemaObject | undefined = undefined,
  const Path extends string = string,
>(
  path: Path,
  options: EndpointOptions<Input, Output, Stream, MaxSize, Params, Query, Headers, Item, Path> = {},
) {
  return function decorate<Method extends AnyMethod>(
    method: Method &
      CheckEndpoint<Method, Input, Output, Stream, MaxSize, PartsOf<Path, Params, Query, Headers>, Item>,
    context: ClassMethodDecoratorContext,
  ): void {
    const methodName = assertMethod("@endpoint", method, context);
    recordRoute(context.metadata, endpointSignature(methodName, path, options));
  };
}

/** The options of any endpoint. */
type AnyEndpointOptions = Omit<
  EndpointOptions<
    SchemaObject | undefined,
    SchemaObject | undefined,
    boolean | "optional",
    number,
    SchemaObject | undefined,
    SchemaObject | undefined,
    SchemaObject | undefined,
    SchemaObject | undefined
  >,
  "batch"
> & { batch?: AnyBatchOptions };

/** The signature of an HTTP route, with its path and options checked. */
export function endpointSignature(
  methodName: string,
  path: string,
  options: AnyEndpointOptions,
): RouteSignature {
  assertPath(methodName, path);
  assertOptions(methodName, options);
  assertRequestOptions(methodName, path, options);
  const { method = "POST", params, query, headers, status } = options;
  if (method === "GET") assertGetPath(methodName, path);
  const where = `@endpoint on ${methodName}()`;
  const body = resolveBodyKind(where, options.input, options);
  assertBodyFits(where, body, options);
  const limits = memoryLimits(body, resolveInputLimits(where, options));
  const usesDispatch = DISPATCH_OPTION_NAMES.some((name) => options[name] !== undefined);
  return {
    path,
    methodName,
    isWebsocket: false,
    ...(method === "POST" ? {} : { method }),
    ...(params === undefined ? {} : { params }),
    ...(query === undefined ? {} : { query }),
    ...(headers === undefined ? {} : { headers }),
    ...(status === undefined ? {} : { status }),
    ...(options.public === true ? { isPublic: true } : {}),
    input: options.input,
    output: options.output,
    ...(options.item === undefined ? {} : { item: options.item }),
    stream: options.stream ?? false,
    timeoutMs: options.timeoutMs,
    healthCheck: options.healthCheck === true ? {} : options.healthCheck || undefined,
    summary: options.summary,
    description: options.description,
    ...(limits === undefined ? {} : { limits }),
    ...(body === undefined ? {} : { body }),
    ...(usesDispatch ? { dispatch: resolveDispatchOptions(where, options) } : {}),
  };
}

function assertOptions(methodName: string, options: object): void {
  assertKnownOptions("@endpoint", methodName, options, OPTION_NAMES);
  const { timeoutMs, input, output, item, params, query, headers, stream, batch } =
    options as AnyEndpointOptions;
  const refuse = (message: string): never => {
    throw new DefinitionError("ROUTE_OPTION_INVALID", `@endpoint on ${methodName}(): ${message}`);
  };
  const isDelay = typeof timeoutMs === "number" && timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT_MS;
  if (timeoutMs !== undefined && !isDelay) {
    refuse(`timeoutMs must be between 1 and ${MAX_TIMEOUT_MS}, got ${String(timeoutMs)}.`);
  }
  assertSchemas("@endpoint", methodName, { input, output, item, params, query, headers });
  if (stream !== undefined && typeof stream !== "boolean" && stream !== "optional") {
    refuse(`stream must be true, false or "optional", got ${JSON.stringify(stream)}.`);
  }
  if (item !== undefined && stream !== "optional") {
    refuse(
      stream === true
        ? "with `stream: true`, `output` is the schema of an item; drop `item`."
        : '`item` is the schema of a stream\'s item; add `stream: "optional"`.',
    );
  }
  if (batch !== undefined && input === undefined)
    refuse("batch needs an `input` schema: it is inputs that form a batch.");
  if (batch !== undefined && stream !== undefined && stream !== false)
    refuse("a stream has one caller; drop `batch` or `stream`.");
}
