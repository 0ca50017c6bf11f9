import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createSecureServer, createServer as createHttp2Server } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createSocketServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { inspect, promisify } from "node:util";
import { PlatformError } from "../../src/errors.ts";
import { Connection } from "../../src/platform/transport/connection.ts";
import { resolveCredentials } from "../../src/platform/target/credentials.ts";
import { resolveEndpoints } from "../../src/platform/target/endpoints.ts";
import { IsolateController } from "../../src/platform/generated/controller_pb.ts";
import { freePort } from "../helpers/free-port.ts";
import { Rest } from "../../src/platform/transport/rest.ts";

const folder = mkdtempSync(join(tmpdir(), "servable-tls-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const tls: { key: string; cert: string } = { key: "", cert: "" };
before(async () => {
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  await promisify(execFile)("openssl", [
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"],
    ...["-keyout", key, "-out", cert],
  ]);
  Object.assign(tls, { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") });
});

/** Keeps a server open on a port of its own while the work runs. */
async function serving(server: Server, work: (address: string) => Promise<void>): Promise<void> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket.on("error", () => {})));
  await once(server.listen(0, "127.0.0.1"), "listening");
  try {
    await work(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    for (const socket of sockets) socket.destroy();
    const closed = once(server, "close");
    server.close();
    await closed;
  }
}

/** Timeout for hosts that never respond, in ms. All others respond in their own time. */
const SILENCE_MS = 300;

/** Returns the errors of a unary and a streaming gRPC call to a host. */
async function failuresAt(host: string, connectTimeoutMs?: number): Promise<PlatformError[]> {
  const environment = { FAL_HOST: host, FAL_KEY: "the-id:the-secret" };
  using connection = new Connection({
    endpoint: resolveEndpoints({ environment }).grpc,
    credentials: resolveCredentials({ environment }),
    retryDelayMs: 1,
    connectTimeoutMs,
  });
  return [
    await failureOf(connection.unary(IsolateController.method.listAliases, {})),
    await failureOf(connection.stream(IsolateController.method.buildEnvironment, {}).next()),
  ];
}

async function restFailureAt(host: string, timeoutMs?: number): Promise<PlatformError> {
  const environment = { FAL_HOST: host, FAL_KEY: "the-id:the-secret" };
  const rest = new Rest({
    endpoint: resolveEndpoints({ environment }).rest,
    credentials: resolveCredentials({ environment }),
    timeoutMs,
  });
  return failureOf(rest.json({ method: "GET", path: "/users/current" }));
}

async function failureOf(call: Promise<unknown>): Promise<PlatformError> {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof PlatformError, inspect(error));
    return error;
  }
  throw new Error("The call did not fail.");
}

function assertClear(error: PlatformError, host: string, pattern: RegExp): void {
  assert.equal(error.code, "PLATFORM_UNREACHABLE");
  assert.match(error.message, pattern);
  assert.ok(error.message.includes(`${host} (FAL_HOST)`), error.message);
  assert.doesNotMatch(error.message, /\n/);
  assert.match(error.message, /; \w.*\.$/, "no advice");
  assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }), /the-secret/);
}

const discard = (): void => {};
const greeting = (): Server => createSocketServer((socket) => void socket.write("SSH-2.0-OpenSSH_9.2\r\n"));

