import { withDeadline } from "../../dispatch/clock.ts";
import { InputValidationError, RequestTimeoutException } from "../../errors.ts";
import { isStreamOfItems, iteratorOf, type Items } from "../../items.ts";
import { isStreamEvent, StreamEvent } from "../../routes/stream-event.ts";
import type { RouteDispatch, StartInWorker } from "../dispatch/route-dispatch.ts";
import type { StandardSchemas } from "../validation/route-schemas.ts";
import type { StandardValidation } from "../validation/standard-validation.ts";
import { isThenable } from "../thenable.ts";
import type { HttpContext } from "./http-context.ts";
import type { RouteRuntime } from "./route-runtime.ts";

/**
 * Lets a route validate with schemas of other libraries. Their validation may take time: inputs are validated before the
 * handler is called, and results before they are passed on. Routes without such schemas keep their own methods.
 */
export function withStandardSchemas<Route extends RouteRuntime>(
  route: Route,
  schemas: StandardSchemas | undefined,
): Route {
  if (schemas === undefined) return route;
  const calls = new StandardCalls(route, schemas);
  route.call = (context, body) => calls.call(context, body, undefined);
  route.callIn = (start, context, body) => calls.call(context, body, start);
  route.readInput = (context, body) => calls.readInput(context, body);
  route.queue = (dispatch, context, body, bytes) => calls.queue(dispatch, context, body, bytes);
  return route;
}

/** The calls of a route with a schema of another library than TypeBox. */
class StandardCalls {
  readonly #route: RouteRuntime;
  readonly #schemas: StandardSchemas;

  constructor(route: RouteRuntime, schemas: StandardSchemas) {
    this.#route = route;
    this.#schemas = schemas;
  }

  /** See {@link RouteRuntime.call} and {@link RouteRuntime.callIn}. */
  call(context: HttpContext, body: unknown, start: StartInWorker | undefined): unknown {
    const { signature, handler } = this.#route;
    if (signature.input === undefined) {
      return this.#passOn(start?.(undefined) ?? this.#route.within(context, () => handler(context)));
    }
    return after(this.#accept(context, body), (input) => {
      if (context.abortReason !== undefined) throw context.abortReason;
      return this.#passOn(start?.(input) ?? this.#route.within(context, () => handler(input, context)));
    });
  }

  /** See {@link RouteRuntime.readInput}. */
  readInput(context: HttpContext, body: unknown): unknown {
    return this.#route.signature.input === undefined ? undefined : this.#accept(context, body);
  }

  /** See {@link RouteRuntime.queue}. */
  async queue(dispatch: RouteDispatch, context: HttpContext, body: unknown, bytes: number): Promise<unknown> {
    const hasInput = this.#route.signature.input !== undefined;
    const accepted = hasInput ? this.#accept(context, body) : undefined;
    const input = isThenable(accepted) ? await this.#inTime(context, accepted) : accepted;
    if (context.abortReason !== undefined) throw context.abortReason;
    const result = await dispatch.submit(context, input, bytes, context).answer;
    const presented = this.#present(result, this.#schemas.output);
    return isThenable(presented) ? this.#inTime(context, presented) : presented;
  }

  /** The input as its schema converts it, or a promise of it. */
  #accept(context: HttpContext, body: unknown): unknown {
    const { input: own } = this.#route;
    const { input = own } = this.#schemas;
    if (input === undefined) return body;
    // Not JSON: a schema that accepts bytes must not let it pass.
    if (input !== own && body instanceof Uint8Array) return this.#route.read(NO_BYTES, body, context);
    return this.#route.read(input, body, context);
  }

  /** Validates what a handler returned: a result, or the items of a stream when they come. */
  #passOn(returned: unknown): unknown {
    const { output, item } = this.#schemas;
    if (output === undefined && item === undefined) return returned;
    const { stream } = this.#route.signature;
    return after(returned, (result) =>
      stream === true || (stream === "optional" && isStreamOfItems(result))
        ? this.#presentItems(result, stream === true ? output : item)
        : this.#present(result, output),
    );
  }

  #present(result: unknown, schema: StandardValidation | undefined): unknown {
    return schema === undefined ? result : schema.present(result, this.#route.signature.methodName);
  }

  async #presentItem(item: unknown, schema: StandardValidation | undefined): Promise<unknown> {
    if (!isStreamEvent(item)) return this.#present(item, schema);
    const { head, data, text } = item;
    return data === undefined ? item : new StreamEvent(head, await this.#present(data, schema), text);
  }

  /** The items of a stream, each validated before it is passed on. */
  #presentItems(called: unknown, schema: StandardValidation | undefined): AsyncIterable<unknown> {
    const items: Items = iteratorOf(called, this.#route.signature.methodName);
    const iterator: AsyncIterator<unknown> = {
      next: async () => {
        const { done, value } = await items.next();
        return done === true
          ? { done, value }
          : { done: false, value: await this.#presentItem(value, schema) };
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
