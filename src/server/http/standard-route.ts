import { withDeadline } from "../../dispatch/clock.ts";
import { InputValidationError, RequestTimeoutException } from "../../errors.ts";
import { isStreamOfItems, iteratorOf, type Items } from "../../items.ts";
import { isStreamEvent, StreamEvent } from "../../routes/stream-event.ts";
import type { MediaCall } from "../../routes/media-runtime.ts";
import type { RouteDispatch, StartInWorker } from "../dispatch/route-dispatch.ts";
import type { StandardSchemas } from "../validation/route-schemas.ts";
import type { StandardValidation } from "../validation/standard-validation.ts";
import { isThenable } from "../thenable.ts";
import type { HttpContext } from "./http-context.ts";
import type { RouteRuntime } from "./route-runtime.ts";

/** The files of a route whose schemas have any. */
export interface RouteFiles {
  /** The files of a call. */
  of(context: HttpContext): MediaCall;
  /** Whether files are fetched before the call is queued: so that a bad one fails no other call of a batch. */
  readonly loadsFirst: boolean;
  readonly inWorkers: boolean;
}

/**
 * Lets a route validate with schemas of other libraries, and store files. Both take time: inputs are validated before the
 * handler is called, and results are validated and their files stored before they are passed on. Other routes keep their
 * own methods.
 */
export function withStandardSchemas<Route extends RouteRuntime>(
  route: Route,
  schemas: StandardSchemas | undefined,
  files?: RouteFiles,
): Route {
  if (schemas === undefined && files === undefined) return route;
  const calls = new StandardCalls(route, schemas ?? NO_SCHEMAS, files);
  if (files !== undefined) {
    const end = route.end.bind(route);
    route.end = (context, status) => {
      if (!end(context, status)) return false;
      context.files?.end();
      return true;
    };
  }
  route.call = (context, body) => calls.call(context, body, undefined);
  route.callIn = (start, context, body) => calls.call(context, body, start);
  route.readInput = (context, body) => calls.readInput(context, body);
  route.queue = (dispatch, context, body, bytes) => calls.queue(dispatch, context, body, bytes);
  return route;
}

const NO_SCHEMAS: StandardSchemas = { input: undefined, output: undefined, item: undefined };

/** The calls of a route with a schema of another library than TypeBox, or with files. */
class StandardCalls {
  readonly #route: RouteRuntime;
  readonly #schemas: StandardSchemas;
  readonly #files: RouteFiles | undefined;

  constructor(route: RouteRuntime, schemas: StandardSchemas, files: RouteFiles | undefined) {
    this.#route = route;
    this.#schemas = schemas;
    this.#files = files;
  }