describe("gRPC: a clear one-line error, without the key, for", () => {
  test("a port on which nothing listens", async () => {
    const host = `127.0.0.1:${await freePort()}`;
    for (const error of await failuresAt(`http://${host}`)) {
      assertClear(error, host, /nothing listens there; check host and port/);
    }
  });

  test("a name that does not exist", async () => {
    for (const error of await failuresAt("http://api.servable.invalid")) {
      assertClear(error, "api.servable.invalid", /the host name does not exist|name could not be looked up/);
    }
  });

  const FOREIGN: readonly (readonly [what: string, scheme: string, server: () => Server, pattern: RegExp])[] =
    [
      [
        "a server of HTTP/1",
        "http",
        () => createHttpServer((_, to) => to.end("hi")),
        /it speaks another protocol/,
      ],
      ["bytes of another protocol", "http", greeting, /it speaks another protocol/],
      ["a port that is silent", "http", () => createSocketServer(discard), /it does not answer/],
      ["a port that is silent about TLS", "https", () => createSocketServer(discard), /it does not answer/],
      [
        "a port that hangs up",
        "http",
        () => createSocketServer((socket) => socket.end()),
        /it closed the connection/,
      ],
      [
        "a port that resets",
        "http",
        () => createSocketServer((socket) => socket.resetAndDestroy()),
        /it closed the connection/,
      ],
      [
        "TLS where plaintext was said",
        "http",
        () => createHttpsServer(tls, (_, to) => to.end("hi")),
        /leave out http:\/\/|speaks another protocol/,
      ],
      [
        "plaintext where TLS was said",
        "https",
        () => createHttpServer((_, to) => to.end("hi")),
        /it does not speak TLS; write http:\/\/ before the host/,
      ],
      [
        "a certificate that nobody vouches for",
        "https",
        () => createSecureServer(tls),
        /its certificate is self-signed; .*NODE_EXTRA_CA_CERTS/,
      ],
      [
        "TLS without HTTP/2",
        "https",
        () => createHttpsServer({ ...tls, ALPNProtocols: ["http/1.1"] }),
        /it does not speak HTTP\/2/,
      ],
      [
        "a connection that is sent away for an error",
        "http",
        () =>
          createHttp2Server().on("stream", (stream) => {
            stream.on("error", discard).session?.on("error", discard).goaway(11);
          }),
        /it closed the connection/,
      ],
      [
        "HTTP/2 that is no gRPC",
        "http",
        () => createHttp2Server((_, to) => to.end("hello")),
        /gave an invalid answer to \w+ \(unsupported content type null\); check/,
      ],
      [
        "HTTP/2 that knows no such path",
        "http",
        () => createHttp2Server((_, to) => to.writeHead(404).end()),
        /does not answer like a control plane \(HTTP 404\); check host and port/,
      ],
      [
        "a stream that is closed unanswered",
        "http",
        () => createHttp2Server().on("stream", (stream) => stream.close()),
        /it closed the connection/,
      ],
      [
        "connections that are sent away at once",
        "http",
        () => createHttp2Server().on("session", (session) => session.on("error", discard).goaway()),
        /it closed the connection/,
      ],
    ];
  for (const [what, scheme, server, pattern] of FOREIGN) {
    test(what, () =>
      serving(server(), async (address) => {
        const limitMs = what.includes("silent") ? SILENCE_MS : undefined;
        const errors = await failuresAt(`${scheme}://${address}`, limitMs);
        for (const error of errors) assertClear(error, address, pattern);
      }),
    );
  }

  test("a gateway without a control plane behind it", () =>
    serving(
      createHttp2Server((_, to) => to.writeHead(503).end()),
      async (address) => {
        for (const error of await failuresAt(`http://${address}`)) {
          assert.match(error.message, /is not available \(HTTP 503\)\. Try again in a while\.$/);
          assert.deepEqual([error.code, error.status], ["PLATFORM_UNREACHABLE", "HTTP 503"]);
        }
      },
    ));
});

