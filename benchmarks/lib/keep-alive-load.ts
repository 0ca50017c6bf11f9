import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A request that is sent again and again. */
export interface RepeatedRequest {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body: string;
}

/** The figures of a round. */
export interface KeepAliveRound {
  readonly requestsPerSecond: number;
  /** In milliseconds. */
  readonly latencies: readonly number[];
}

/**
 * Connections that each send a request as soon as the answer to the one before is there. It takes far less of the
 * processor than a client of Node's own, so that one core is enough for it and a server.
 */
export class KeepAliveLoad implements Disposable {
  readonly #host: string;
  readonly #sockets: readonly Socket[];

  private constructor(host: string, sockets: readonly Socket[]) {
    this.#host = host;
    this.#sockets = sockets;
  }

  /** Opens `count` connections to the server at a URL. */
  static async open(url: string, count: number): Promise<KeepAliveLoad> {
    const { hostname, port, host } = new URL(url);
    const sockets: Socket[] = [];
    for (let index = 0; index < count; index++) {
      const socket = connect(Number(port), hostname).setNoDelay();
      await once(socket, "connect");
      sockets.push(socket);
    }
    return new KeepAliveLoad(host, sockets);
  }

  /** Sends `requests` requests over all connections. @throws Error if an answer is not 200 */
  async send(request: RepeatedRequest, requests: number): Promise<KeepAliveRound> {
    const { path, headers = {}, body } = request;
    const lines = Object.entries({
      host: this.#host,
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(body)),
      ...headers,
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    const bytes = Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
    const each = Math.ceil(requests / this.#sockets.length);
    const started = performance.now();
    const latencies = (await Promise.all(this.#sockets.map((socket) => repeat(socket, bytes, each)))).flat();
    return {
      requestsPerSecond: (latencies.length / (performance.now() - started)) * 1_000,
      latencies,
    };
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

function repeat(socket: Socket, request: Buffer, times: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const latencies: number[] = [];
    let held: Buffer | undefined;
    let sentAt = 0;
    const send = (): void => {
      sentAt = performance.now();
      socket.write(request);
    };
    const finish = (settle: () => void): void => {
      socket.off("data", onData).off("close", onClose);
      settle();
    };
    const onClose = (): void => finish(() => reject(new Error("A connection was closed during a round.")));
    const onData = (piece: Buffer): void => {
      const answer = held === undefined ? piece : Buffer.concat([held, piece]);
      const length = lengthOf(answer);
      held = length === undefined || answer.length < length ? answer : undefined;
      if (held !== undefined) return;
      if (answer.toString("latin1", 9, 12) !== "200") {
        return finish(() => reject(new Error(`Not the answer: ${answer.toString()}`)));
      }
      latencies.push(performance.now() - sentAt);
      if (latencies.length === times) finish(() => resolve(latencies));
      else send();
    };
    socket.on("data", onData).on("close", onClose);
    send();
  });
}

/** The length of an answer with its head; undefined if the head is not complete. @throws Error without a length */
function lengthOf(answer: Buffer): number | undefined {
  const end = answer.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [, length] = /content-length: (\d+)/i.exec(answer.toString("latin1", 0, end)) ?? [];
  if (length === undefined) throw new Error(`An answer without a length: ${answer.toString()}`);
  return end + 4 + Number(length);
}
