import { readFileSync } from "node:fs";
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server as HttpServer,
  type ServerResponse,
} from "node:http";
import {
  createServer as createHttp2Server,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from "node:http2";
import { createServer as createNetServer, type Server as NetServer, type Socket } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import type { Duplex } from "node:stream";
import { StartupError } from "../../errors.ts";

/** The handlers behind the one port. */
export interface FrontDoorHandlers {
  /** A request over HTTP/1.1. */
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** A request over HTTP/2, which is a call of gRPC. */
  readonly onCall: (request: Http2ServerRequest, response: Http2ServerResponse) => void;
  /** A connection was closed at once: there are too many, or no file descriptor is left. */
  readonly onRefused?: () => void;
}

/** A certificate with its key, in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Where the platform listens. */
export interface FrontDoorAddress {
  readonly host: string;
  readonly port: number;
}

/** The bytes with which a client of HTTP/2 begins. The first 16 differ from every request of HTTP/1.1. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").subarray(0, 16);
/** The first byte of a TLS handshake. */
const TLS_HANDSHAKE = 0x16;
/** Time for the first bytes of a connection, in milliseconds. */
const FIRST_BYTES_MS = 10_000;
/** Time for the head of a request, in milliseconds. */
const HEAD_MS = 30_000;
/** How often that time is checked, in milliseconds. */
const CHECK_MS = 5_000;
const MAX_HEAD_BYTES = 64 * 1024;
const MAX_CONNECTIONS = 20_000;
const MIN_CONNECTIONS = 16;
/** File descriptors that are not for connections of callers; of a higher limit, a tenth. */
const KEPT_DESCRIPTORS = 96;

/** One port for HTTP/1.1, HTTP/2 and, with a certificate, both over TLS: the first bytes tell which. */
export class FrontDoor {
  readonly #net: NetServer;
  readonly #http: HttpServer;
  readonly #http2: Http2Server;
  readonly #tls: TlsServer | undefined;
  readonly #sockets = new Set<Socket>();
  #isOpen = false;

  /** @param headTimeoutMs time for the head of a request, in milliseconds */
  constructor(handlers: FrontDoorHandlers, certificate?: Certificate, headTimeoutMs: number = HEAD_MS) {
    this.#http = createHttpServer({
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: headTimeoutMs,
      connectionsCheckingInterval: Math.min(headTimeoutMs, CHECK_MS),
      // Bodies of uploads and long streams have no limit of time here.
      requestTimeout: 0,
      keepAliveTimeout: 60_000,
      insecureHTTPParser: false,
    });
    this.#http.on("request", handlers.onRequest).on("upgrade", handlers.onUpgrade);
    // It gets its connections from the other server. Its checks of their times begin with this event.
    this.#http.emit("listening");
    this.#http2 = createHttp2Server({ settings: { maxConcurrentStreams: 256 } }, handlers.onCall);
    this.#http2.on("sessionError", () => {}); // the connection of one client
    // Gets its connections from the other server, too.
    this.#tls =
      certificate &&
      createTlsServer(
        { ...certificate, ALPNCallback: chooseProtocol, handshakeTimeout: FIRST_BYTES_MS },
        (socket) => {
          // Clients of gRPC may speak HTTP/2 without having agreed on it.
          if (socket.alpnProtocol === "h2") this.#http2.emit("connection", socket);
          else this.#sniff(socket, false);
        },
      ).on("tlsClientError", (_error, socket) => socket.destroy());
    this.#net = createNetServer({ pauseOnConnect: false, noDelay: true }, (socket) => this.#accept(socket));
    this.#net.maxConnections = mostConnections();
    const { onRefused = () => {} } = handlers;
    this.#net.on("drop", onRefused);
    // Without file descriptors, connections can't be accepted; those that there are continue.
    this.#net.on("error", onRefused);
  }

  /**
   * Takes the port. Connections wait until {@link open}.
   * @throws StartupError with code PORT_UNAVAILABLE
   */
  async listen({ host, port }: FrontDoorAddress): Promise<FrontDoorAddress> {
    await new Promise<void>((resolve, reject) => {
      this.#net.once("error", (error: NodeJS.ErrnoException) =>
        reject(
          new StartupError(
            "PORT_UNAVAILABLE",
            `The platform can't listen on ${host}:${port} (${error.code}): choose another --port, or stop what uses it.`,
            {
              cause: error,
            },
          ),
        ),
      );
      this.#net.listen({ host, port }, resolve);
    });
    const address = this.#net.address();
    return { host, port: typeof address === "object" && address !== null ? address.port : port };
  }

  /** Uses another certificate for connections from now on. */
  renew(certificate: Certificate): void {
    this.#tls?.setSecureContext(certificate);
  }

  /** Serves the connections that wait, and those to come. */
  open(): void {
    this.#isOpen = true;
    for (const socket of this.#sockets) this.#sniff(socket, this.#tls !== undefined);
  }

  /** Takes no new connections. */
  stopListening(): void {
    this.#net.close();
    this.#http.closeIdleConnections();
  }

  /** Ends all connections. */
  close(): void {
    this.#net.close();
    this.#http.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => {}); // "close" follows
    if (this.#isOpen) this.#sniff(socket, this.#tls !== undefined);
  }

  /** Waits for the first bytes of a connection, and gives it to the server that they are for. */
  #sniff(socket: Socket, mayBeSecure: boolean): void {
    const timer = setTimeout(() => socket.destroy(), FIRST_BYTES_MS);
    const onError = (): void => {
      socket.destroy();
    };
    let held = Buffer.alloc(0);
    const onEnd = (): void => {
      clearTimeout(timer);
      socket.destroy();
    };
    const onReadable = (): void => {
      let chunk: Buffer | null;
      while ((chunk = socket.read() as Buffer | null) !== null) held = Buffer.concat([held, chunk]);
      if (held.length === 0) return;
      const isSecure = mayBeSecure && held[0] === TLS_HANDSHAKE;
      const length = Math.min(held.length, PREFACE.length);
      const mayBeCall = held.subarray(0, length).equals(PREFACE.subarray(0, length));
      if (!isSecure && mayBeCall && length < PREFACE.length) return; // wait for more
      clearTimeout(timer);
      // Where TLS is spoken, a key never crosses a network in clear. Runners are on this machine.
      if (mayBeSecure && !isSecure && !isLoopback(socket.remoteAddress)) return void socket.destroy();
      socket.off("readable", onReadable).off("error", onError).off("end", onEnd);
      socket.unshift(held);
      if (isSecure) this.#tls?.emit("connection", socket);
      else if (mayBeCall) this.#http2.emit("connection", socket);
      else this.#http.emit("connection", socket);
    };
    socket.on("readable", onReadable).on("error", onError).on("end", onEnd);
  }
}

/** The number of connections that leave enough file descriptors for the database, files and runners. */
function mostConnections(): number {
  let text: string;
  try {
    text = readFileSync("/proc/self/limits", "utf8");
  } catch {
    return MAX_CONNECTIONS;
  }
  const [, limit] = /^Max open files +(\d+)/m.exec(text) ?? [];
  if (limit === undefined) return MAX_CONNECTIONS;
  const kept = Math.max(KEPT_DESCRIPTORS, Number(limit) / 10);
  return Math.min(MAX_CONNECTIONS, Math.max(MIN_CONNECTIONS, Math.floor(Number(limit) - kept)));
}

/** HTTP/2 is for gRPC alone, whose clients offer nothing else. Browsers and curl offer both. */
function chooseProtocol({ protocols }: { readonly protocols: readonly string[] }): string | undefined {
  return ["http/1.1", "h2"].find((protocol) => protocols.includes(protocol));
}

function isLoopback(address: string | undefined): boolean {
  return address === "::1" || /^(?:::ffff:)?127\./.test(address ?? "");
}
