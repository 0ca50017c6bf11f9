import type { FastifyInstance } from "fastify";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Logger } from "pino";

/**
 * Logs a line for each answered request, and for each websocket once it is closed: method, path without its query (which
 * may hold secrets), status, duration, bytes, the client's address and its program. Requests that are too malformed to have
 * a path have no line.
 */
export function logAccess(server: FastifyInstance, listener: Server, log: Logger): void {
  // Before routing, since an answer may come before any hook.
  listener.prependListener("request", (request: Logged, response: ServerResponse) => {
    const line = begin(request, request.url);
    request[LINE] = line;
    response.once("close", () => {
      write(
        log,
        line,
        request,
        response.headersSent ? response.statusCode : undefined,
        response.writableFinished,
      );
    });
  });
  server.addHook("onRequest", (request, reply, done) => {
    const raw: Logged = request.raw;
    const known = raw[LINE];
    // Offers of a websocket are routed without being emitted as requests.
    const line = known ?? begin(raw, request.originalUrl);
    line.client = request.ip; // the one that a trusted proxy names
    if (known === undefined) {
      raw.socket.once("close", () => {
        const isOpened = !reply.raw.headersSent;
        write(log, line, raw, isOpened ? WEBSOCKET : reply.raw.statusCode, true);
      });
    }
    done();
  });
}

const LINE = Symbol("line of the access log");
/** The request holds its line itself: an entry of a WeakMap for each request makes every garbage collection slower. */
type Logged = IncomingMessage & { [LINE]?: Line };

interface Line {
  readonly path: string | undefined;
  readonly startedAt: number;
  /** Bytes that the connection had sent before. */
  readonly sentBefore: number;
  client: string | undefined;
}

function begin({ socket }: IncomingMessage, url = "/"): Line {
  const path = cut(url.split("?", 1)[0]);
  const { bytesWritten, remoteAddress } = socket;
  return { path, startedAt: performance.now(), sentBefore: bytesWritten, client: remoteAddress };
}

function write(
  log: Logger,
  line: Line,
  { method, headers, socket }: IncomingMessage,
  status: number | undefined,
  isComplete: boolean,
): void {
  const fields = {
    method,
    path: line.path,
    status,
    durationMs: Math.round((performance.now() - line.startedAt) * 100) / 100,
    bytes: socket.bytesWritten - line.sentBefore,
    client: line.client,
    userAgent: cut(headers["user-agent"]),
    requestId: cut(firstOf(headers["x-fal-request-id"])),
  };
  if (status === WEBSOCKET) log.info(fields, "websocket closed");
  else if (isComplete) log.info(fields, "request answered");
  else log.info({ ...fields, aborted: true }, "request aborted");
}

/** Longest text of a client in a line, in characters. */
const MAX_SHOWN = 1_000;

function cut(text: string | undefined): string | undefined {
  return text === undefined || text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}…`;
}

function firstOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** The status of an accepted websocket. */
const WEBSOCKET = 101;
