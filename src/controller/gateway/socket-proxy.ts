import { request as httpRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Lease } from "../scheduler/live-runner.ts";
import { GatewayError } from "./gateway-error.ts";
import { SessionRelay, type NextRunner } from "./session-relay.ts";
import type { WaitingSocket } from "./waiting-socket.ts";

/** A request to upgrade, as a runner gets it. */
export interface UpgradeRequest {
  readonly request: IncomingMessage;
  readonly waiting: WaitingSocket;
  readonly headers: Record<string, string | string[]>;
  readonly path: string;
  readonly requestId: string;
}

/** The code with which sockets are closed when their runner is replaced: "service restart". */
const SERVICE_RESTART = 1012;

/**
 * Connects a socket with a runner. Bytes are passed on unchanged in both directions, as fast as the slower side reads.
 * Resolves when the socket is closed.
 * @param mover moves it to another runner when its own is to end; undefined: the socket is closed then
 * @throws GatewayError if the runner can't be reached
 */
export async function proxySocket(
  upgrade: UpgradeRequest,
  lease: Lease,
  mover: SocketMover | undefined,
): Promise<void> {
  const { waiting, requestId } = upgrade;
  const { socket } = waiting;
  // The runner may never answer, and the caller may leave.
  const { answer, upstream, first } = await openSocket(upgrade, lease, waiting.left);
  const head = waiting.take();
  const isUpgrade = answer.statusCode === 101;
  const lines = [`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}`];
  for (let index = 0; index < answer.rawHeaders.length; index += 2) {
    const name = answer.rawHeaders[index] as string;
    if (name.toLowerCase() === "x-fal-request-id") continue;
    // The body of a refusal is passed on as it is read, and ends with the connection.
    if (!isUpgrade && /^(?:connection|transfer-encoding|keep-alive)$/i.test(name)) continue;
    lines.push(`${name}: ${answer.rawHeaders[index + 1]}`);
  }
  lines.push(`x-fal-request-id: ${requestId}`, ...(isUpgrade ? [] : ["connection: close"]), "", "");
  socket.write(lines.join("\r\n"), "latin1");
  if (!isUpgrade || upstream === undefined) {
    answer.pipe(socket);
    await closed(socket);
    return;
  }
  // Compressed messages depend on those before.
  const isCompressed = answer.headers["sec-websocket-extensions"] !== undefined;
  if (mover === undefined || isCompressed) pipeSocket(socket, upstream, lease, head, first);
  else
    relaySession(upgrade, head, { lease, upstream, first }, answer.headers["sec-websocket-protocol"], mover);
  await closed(socket);
}

function pipeSocket(socket: Duplex, upstream: Socket, lease: Lease, head: Buffer, first: Buffer): void {
  if (first.length > 0) socket.write(first);
  if (head.length > 0) upstream.write(head);
  lease.onEvict = () => {
    socket.end(closeFrame(SERVICE_RESTART));
    upstream.end();
  };
  socket.on("error", () => upstream.destroy()).pipe(upstream);
  upstream.on("error", () => socket.destroy()).pipe(socket);
  // A half that is closed abruptly closes the other one, too.
  socket.once("close", () => upstream.destroy());
  upstream.once("close", () => socket.end());
}

/** Finds places for sockets that move. */
export interface SocketMover {
  /** A place on another runner; undefined if there is none for the socket. */
  readonly acquire: (signal: AbortSignal) => Promise<Lease | undefined>;
  /** The socket has left its place for another one. */
  readonly moved: (lease: Lease) => void;
  readonly unused: (lease: Lease) => void;
}

function relaySession(
  upgrade: UpgradeRequest,
  head: Buffer,
  { lease, upstream, first }: NextRunner,
  protocol: string | undefined,
  mover: SocketMover,
): void {
  const { socket } = upgrade.waiting;
  const watch = (each: Lease): void => {
    each.onDrain = () => relay.move();
    each.onEvict = () => {
      relay.stay();
      socket.end(closeFrame(SERVICE_RESTART));
    };
  };
  const relay = new SessionRelay(socket, upstream, {
    connect: async (signal) => {
      const next = await mover.acquire(signal);
      if (next === undefined) return undefined;
      try {
        const opened = await openSocket(upgrade, next, signal);
        const isSame =
          opened.answer.statusCode === 101 &&
          opened.answer.headers["sec-websocket-protocol"] === protocol &&
          opened.answer.headers["sec-websocket-extensions"] === undefined;
        if (opened.upstream !== undefined && isSame)
          return { lease: next, upstream: opened.upstream, first: opened.first };
        opened.answer.destroy();
        opened.upstream?.destroy();
      } catch {
        // as if there were no place
      }
      mover.unused(next);
      return undefined;
    },
    moved: (next) => {
      watch(next);
      mover.moved(next);
    },
    unused: mover.unused,
  });
  watch(lease);
  relay.begin(head, first);
  if (lease.runner.state !== "ready") relay.move();
}

function openSocket(
  { request, headers, path }: UpgradeRequest,
  lease: Lease,
  signal: AbortSignal,
): Promise<{
  readonly answer: IncomingMessage;
  readonly upstream: Socket | undefined;
  readonly first: Buffer;
}> {
  return new Promise((resolve, reject) => {
    const call = httpRequest(new URL(lease.address), {
      path,
      method: request.method,
      agent: false,
      signal,
      headers: { ...headers, connection: "Upgrade", upgrade: request.headers.upgrade },
    });
    call.once("upgrade", (answer, upstream, first) => {
      upstream.setNoDelay(true);
      // It may wait for its turn, and its runner may end meanwhile. "close" follows.
      upstream.on("error", () => {});
      resolve({ answer, upstream, first });
    });
    call.once("response", (answer) => resolve({ answer, upstream: undefined, first: Buffer.alloc(0) }));
    call.once("error", ({ message }) =>
      reject(
        signal.aborted
          ? signal.reason
          : new GatewayError("runner_connection_error", `The app's runner can't be reached (${message}).`),
      ),
    );
    call.end();
  });
}

function closed(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) return resolve();
    stream.once("close", resolve);
  });
}

/** A websocket frame of a server that closes with a code. */
function closeFrame(code: number): Buffer {
  return Buffer.from([0x88, 2, code >> 8, code & 0xff]);
}
