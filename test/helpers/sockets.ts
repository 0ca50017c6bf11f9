import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectSecurely, type TLSSocket } from "node:tls";

/** Opens a TCP connection to a port of this machine. */
export async function openSocket(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {}); // the tests check the received bytes and the close
  await once(socket, "connect");
  return socket;
}

/** Opens a TLS connection to a port of this machine, whose certificate must be this one. */
export async function openSecureSocket(port: number, certificate: string): Promise<TLSSocket> {
  const socket = connectSecurely({ port, host: "127.0.0.1", ca: certificate });
  await once(socket, "secureConnect");
  socket.on("error", () => {}); // as above
  return socket;
}

/** Opens a raw websocket: a connection whose upgrade the server has accepted. */
export async function upgrade(port: number, path: string): Promise<Socket> {
  const socket = await openSocket(port);
  const key = randomBytes(16).toString("base64");
  socket.write(
    `GET ${path} HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n` +
      `sec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\n\r\n`,
  );
  await once(socket, "data");
  return socket;
}

/** Sends raw bytes and returns the bytes received until the server closes, or until `isEnough`. */
export async function exchange(
  port: number,
  bytes: string | Uint8Array,
  isEnough: (text: string) => boolean = () => false,
): Promise<string> {
  return exchangeOn(await openSocket(port), bytes, isEnough);
}

/** Like {@link exchange}, on an open connection. */
export async function exchangeOn(
  socket: Socket,
  bytes: string | Uint8Array,
  isEnough: (text: string) => boolean = () => false,
): Promise<string> {
  let received = "";
  if (socket.closed) return received; // before this call: no event comes any more
  const done = new Promise<void>((resolve) => {
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
      if (isEnough(received)) resolve();
    });
    socket.once("close", () => resolve());
  });
  socket.write(bytes);
  await done;
  socket.destroy();
  return received;
}

/** One request as text. */
export function rawRequest(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body: string | Uint8Array = "",
): Buffer {
  const length = Buffer.byteLength(body);
  const lines = Object.entries({
    host: "localhost",
    connection: "close",
    "content-length": String(length),
    ...headers,
  });
  const head = [`${method} ${path} HTTP/1.1`, ...lines.map(([name, value]) => `${name}: ${value}`), "", ""];
  return Buffer.concat([Buffer.from(head.join("\r\n"), "latin1"), Buffer.from(body)]);
}

/** The status of a raw response. */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
}

/** The body of the first raw response. */
export function bodyOf(answer: string): string {
  const start = answer.indexOf("\r\n\r\n") + 4;
  const length = /^content-length: (\d+)/im.exec(answer)?.[1];
  return answer.slice(start, length === undefined ? undefined : start + Number(length));
}
