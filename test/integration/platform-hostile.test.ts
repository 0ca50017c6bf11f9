import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer, type ServerResponse } from "node:http";
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { PlatformError } from "../../src/errors.ts";
import { IsolateController } from "../../src/platform/generated/controller_pb.ts";
import { resolveCredentials } from "../../src/platform/target/credentials.ts";
import { resolveEndpoints } from "../../src/platform/target/endpoints.ts";
import { Connection } from "../../src/platform/transport/connection.ts";
import { Rest } from "../../src/platform/transport/rest.ts";
import { serverSentEvents } from "../../src/platform/transport/server-sent-events.ts";
import { ControlPlane } from "../helpers/control-plane.ts";

const { listAliases, buildEnvironment } = IsolateController.method;
const MB = 1_000_000;

/** The head of a gRPC message that declares a length in bytes. */
function prefix(bytes: number, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(bytes, 1);
  return head;
}

/** Starts a control plane that answers every call with a head and then endless bytes, and counts those that it sent. */
async function endlessPlane(head: Buffer) {
  let sent = 0;
  const server = createServer();
  const sessions = new Set<{ destroy(): void }>();
  server.on("session", (session) => sessions.add(session));
  server.on("sessionError", () => {});
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.on("error", () => {});
    stream.respond({ ":status": 200, "content-type": "application/grpc+proto" });
    stream.write(head);
    const part = Buffer.alloc(MB);
    const more = (): void => {
      while (!stream.destroyed && stream.write(part)) sent += part.length;
      sent += part.length;
    };
    stream.on("drain", more);
    more();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    environment: { FAL_HOST: `http://127.0.0.1:${port}`, FAL_KEY: "id:secret" },
    sent: () => sent,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function connectTo(environment: Record<string, string>): Connection {
  return new Connection({
    endpoint: resolveEndpoints({ environment }).grpc,
    credentials: resolveCredentials({ environment }),
    retryDelayMs: 1,
  });
}

describe("a control plane that sends too much", { timeout: 60_000 }, () => {
  for (const [name, head] of [
    ["2 GiB but for one byte", prefix(2 ** 31 - 1)],
    ["4 GiB but for one byte", prefix(2 ** 32 - 1)],
    ["2 GiB, compressed", prefix(2 ** 31 - 1, 1)],
    ["65 MiB", prefix(65 * 2 ** 20)],
  ] as const) {
    test(`a message that declares ${name} is refused by its length, and not buffered`, async () => {
      await using plane = await endlessPlane(head);
      using connection = connectTo(plane.environment);
      const failing = (error: unknown): boolean => error instanceof PlatformError;
      await assert.rejects(connection.unary(listAliases, {}), failing);
      await assert.rejects(async () => {
        for await (const _ of connection.stream(buildEnvironment, {})) assert.fail();
      }, failing);
      assert.ok(plane.sent() < 200 * MB, String(plane.sent()));
    });
  }

  test("an endless REST response is refused, and not buffered", async () => {
    let sent = 0;
    const endless = (response: ServerResponse, type: string): void => {
      response.writeHead(200, { "content-type": type });
      const part = Buffer.alloc(MB, "1");
      const more = (): void => {
        while (!response.destroyed && response.write(part)) sent += part.length;
        sent += part.length;
      };
      response.on("drain", more);
      more();
    };
    const server = createHttpServer((_request, response) => endless(response, "application/json"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const environment = { FAL_HOST: url, FAL_REST_HOST: url, FAL_KEY: "id:secret" };
    const rest = new Rest({
      endpoint: resolveEndpoints({ environment }).rest,
      credentials: resolveCredentials({ environment }),
    });
    await assert.rejects(rest.json({ method: "GET", path: "/users/current" }), /more than 64 MiB/);
    assert.ok(sent < 300 * MB, String(sent));
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test("an endless event of a stream is not buffered, whether or not in many lines", async () => {
    let sent = 0;
    async function* lines(): AsyncGenerator<Uint8Array> {
      const part = Buffer.from(`data: ${"x".repeat(1_000)}\n`.repeat(100));
      for (; ; sent += part.length) yield part;
    }
    await assert.rejects(async () => {
      for await (const _ of serverSentEvents(lines())) assert.fail();
    }, /is too long/);
    assert.ok(sent < 40 * MB);
  });
});

describe("time limits that exceed the range of timers", { timeout: 60_000 }, () => {
  const longest = [2 ** 31, 9_999_999_000, 1e15, Number.MAX_SAFE_INTEGER, Infinity];
  for (const ms of longest) {
    test(`${ms} ms does not expire immediately, for gRPC calls and for REST requests`, async () => {
      await using plane = await ControlPlane.start({
        grpc: { listAliases: () => ({}) },
        rest: { "GET /users/current": () => ({ json: { ok: true } }) },
      });
      const { environment } = plane;
      const credentials = resolveCredentials({ environment });
      const endpoints = resolveEndpoints({ environment });
      using connection = new Connection({
        endpoint: endpoints.grpc,
        credentials,
        timeoutMs: ms,
        connectTimeoutMs: ms,
        pingIntervalMs: ms,
        pingTimeoutMs: ms,
      });
      assert.ok(await connection.unary(listAliases, {}));
      assert.ok(await connection.unary(listAliases, {}, { timeoutMs: ms }));
      const rest = new Rest({ endpoint: endpoints.rest, credentials, timeoutMs: ms });
      assert.deepEqual(await rest.json({ method: "GET", path: "/users/current" }), { ok: true });
    });
  }
});
