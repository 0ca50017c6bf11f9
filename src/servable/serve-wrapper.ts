import { endpointSignature, type EndpointOptions } from "../routes/endpoint.ts";
import type { AnyMethod, CheckEndpoint, SchemaObject } from "../routes/handler-types.ts";
import type { RouteHandler, RouteSignature } from "../routes/signature.ts";
import type { ServeDefinition } from "../server/definition.ts";
import { DESCRIBE } from "../routes/servable.ts";
import { BaseServable } from "./base-servable.ts";

/**
 * Serves one function at `POST /`, without a class around it. The compiler checks the function against the schemas,
 * like a decorated method. The operation is named after the function, or `call` if the function has no name.
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

  // A rest parameter, because the base class rejects constructors that declare parameters.
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

  /** The title of the document is the function's name. */
  override [DESCRIBE](): ServeDefinition {
    return { ...super[DESCRIBE](), name: this.#signature.methodName };
  }

  override collectRoutes(): Map<RouteSignature, RouteHandler> {
    return new Map([[this.#signature, this.#handler]]);
  }
}

/**
 * The function's name, without the prefix of a bound function; `call` if the name is empty or not a valid identifier.
 */
function operationName({ name }: { readonly name: unknown }): string {
  const plain = typeof name === "string" ? name.replace(/^(?:bound )+/, "") : "";
  return plain !== "default" && /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(plain) ? plain : "call";
}
