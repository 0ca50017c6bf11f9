import type { AddressInfo } from "node:net";
import { Server as TlsServer } from "node:tls";
import type { FastifyInstance } from "fastify";
import type { BaseServable } from "../servable/base-servable.ts";
import type { ServerOptions } from "../server/definition.ts";
import { pino } from "pino";

/** A served app in the test's own process. */
export interface TestServer<A extends BaseServable> {
  readonly app: A;
  /** For example `http://127.0.0.1:49152`; `https:` if the class or an option sets a certificate. */
  readonly url: string;
  readonly port: number;
  readonly server: FastifyInstance;
  /** Posts JSON and returns the answer. Strings and bytes are sent unchanged. */
  post(path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>;
  /** Sends a request with any method and returns the answer. Redirects are not followed. */
  request(method: string, path: string, options?: TestRequestOptions): Promise<Response>;
  /** Runs teardown and frees the port. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The options of a test's request. */
export interface TestRequestOptions {
  /** Sent as JSON; strings and bytes are sent unchanged. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Runs an app's setup and serves it on a free local port. Logs nothing unless a logger is passed. */
export async function startTestServer<A extends BaseServable>(
  app: A,
  options: ServerOptions = {},
): Promise<TestServer<A>> {
  const server = app.buildServer({ logger: pino({ level: "silent" }), ...options });
  await server.listen({ host: "127.0.0.1", port: 0 });
  const { port } = server.server.address() as AddressInfo;
  const scheme = server.server instanceof TlsServer ? "https" : "http";
  const url = `${scheme}://127.0.0.1:${port}`;
  const close = async (): Promise<void> => {
    const closed = server.close();
    server.server.closeAllConnections();
    await closed;
  };
  return {
    app,
    url,
    port,
    server,
    post: (path, body, headers) =>
      fetch(url + path, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        ...(body === undefined ? {} : { body: isRaw(body) ? body : JSON.stringify(body) }),
      }),
    request: (method, path, { body, headers } = {}) =>
      fetch(url + path, {
        method,
        redirect: "manual",
        headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
        ...(body === undefined ? {} : { body: isRaw(body) ? body : JSON.stringify(body) }),
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function isRaw(body: unknown): body is string | Uint8Array<ArrayBuffer> {
  return typeof body === "string" || body instanceof Uint8Array;
}