  /** See {@link RouteRuntime.call} and {@link RouteRuntime.callIn}. */
  call(context: HttpContext, body: unknown, start: StartInWorker | undefined): unknown {
    const { signature, handler } = this.#route;
    this.#files?.of(context); // File.reserve() looks for them in the context
    if (signature.input === undefined) {
      return this.#passOn(context, start?.(undefined) ?? this.#route.within(context, () => handler(context)));
    }
    return after(this.#accept(context, body), (input) => {
      if (context.abortReason !== undefined) throw context.abortReason;
      if (start !== undefined) return this.#passOn(context, this.#startWith(context, start, input));
      return this.#passOn(
        context,
        this.#route.within(context, () => handler(input, context)),
      );
    });
  }

  /** Starts a stream in its worker, which gets files as bytes or paths. */
  async #startWith(context: HttpContext, start: StartInWorker, input: unknown): Promise<unknown> {
    return start(await (this.#files?.of(context).pack(input) ?? input));
  }

  /** See {@link RouteRuntime.readInput}. */
  readInput(context: HttpContext, body: unknown): unknown {
    return this.#route.signature.input === undefined ? undefined : this.#accept(context, body);
  }

  /** See {@link RouteRuntime.queue}. */
  async queue(dispatch: RouteDispatch, context: HttpContext, body: unknown, bytes: number): Promise<unknown> {
    const hasInput = this.#route.signature.input !== undefined;
    this.#files?.of(context);
    const accepted = hasInput ? this.#accept(context, body) : undefined;
    const input = isThenable(accepted) ? await this.#inTime(context, accepted) : accepted;
    if (context.abortReason !== undefined) throw context.abortReason;
    const result = await dispatch.submit(context, input, bytes, context).answer;
    const presented = this.#present(context, result, this.#schemas.output);
    return isThenable(presented) ? this.#inTime(context, presented) : presented;
  }

  /** The input as its schema converts it, or a promise of it. */
  #accept(context: HttpContext, body: unknown): unknown {
    const { input: own } = this.#route;
    const { input = own } = this.#schemas;
    if (input === undefined) return body;
    // Not JSON: a schema that accepts bytes must not let it pass.
    if (input !== own && body instanceof Uint8Array) return this.#route.read(NO_BYTES, body, context);
    const accepted = this.#route.read(input, body, context);
    const files = this.#files;
    if (files === undefined || input !== own) return accepted;
    const ofCall = files.of(context);
    ofCall.bind(accepted, BODY);
    return files.loadsFirst ? ofCall.load(accepted).then(() => accepted) : accepted;
  }

  /** Validates what a handler returned: a result, or the items of a stream when they come. */
  #passOn(context: HttpContext, returned: unknown): unknown {
    const { output, item } = this.#schemas;
    if (output === undefined && item === undefined && this.#files === undefined) return returned;
    const { stream } = this.#route.signature;
    return after(returned, (result) =>
      stream === true || (stream === "optional" && isStreamOfItems(result))
        ? this.#presentItems(context, result, stream === true ? output : item)
        : this.#present(context, result, output),
    );
  }

  #present(context: HttpContext, result: unknown, schema: StandardValidation | undefined): unknown {
    const validated =
      schema === undefined ? result : schema.present(result, this.#route.signature.methodName);
    const files = this.#files;
    if (files === undefined) return validated;
    const ofCall = files.of(context);
    return after(validated, (value) => ofCall.store(files.inWorkers ? ofCall.unpack(value) : value));
  }

  async #presentItem(
    context: HttpContext,
    item: unknown,
    schema: StandardValidation | undefined,
  ): Promise<unknown> {
    if (!isStreamEvent(item)) return this.#present(context, item, schema);
    const { head, data, text } = item;
    return data === undefined
      ? item
      : new StreamEvent(head, await this.#present(context, data, schema), text);
  }

  /** The items of a stream, each validated before it is passed on. */
  #presentItems(
    context: HttpContext,
    called: unknown,
    schema: StandardValidation | undefined,
  ): AsyncIterable<unknown> {
    const items: Items = iteratorOf(called, this.#route.signature.methodName);
    const iterator: AsyncIterator<unknown> = {
      next: async () => {
        const { done, value } = await items.next();
        return done === true
          ? { done, value }
          : { done: false, value: await this.#presentItem(context, value, schema) };
      },
      return: async () => ({ done: true, value: (await items.return?.())?.value }),
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }

  /** Limits the time of a validation outside of the handler to the endpoint's timeout. */
  #inTime(context: HttpContext, validation: PromiseLike<unknown>): PromiseLike<unknown> {
    const { timeoutMs, metrics, options } = this.#route;
    if (timeoutMs === undefined) return validation;
    return withDeadline(validation, timeoutMs, options.clock, () => {
      const error = new RequestTimeoutException(timeoutMs);
      metrics.timeouts.run++;
      context.abort(error);
      return error;
    });
  }
}

const BODY: readonly string[] = ["body"];

/** Refuses a body that is not JSON. */
const NO_BYTES = {
  accept(body: unknown): never {
    const msg = "Input should be a valid dictionary or object to extract fields from";
    const input = `<binary ${(body as Uint8Array).byteLength} bytes>`;
    throw new InputValidationError([{ type: "model_attributes_type", loc: ["body"], msg, input }]);
  },
};

/** Goes on with a value, at once unless it is a promise. */
function after(value: unknown, next: (value: unknown) => unknown): unknown {
  return isThenable(value) ? Promise.resolve(value).then(next) : next(value);
}
