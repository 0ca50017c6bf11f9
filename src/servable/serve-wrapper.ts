import { endpointSignature, type EndpointOptions } from "../routes/endpoint.ts";
import type { AnyMethod, CheckEndpoint, SchemaObject } from "../routes/handler-types.ts";
import type { RouteHandler, RouteSignature } from "../routes/signature.ts";
import type { ServeDefinition } from "../server/definition.ts";
import { DESCRIBE } from "../routes/servable.ts";
import { BaseServable } from "./base-servable.ts";

/**
 * Serves one function at `POST /`, without a class around it. The function is checked against the schemas as a
 * decorated method is. The operation has the function's name, or `call` where it has none.
 *
 * @example
 * ```ts
 * const greet = ({ name }: Name): Greeting => ({ text: `Hello ${name}` });
 * await new ServeWrapper(greet, { input: Name, output: Greeting }).serve();
 * ```
 */
export class ServeWrapper<
  Handler extends AnyMethod,
  Input extends SchemaObject | undefined = undefined,
  Output extends SchemaObject | undefined = undefined,
  Stream extends boolean = false,
> extends BaseServable {
  readonly #handler: RouteHandler;
  readonly #signature: RouteSignature;

  // A rest parameter, since a servable's constructor declares none.
  constructor(
    ...[handler, options = {}]: [
      handler: Handler & CheckEndpoint<Handler, Input, Output, Stream>,
      options?: EndpointOptions<Input, Output, Stream>,
    ]
  ) {
    super();
    this.#handler = handler as unknown as RouteHandler;
    this.#signature = endpointSignature(operationName(handler), "/", options);
  }

  /** The document has the function's name for its title. */
  override [DESCRIBE](): ServeDefinition {
    return { ...super[DESCRIBE](), name: this.#signature.methodName };
  }

  override collectRoutes(): Map<RouteSignature, RouteHandler> {
    return new Map([[this.#signature, this.#handler]]);
  }
}

/** The function's own name where it has one that can be called so; a bound function's is that of what was bound. */
function operationName({ name }: { readonly name: unknown }): string {
  const plain = typeof name === "string" ? name.replace(/^(?:bound )+/, "") : "";
  return plain !== "default" && /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(plain) ? plain : "call";
}
