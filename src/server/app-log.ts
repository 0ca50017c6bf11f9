import { randomUUID } from "node:crypto";
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";

/** The header with the request's id, which is also in the context of an endpoint's method. */
const REQUEST_ID = "x-fal-request-id";

/** Fastify's options by which a request's id is the same in `request.id`, `request.log` and `ctx.requestId`. */
export const REQUEST_IDS = { requestIdHeader: REQUEST_ID, genReqId: () => randomUUID() as string } as const;

/** The loggers of code that the app adds to the server. */
export interface AppLog {
  /** `server.log` */
  readonly server: FastifyBaseLogger;
  /** Creates `request.log`. */
  readonly forRequest: (
    logger: FastifyBaseLogger,
    bindings: { readonly reqId?: unknown },
    options: object,
  ) => FastifyBaseLogger;
}

/** Creates loggers that write to the server's own logger. */
export function createAppLog(log: Logger): AppLog {
  const serializers = { req: describeRequest, res: describeReply };
  const base = log.child({}, { serializers });
  const server = log.child({}, { serializers });
  // Fastify logs its address with every socket; serve() has its own line.
  server.info = ((...args: Parameters<Logger["info"]>) => {
    if (!String(args[0]).startsWith("Server listening at ")) base.info(...args);
  }) as Logger["info"];
  return {
    server,
    forRequest: (_logger, { reqId }, options) => base.child({ requestId: reqId }, options),
  };
}

function describeRequest(request: FastifyRequest): object {
  const { method, url, host, ip } = request;
  return { method, url, host, remoteAddress: ip };
}

function describeReply({ statusCode }: FastifyReply): object {
  return { statusCode };
}
