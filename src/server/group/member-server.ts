import { Server, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { ConnectionEvent } from "../connections/connections.ts";

/** The server that has the port. */
export interface Port {
  readonly server: Server;
  /** The event with which it announces its connections. */
  readonly event: ConnectionEvent;
  /** Resolves when it is closed. */
  readonly closed: Promise<void>;
}

/**
 * The server of one of several classes on a port: a substitute for the server that has the port. It listens and closes
 * together with that one, and gets the requests and upgrades of its class.
 */
export class MemberServer extends Server {
  readonly #port: Server;
  readonly #closed: Promise<void>;
  #onClosing!: () => void;
  /** Resolves when this server no longer needs the port to be open. */
  readonly closing: Promise<void> = new Promise((resolve) => (this.#onClosing = resolve));

  constructor({ server: port, event, closed }: Port, handle: RequestListener) {
    super(handle);
    this.#port = port;
    this.#closed = closed;
    // It never gets a connection of its own. The connection of a declined upgrade continues on the server with the port,
    // because its next request may be for another class.
    this.removeAllListeners("connection");
    this.on("connection", (socket) => port.emit(event, socket));
    this.removeAllListeners("listening"); // the timers of Node's own connections
    Object.defineProperty(this, "listening", { get: () => port.listening });
    this.maxHeadersCount = port.maxHeadersCount;
  }

  /** Nothing to do: the server with the port listens. */
  override listen(): this {
    return this;
  }

  override address(): AddressInfo | string | null {
    return this.#port.address();
  }

  override close(onClosed?: (error?: Error) => void): this {
    this.#onClosing();
    void this.#closed.then(() => onClosed?.());
    return this;
  }

  /** Nothing to do: the server with the port closes them. */
  override closeIdleConnections(): void {}
}
