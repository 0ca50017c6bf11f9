import { connect, type Socket } from "node:net";
import { parseResponse, type Response } from "./response-parser.ts";

/** Receives the response to a request; undefined if its connection was lost. */
export type OnAnswer = (request: number, response: Response | undefined) => void;

/** The maximum number of connections: further requests are lost, as with a client that has no sockets left. */
const MOST_CONNECTIONS = 12_000;

/**
 * Keep-alive connections to one server, each with at most one request in flight. `node:http` would take as long for a
 * request as the server does. Requests and responses are ASCII.
 */
export class Connections {
  readonly #host: string;
  readonly #port: number;
  readonly #onAnswer: OnAnswer;
  readonly #idle: Connection[] = [];
  readonly #all = new Set<Connection>();

  constructor(url: string, onAnswer: OnAnswer) {
    const { hostname, port } = new URL(url);
    this.#host = hostname;
    this.#port = Number(port);
    this.#onAnswer = onAnswer;
  }

  /** Opens connections in advance, so that the measurement does not include it. */
  async open(count: number): Promise<void> {
    const opened = Array.from({ length: count - this.#all.size }, () => this.#connect());
    await Promise.all(opened.map(({ ready }) => ready));
    this.#idle.push(...opened);
  }

  /** Sends a request with a JSON body on the connection used last, or a new one. */
  send(request: number, body: string): void {
    let connection = this.#idle.pop();
    if (connection === undefined) {
      if (this.#all.size >= MOST_CONNECTIONS) return;
      connection = this.#connect();
    }
    connection.send(
      request,
      `POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
  }

  /** Closes all connections without calling back. */
  close(): void {
    for (const connection of this.#all) connection.destroy();
    this.#all.clear();
  }

  #connect(): Connection {
    const connection = new Connection(connect({ host: this.#host, port: this.#port, noDelay: true }), {
      answered: (request, response) => {
        if (response.closes) this.#all.delete(connection);
        else this.#idle.push(connection);
        this.#onAnswer(request, response);
      },
      lost: (request) => {
        if (!this.#all.delete(connection)) return;
        const index = this.#idle.indexOf(connection);
        if (index !== -1) this.#idle.splice(index, 1);
        if (request !== undefined) this.#onAnswer(request, undefined);
      },
    });
    this.#all.add(connection);
    return connection;
  }
}

interface Events {
  answered(request: number, response: Response): void;
  lost(request: number | undefined): void;
}

class Connection {
  readonly ready: Promise<void>;
  readonly #socket: Socket;
  #request: number | undefined;
  #received = "";

  constructor(socket: Socket, events: Events) {
    this.#socket = socket;
    this.ready = new Promise((resolve, reject) => {
      socket.once("connect", resolve);
      socket.on("error", reject); // "close" follows
    });
    this.ready.catch(() => undefined);
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.#received += text;
      const response = parseResponse(this.#received);
      if (response === undefined || this.#request === undefined) return;
      const request = this.#request;
      this.#request = undefined;
      this.#received = "";
      events.answered(request, response);
    });
    socket.on("close", () => events.lost(this.#request));
  }

  send(request: number, text: string): void {
    this.#request = request;
    this.#socket.write(text, "latin1");
  }

  destroy(): void {
    this.#request = undefined;
    this.#socket.destroy();
  }
}
