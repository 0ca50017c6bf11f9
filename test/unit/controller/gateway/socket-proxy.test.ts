import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { test } from "node:test";
import { proxySocket, type SocketMover } from "../../../../src/controller/gateway/socket-proxy.ts";
import { WaitingSocket } from "../../../../src/controller/gateway/waiting-socket.ts";
import type { Lease } from "../../../../src/controller/scheduler/live-runner.ts";

interface Runner extends AsyncDisposable {
  readonly lease: Lease;
  /** The connection of the gateway. */
  readonly socket: Promise<Socket>;
}

/** A runner that accepts a socket and says nothing. */
async function startRunner(): Promise<Runner> {
  const server = createServer();
  const socket = once(server, "upgrade").then((event) => {
    const accepted = event[1] as Socket;
    accepted.on("error", () => {}).on("end", () => accepted.end());
    accepted.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n");
    return accepted;
  });
  const url = await listening(server);
  // The proxy reads these fields only.
  const lease = { address: url, runner: { state: "ready" } } as Lease;
  return {
    lease,
    socket,
    async [Symbol.asyncDispose]() {
      (await socket).destroy();
      server.close();
    },
  };
}

async function listening(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Connects the next socket of a gateway with a runner. Resolves when it is closed. */
async function proxyNext(gateway: Server, lease: Lease, mover: SocketMover | undefined): Promise<void> {
  const [request, socket, head] = (await once(gateway, "upgrade")) as [IncomingMessage, Socket, Buffer];
  const waiting = new WaitingSocket(socket, head);
  await proxySocket({ request, waiting, headers: {}, path: "/", requestId: "r" }, lease, mover);
}

test("a new runner that dies before a session has moved to it harms neither the platform nor the old session", async () => {
  await using old = await startRunner();
  await using next = await startRunner();
  const gateway = createServer();
  const events = new EventEmitter();
  const url = await listening(gateway);
  const proxied = proxyNext(gateway, old.lease, {
    acquire: async () => next.lease,
    moved: () => {},
    unused: () => events.emit("unused"),
  });
  const client = connect(Number(new URL(url).port), "127.0.0.1");
  client.write("GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n");
  await once(client, "data");
  const runner = await old.socket;
  // A message of one byte, masked with zeros: it has no answer yet, so that the session waits.
  client.write(Buffer.from([0x82, 0x81, 0, 0, 0, 0, 7]));
  await once(runner, "data");
  old.lease.onDrain?.();
  const connection = await next.socket;
  const unused = once(events, "unused");
  connection.resetAndDestroy();
  await unused;
  runner.write(Buffer.from([0x82, 1, 9]));
  const [answer] = (await once(client, "data")) as [Buffer];
  assert.deepEqual([...answer], [0x82, 1, 9]);
  // The session goes on with the old runner.
  client.write(Buffer.from([0x82, 0x81, 0, 0, 0, 0, 8]));
  const [message] = (await once(runner, "data")) as [Buffer];
  assert.equal(message.at(-1), 8);
  client.destroy();
  await proxied;
  gateway.close();
});

test("a caller that leaves before the runner has answered the upgrade leaves no connection behind", async () => {
  const runner = createServer();
  const arrived = once(runner, "upgrade");
  const lease = { address: await listening(runner), runner: { state: "ready" } } as Lease; // as above
  const gateway = createServer();
  const url = await listening(gateway);
  const proxied = proxyNext(gateway, lease, undefined);
  const client = connect(Number(new URL(url).port), "127.0.0.1");
  client.write("GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n");
  const upstream = (await arrived)[1] as Socket;
  upstream
    .on("error", () => {})
    .on("end", () => upstream.end())
    .resume();
  client.destroy();
  await Promise.all([assert.rejects(proxied, /The caller left/), once(upstream, "close")]);
  gateway.close();
  runner.close();
});
