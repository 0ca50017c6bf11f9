import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { ServerProcess } from "./server-process.ts";

/** The streams of one round. */
export interface Streams {
  readonly body: string;
  /** The header `accept`. */
  readonly accept: string;
  /** The number of streams that each connection reads, one after another. */
  readonly each: number;
  /** The text that every stream must have. */
  readonly expected: string;
}

/** The figures of one round of streams of one server. */
export interface StreamRound {
  readonly streamsPerSecond: number;
  /** Processor time of the server's process per stream, in microseconds. */
  readonly cpuMicros: number;
  /** The time from each request to the end of its stream, in milliseconds. */
  readonly durations: readonly number[];
}

/** The last chunk of an answer in HTTP/1.1. */
const END = Buffer.from("\r\n0\r\n\r\n");

/** Open connections to one server, each of which reads a stream to its end before it asks for the next one. */
export class StreamLoad implements Disposable {
  readonly #server: ServerProcess;
  readonly #sockets: readonly Socket[];

  private constructor(server: ServerProcess, sockets: readonly Socket[]) {
    this.#server = server;
    this.#sockets = sockets;
  }

  /** Opens `count` connections. @throws Error if the server refuses one. */
  static async open(server: ServerProcess, count: number): Promise<StreamLoad> {
    const { hostname, port } = new URL(server.url);
    const sockets: Socket[] = [];
    for (let index = 0; index < count; index++) {
      const socket = connect(Number(port), hostname).setNoDelay();
      await once(socket, "connect");
      sockets.push(socket);
    }
    return new StreamLoad(server, sockets);
  }

  /** Reads streams on all connections at once. @throws Error if one is not the expected stream. */
  async read(streams: Streams): Promise<StreamRound> {
    const before = await this.#server.usage();
    const started = performance.now();
    const durations = (await Promise.all(this.#sockets.map((socket) => readInTurn(socket, streams)))).flat();
    const milliseconds = performance.now() - started;
    const after = await this.#server.usage();
    return {
      streamsPerSecond: (durations.length / milliseconds) * 1000,
      cpuMicros: (after.cpuMicros - before.cpuMicros) / durations.length,
      durations,
    };
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Reads streams one after another. A client of Node's own would take more of the shared processor than the server. */
function readInTurn(socket: Socket, { body, accept, each, expected }: Streams): Promise<number[]> {
  const request =
    "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n" +
    `accept: ${accept}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  return new Promise((resolve, reject) => {
    const durations: number[] = [];
    let pieces: Buffer[] = [];
    let sentAt = 0;
    const send = (): void => {
      pieces = [];
      sentAt = performance.now();
      socket.write(request);
    };
    const finish = (settle: () => void): void => {
      socket.off("data", onData).off("close", onClose);
      settle();
    };
    const onClose = (): void => finish(() => reject(new Error("A connection was closed during a stream.")));
    const onData = (piece: Buffer): void => {
      pieces.push(piece);
      const answer = pieces.length === 1 ? piece : Buffer.concat(pieces.slice(-2));
      if (!answer.subarray(-END.length).equals(END)) return;
      durations.push(performance.now() - sentAt);
      const text = textOf(Buffer.concat(pieces).toString());
      if (text !== expected) return finish(() => reject(new Error(`Not the stream: ${text}`)));
      if (durations.length === each) finish(() => resolve(durations));
      else send();
    };
    socket.on("data", onData).on("close", onClose);
    send();
  });
}

/** The body of a whole answer in chunks. @throws Error if its status is not 200 */
function textOf(answer: string): string {
  if (!answer.startsWith("HTTP/1.1 200 ")) throw new Error(answer);
  let text = "";
  let at = answer.indexOf("\r\n\r\n") + 4;
  for (;;) {
    const lineEnd = answer.indexOf("\r\n", at);
    const size = Number.parseInt(answer.slice(at, lineEnd), 16);
    if (!(size > 0)) return text;
    text += answer.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}
