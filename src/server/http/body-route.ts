import type { FastifyReply, FastifyRequest } from "fastify";
import type { IncomingMessage } from "node:http";
import type { BodyReader, ReadBody } from "../bodies/body-reader.ts";
import { leaveUnread } from "../bodies/unread-body.ts";
import type { HttpContext } from "./http-context.ts";
import { RouteRuntime } from "./route-runtime.ts";

type Handle = (request: FastifyRequest, reply: FastifyReply) => unknown;

const BODY = Symbol("body");
/** The request holds its body itself: an entry of a WeakMap for each request makes every garbage collection slower. */
type WithBody = IncomingMessage & { [BODY]?: ReadBody };

/** A route whose body is not JSON. Frees what belongs to the body when a call is answered. */
export class BodyRoute extends RouteRuntime {
  /**
   * Creates a handler that reads and validates the body, and then calls the handler of the route.
   * @param parameters checks the request's parameters before its body is read
   */
  createHandler(
    read: BodyReader,
    handle: Handle,
    parameters?: { check(request: FastifyRequest): void } | undefined,
  ): Handle {
    return (request, reply) => {
      try {
        this.assertPreflighted(request); // before anything is stored
        parameters?.check(request);
      } catch (error) {
        return void reply.send(error);
      }
      read(request.raw, (error, body) => {
        if (body === undefined) return void reply.send(error);
        (request.raw as WithBody)[BODY] = body;
        request.body = body.input;
        void handle(request, reply);
      });
      return undefined;
    };
  }

  override bytesOf(request: IncomingMessage): number {
    return (request as WithBody)[BODY]?.bytes ?? 0;
  }

  override end(context: HttpContext, status: number): boolean {
    if (!super.end(context, status)) return false;
    (context.raw as WithBody)[BODY]?.release?.();
    return true;
  }

  override applyHeaders(context: HttpContext, request: FastifyRequest, reply: FastifyReply): void {
    super.applyHeaders(context, request, reply);
    leaveUnread(request, reply);
  }
}
