import { once } from "node:events";
import { WebSocket } from "ws";
import type { Round } from "./load.ts";
import type { ServerProcess } from "./server-process.ts";

/** Open sockets to one server, each of which sends a frame repeatedly and counts the responses. */
export class SocketLoad implements Disposable {
  readonly #server: ServerProcess;
  readonly #sockets: readonly WebSocket[];

  private constructor(server: ServerProcess, sockets: readonly WebSocket[]) {
    this.#server = server;
    this.#sockets = sockets;
  }

  /** Opens `count` sockets. @throws Error if the server refuses one. */
  static async open(server: ServerProcess, count: number): Promise<SocketLoad> {
    const sockets: WebSocket[] = [];
    for (let index = 0; index < count; index++) {
      const socket = new WebSocket(server.url, { perMessageDeflate: false });
      await once(socket, "open");
      sockets.push(socket);
    }
    return new SocketLoad(server, sockets);
  }

  /**
   * Sends a frame a number of times, distributed over the sockets, and waits for all responses.
   * @param window the number of messages in flight on each socket
   * @throws Error if a response is not the frame itself.
   */
  async send(frame: Uint8Array, messages: number, window: number): Promise<Round> {
    const before = await this.#server.usage();
    const started = performance.now();
    const share = Math.ceil(messages / this.#sockets.length);
    const latencies = (
      await Promise.all(this.#sockets.map((socket) => exchange(socket, frame, share, window)))
    ).flat();
    const milliseconds = performance.now() - started;
    const after = await this.#server.usage();
    return {
      requestsPerSecond: (latencies.length / milliseconds) * 1000,
      cpuMicros: (after.cpuMicros - before.cpuMicros) / latencies.length,
      latencies,
    };
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.terminate();
  }
}

/** Keeps the window full until all messages are answered. Responses arrive in order, so the next one belongs to the oldest time. */
function exchange(socket: WebSocket, frame: Uint8Array, messages: number, window: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const sentAt: number[] = [];
    const latencies: number[] = [];
    const send = (): void => {
      sentAt.push(performance.now());
      socket.send(frame);
    };
    const finish = (settle: () => void): void => {
      socket.off("message", onMessage).off("close", onClose);
      settle();
    };
    const onClose = (code: number): void => {
      finish(() => reject(new Error(`A socket was closed with ${code} while answers were due.`)));
    };
    const onMessage = (data: Buffer): void => {
      if (Buffer.compare(data, frame) !== 0) {
        return finish(() => reject(new Error(`Not an echo: ${data.toString("hex")}`)));
      }
      latencies.push(performance.now() - (sentAt[latencies.length] as number));
      if (latencies.length === messages) finish(() => resolve(latencies));
      else if (sentAt.length < messages) send();
    };
    socket.on("message", onMessage).on("close", onClose);
    for (let sent = 0; sent < Math.min(window, messages); sent++) send();
  });
}
