import { DefinitionError } from "../errors.ts";
import { assertFits, flag } from "../settings/check.ts";
import type { RequestContext } from "../context.ts";
import { resolveInputLimits, type FrameLimitOptions } from "./input-limits.ts";
import { assertKnownOptions, assertMethod } from "./decorator-checks.ts";
import { assertSocketPath } from "./path-pattern.ts";
import { recordRoute } from "./registry.ts";

/** The server's end of a websocket: the part of the `ws` package's class that handlers need. */
export interface RawWebSocket {
  /** 1 while open. */
  readonly readyState: number;
  /** Number of bytes that are queued to be sent. */
  readonly bufferedAmount: number;
  send(data: string | Uint8Array, done?: (error?: Error | null) => void): void;
  close(code?: number, reason?: string): void;
  /** Closes the connection immediately, without a close frame. */
  terminate(): void;
  ping(): void;
  on(event: "message", listener: (data: Buffer, isBinary: boolean) => void): this;
  on(event: "close", listener: (code: number, reason: Buffer) => void): this;
  on(event: "error", listener: (error: Error) => void): this;
}

/** The options of `@websocket`. */
export interface WebsocketOptions extends FrameLimitOptions {
  /** Opens the route to callers that `authenticate()` would refuse. Default false. */
  public?: boolean;
  /** Markdown for the docs. */
  description?: string;
}

/** A method that serves a raw websocket. The connection is closed when it returns. */
export type WebsocketMethod = (
  this: never,
  socket: RawWebSocket,
  ctx: RequestContext,
) => void | Promise<void>;

/**
 * Serves a method as a raw websocket. The method is called with the socket and the context for each connection.
 * `ctx.signal` aborts when the caller disconnects. The connection is closed (1000) when the returned promise settles.
 *
 * @example
 * ```ts
 * @websocket("/ws")
 * async echo(socket: RawWebSocket, ctx: RequestContext): Promise<void> {
 *   socket.on("message", (data) => socket.send(data));
 *   await once(ctx.signal, "abort");
 * }
 * ```
 * @throws DefinitionError if the path is invalid, or the method is private or static.
 */
export function websocket(path: string, options: WebsocketOptions = {}) {
  return function decorate(method: WebsocketMethod, context: ClassMethodDecoratorContext): void {
    const methodName = assertMethod("@websocket", method, context);
    assertSocketPath(methodName, path);
    assertKnownOptions("@websocket", methodName, options, ["public", "description", "maxFrameBytes"]);
    if (options.public !== undefined) {
      assertFits("public", options.public, flag, (message) => {
        throw new DefinitionError("ROUTE_OPTION_INVALID", `@websocket on ${methodName}(): ${message}`);
      });
    }
    const limits = resolveInputLimits(`@websocket on ${methodName}()`, options);
    recordRoute(context.metadata, {
      path,
      methodName,
      isWebsocket: true,
      input: undefined,
      output: undefined,
      stream: false,
      timeoutMs: undefined,
      healthCheck: undefined,
      summary: undefined,
      description: options.description,
      ...(options.public === true ? { isPublic: true } : {}),
      ...(limits === undefined ? {} : { limits }),
    });
  };
}
