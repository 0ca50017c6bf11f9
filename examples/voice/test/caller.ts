import { on, once } from "node:events";
import { decode, encode } from "@msgpack/msgpack";
import { WebSocket } from "ws";

/** What the app sent: a result, or a control message. */
export type Message = Readonly<Record<string, unknown>>;

/** A client's end of a realtime session. */
export class Caller {
  /** The code of the close frame that ended the session. */
  readonly closed: Promise<number>;
  readonly #socket: WebSocket;
  readonly #messages: AsyncIterator<[data: Buffer, isBinary: boolean]>;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.closed = once(socket, "close").then(([code]: unknown[]) => Number(code));
    this.#messages = on(socket, "message", { close: ["close"] }) as AsyncIterator<[Buffer, boolean]>;
  }

  static async open(url: string): Promise<Caller> {
    const socket = new WebSocket(url);
    const caller = new Caller(socket);
    await once(socket, "open");
    return caller;
  }

  send(message: unknown): void {
    this.#socket.send(encode(message));
  }

  /** The next message; undefined once the connection is closed. */
  async next(): Promise<Message | undefined> {
    const { value, done } = await this.#messages.next();
    if (done === true) return undefined;
    const [data, isBinary] = value;
    return (isBinary ? decode(data) : JSON.parse(data.toString())) as Message;
  }

  /** The messages up to the close frame. */
  async rest(): Promise<Message[]> {
    const messages: Message[] = [];
    for (let next = await this.next(); next !== undefined; next = await this.next()) messages.push(next);
    return messages;
  }

  /** Sends a close frame and waits for its answer. */
  async close(): Promise<number> {
    this.#socket.close(1000);
    return this.closed;
  }

  /** Sends a close frame; what still comes in can be read. */
  endInputs(): void {
    this.#socket.close(1000);
  }

  /** Leaves without a word. */
  vanish(): void {
    this.#socket.terminate();
  }
}