describe("REST: a clear one-line error, without the key, for", () => {
  test("a port on which nothing listens", async () => {
    const host = `127.0.0.1:${await freePort()}`;
    assertClear(await restFailureAt(`http://${host}`), host, /nothing listens there/);
  });

  test("a port that fetch blocks", async () => {
    const error = await restFailureAt("http://127.0.0.1:6667");
    assertClear(
      error,
      "127.0.0.1:6667",
      /its port is reserved for another protocol, .*; check the port; your own/,
    );
  });

  const FOREIGN: readonly (readonly [what: string, scheme: string, server: () => Server, pattern: RegExp])[] =
    [
      ["bytes of another protocol", "http", greeting, /it speaks another protocol/],
      [
        "a port that is silent",
        "http",
        () => createSocketServer(discard),
        /gave no answer to GET \/users\/current within 0\.3 s; /,
      ],
      [
        "a port that hangs up",
        "http",
        () => createSocketServer((socket) => socket.end()),
        /it closed the connection/,
      ],
      [
        "TLS where plaintext was said",
        "http",
        () => createHttpsServer(tls, (_, to) => to.end("hi")),
        /it closed the connection; check .*, or leave out http:\/\/ if it speaks TLS\.$/,
      ],
      [
        "plaintext where TLS was said",
        "https",
        () => createHttpServer((_, to) => to.end("hi")),
        /it does not speak TLS/,
      ],
      [
        "a certificate that nobody vouches for",
        "https",
        () => createHttpsServer(tls),
        /its certificate is self-signed/,
      ],
      [
        "a page in place of JSON",
        "http",
        () => createHttpServer((_, to) => to.end("<html>")),
        /with invalid JSON; check host and port/,
      ],
      [
        "an answer that leads elsewhere",
        "http",
        () => createHttpServer((_, to) => to.writeHead(302, { location: "http://example.com" }).end()),
        /redirects GET \/users\/current \(HTTP 302\); check its host/,
      ],
      [
        "an answer of no status that there is",
        "http",
        () => createHttpServer((_, to) => to.writeHead(999).end()),
        /does not answer like a control plane \(HTTP 999\); check host and port/,
      ],
      [
        "an answer of no form that there is",
        "http",
        () => createSocketServer((socket) => socket.end("HTTP/1.1 099 No\r\ncontent-length: 0\r\n\r\n")),
        /it speaks another protocol/,
      ],
      [
        "an answer that stops in the middle",
        "http",
        () =>
          createHttpServer((_, to) =>
            to.writeHead(200, { "content-length": 99 }).write("{", () => to.destroy()),
          ),
        /it closed the connection/,
      ],
      [
        "an answer that does not go on",
        "http",
        () => createHttpServer((_, to) => void to.writeHead(200, { "content-length": 99 }).write("{")),
        /gave no answer .* within 0\.3 s/,
      ],
    ];
  for (const [what, scheme, server, pattern] of FOREIGN) {
    test(what, () =>
      serving(server(), async (address) => {
        const limitMs = /silent|not go on/.test(what) ? SILENCE_MS : undefined;
        assertClear(await restFailureAt(`${scheme}://${address}`, limitMs), address, pattern);
      }),
    );
  }
});

test("a control plane with a trusted certificate is reached over TLS", async () => {
  const server = createSecureServer(tls, (request, response) => {
    response.writeHead(200, { "content-type": "application/grpc+proto", "grpc-status": "5" }).end();
    request.resume();
  });
  await serving(server, async (address) => {
    const port = address.replace(/.*:/, "");
    // Not closed: a connection without calls does not keep the process alive.
    const program = `
      import { Connection } from "./src/platform/transport/connection.ts";
      import { resolveTarget } from "./src/platform/target/target.ts";
      import { IsolateController } from "./src/platform/generated/controller_pb.ts";
      const { endpoints, credentials } = await resolveTarget();
      const connection = new Connection({ endpoint: endpoints.grpc, credentials });
      await connection.unary(IsolateController.method.listAliases, {}).catch(({ status }) => console.log(status));`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--import", "tsx", "--input-type=module", "--eval", program],
      {
        env: {
          ...process.env,
          FAL_HOST: `https://localhost:${port}`,
          FAL_KEY: "the-id:the-secret",
          NODE_EXTRA_CA_CERTS: join(folder, "cert.pem"),
        },
      },
    );
    assert.equal(stdout.trim(), "NOT_FOUND");
  });
});
