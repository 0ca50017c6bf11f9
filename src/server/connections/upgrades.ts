import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import { answerInProgress, type ConnectionEvent } from "./connections.ts";
import { closingAnswer } from "./closing-answer.ts";
import { markWebsocket } from "./websocket-marks.ts";
import { withoutRootPath } from "../http/root-path.ts";

/** Turns a connection into a websocket, or answers with the reason why not. */
export type TakeUpgrade = (request: IncomingMessage, socket: Socket, head: Buffer) => void;

/**
 * Owns every connection whose client offers a protocol upgrade. Node hands over such a connection after the head of the
 * request and stops reading HTTP on it. Offers of a websocket on a websocket route are accepted. All others are
 * ignored, as HTTP demands: the request is read again without its offer, together with its body and the requests that
 * follow.
 */
export class Upgrades {
  readonly #server: Server;
  readonly #rootPath: string;
  readonly #event: ConnectionEvent;
  readonly #paths = new Set<string>();
  #take: TakeUpgrade | undefined;
  #keepsOwn = false;

  constructor(server: Server, rootPath: string, event: ConnectionEvent) {
    this.#server = server;
    this.#event = event;
    this.#rootPath = rootPath;
    server.on("upgrade", this.#onUpgrade);
    // Not before: the listener that the framework's own plugin adds while it is mounted is removed again.
    server.prependOnceListener("listening", () => {
      if (server.listenerCount("upgrade") > 1) this.#keepOwn();
      server.on("newListener", (name) => {
        if (name === "upgrade") this.#keepOwn();
      });
    });
  }

  /** Passes websocket offers on these paths to `take`. */
  serve(paths: Iterable<string>, take: TakeUpgrade): void {
    for (const path of paths) this.#paths.add(path);
    this.#take = take;
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Socket, head: Buffer): void => {
    // A listener that the app or a plugin of it added to the server handles the remaining offers.
    if (this.#server.listenerCount("upgrade") > 1 && !this.#isOwn(request)) return;
    // Node has removed its own listener. This one stays, because an error may be emitted before the connection's next
    // owner listens.
    if (!socket.listeners("error").includes(destroy)) socket.on("error", destroy);
    const earlier = answerInProgress(socket);
    if (earlier !== undefined) {
      // Requests on one connection are answered in order, and the answer to the previous one is not sent yet.
      const next = (): void => {
        earlier.removeListener("finish", next);
        earlier.removeListener("close", next);
        if (!socket.destroyed && socket.writable) this.#onUpgrade(request, socket, head);
      };
      earlier.on("finish", next).on("close", next);
      return;
    }
    if (this.#take === undefined || !this.#isWanted(request)) this.#readAgain(request, socket, head);
    else this.#accept(this.#take, request, socket, head);
  };

  /** Keeps this server's offers from other listeners: that of `@fastify/websocket`, for one, answers every offer. */
  #keepOwn(): void {
    if (this.#keepsOwn) return;
    this.#keepsOwn = true;
    const server = this.#server;
    const onUpgrade = this.#onUpgrade;
    const isOwn = (request: IncomingMessage): boolean => this.#isOwn(request);
    const { emit } = server;
    Reflect.set(server, "emit", function (this: Server, ...args: [event: string, ...unknown[]]): boolean {
      const [event, request, socket, head] = args;
      if (event !== "upgrade" || !isOwn(request as IncomingMessage)) {
        const hadListeners: boolean = Reflect.apply(emit, this, args);
        if (event === "upgrade") closeIfRefused(socket as Socket);
        return hadListeners;
      }
      onUpgrade(request as IncomingMessage, socket as Socket, head as Buffer);
      return true;
    });
  }

  /** Whether an offer is accepted, or ignored in any case: clients offer HTTP/2 with requests for any path. */
  #isOwn(request: IncomingMessage): boolean {
    const protocols = tokensOf(request.headers.upgrade);
    return this.#isWanted(request) || (protocols.includes("h2c") && !protocols.includes("websocket"));
  }

  #accept(take: TakeUpgrade, request: IncomingMessage, socket: Socket, head: Buffer): void {
    markWebsocket(socket);
    request.headers.upgrade = "websocket"; // the accepted one of a list
    take(request, socket, head);
    closeIfRefused(socket);
  }

  #isWanted(request: IncomingMessage): boolean {
    return isWebsocketOffer(request) && this.#paths.has(pathOf(request.url ?? "/", this.#rootPath));
  }

  /** Hands the connection back to the server as if it were new and the request had offered nothing. */
  #readAgain(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const most = this.#server.maxHeadersCount ?? DEFAULT_MAX_HEADERS;
    // Node drops headers beyond this number, among them perhaps the length of the body.
    if (most > 0 && request.rawHeaders.length >= 2 * most) return refuse(socket, 431);
    socket.setTimeout(0); // the timeout between two requests
    socket.unshift(Buffer.concat([headWithoutOffer(request), head]));
    this.#server.emit(this.#event, socket);
  }
}

/** Node's default. */
const DEFAULT_MAX_HEADERS = 1000;

/** Closes a connection after the answer that refuses its upgrade, because nothing reads HTTP on it any more. */
function closeIfRefused(socket: Socket): void {
  answerInProgress(socket)?.once("finish", () => socket.destroySoon());
}

const KEY = /^[+/0-9A-Za-z]{22}==$/;
const TOKENS = /^[\w!#$%&'*+.^`|~-]+(?:[ \t]*,[ \t]*[\w!#$%&'*+.^`|~-]+)*$/;

/** Whether a request offers a websocket as RFC 6455 demands. */
function isWebsocketOffer({ method, httpVersion, headers }: IncomingMessage): boolean {
  const version = headers["sec-websocket-version"];
  const protocols = headers["sec-websocket-protocol"];
  return (
    method === "GET" &&
    httpVersion === "1.1" &&
    headers.host !== undefined &&
    headers["transfer-encoding"] === undefined &&
    (headers["content-length"] === undefined || Number(headers["content-length"]) === 0) &&
    tokensOf(headers.upgrade).includes("websocket") &&
    KEY.test(headers["sec-websocket-key"] ?? "") &&
    (version === "13" || version === "8") &&
    (protocols === undefined || (TOKENS.test(protocols) && isWithoutTwice(protocols)))
  );
}

function isWithoutTwice(list: string): boolean {
  const names = list.split(",").map((name) => name.trim());
  return new Set(names).size === names.length;
}

function tokensOf(list: string | undefined): string[] {
  return (list ?? "").split(",").map((token) => token.trim().toLowerCase());
}

/** The path of a request as the router reads it. */
function pathOf(url: string, rootPath: string): string {
  const relative = url.startsWith("/") ? url : url.replace(/^https?:\/\/[^/]*/, "");
  const path = withoutRootPath(relative, rootPath).split(/[?#]/, 1)[0] ?? "";
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}

/** The head of a request, byte for byte except for the offer. */
function headWithoutOffer({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    let value = rawHeaders[index + 1] ?? "";
    const known = name.toLowerCase();
    if (known === "upgrade" || known === "http2-settings") continue;
    if (known === "connection") {
      const kept = value.split(",").filter((token) => !OFFERING.has(token.trim().toLowerCase()));
      if (kept.length === 0) continue;
      value = kept.join(",").trim();
    }
    lines.push(`${name}: ${value}`);
  }
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}

const OFFERING: ReadonlySet<string> = new Set(["upgrade", "http2-settings"]);

function refuse(socket: Socket, status: number): void {
  socket.end(closingAnswer(status));
  socket.once("finish", () => socket.destroy());
}

function destroy(this: Socket): void {
  this.destroy();
}
