import { channel } from "node:diagnostics_channel";
import { STATUS_CODES, type IncomingMessage, type Server } from "node:http";
import type { Socket } from "node:net";
import type { Refusal } from "../../dispatch/refusal.ts";
import type { Access } from "../access/access.ts";
import { answerInProgress } from "../connections/connections.ts";
import { readSimpleHead, targetOf, type SimpleHead } from "../connections/request-head.ts";
import type { AnswerHeaders } from "../http/answer-headers.ts";
import type { ServerState } from "../lifecycle/server-state.ts";
import type { RouteMetrics } from "../metrics/metrics.ts";
import type { CrowdedTurns } from "./crowded-turns.ts";
import { RefusalAnswers, type RefusalAnswer } from "./refusal-answers.ts";
import type { RouteDispatch } from "./route-dispatch.ts";

/** The longest head that is read here, in bytes. */
const MAX_HEAD = 4096;
/** The number of heads that are remembered: clients repeat theirs. */
const MAX_HEADS = 256;
const HEAD_END = Buffer.from("\r\n\r\n");

/** A route with a queue. */
interface QuickRoute {
  readonly dispatch: RouteDispatch;
  readonly metrics: RouteMetrics;
  /** Whether the queue counts the bodies' bytes. */
  readonly isInMemory: boolean;
}

/** A request that may be refused here. */
interface KnownHead extends SimpleHead {
  /** The method and the path. */
  readonly target: string;
  /** The whole head. */
  readonly bytes: Buffer;
  readonly route: QuickRoute;
  /** Its last refusal. */
  last: LastRefusal | undefined;
}

/** A refusal, which holds for the next requests with the same head. */
interface LastRefusal {
  readonly refusal: Refusal;
  readonly status: number;
  readonly text: string;
  /** When it was decided, and the state of the queue. */
  readonly at: number;
  readonly changes: number;
  /** How long the request may have waited: a later one that has waited longer is refused as well. */
  readonly unreadMs: number;
}

/** The longest time for which a refusal holds, in milliseconds. */
const HOLDS_MS = 0.5;

/**
 * Refuses requests before they are parsed, on connections on which a request was refused before. An answer by way of
 * Node's parser and Fastify costs nearly as much as one that does work, and under overload most answers are refusals.
 *
 * Only whole requests with a simple head to the exact path of a route are refused here, on a connection that is between
 * two requests. All others, and all that are accepted, are left to Node's parser. The answer is the same, byte for byte.
 */
export class QuickRefusals {
  readonly #server: Server;
  readonly #access: Access;
  readonly #headers: AnswerHeaders;
  readonly #state: ServerState;
  readonly #turns: CrowdedTurns;
  readonly #routes = new Map<string, QuickRoute>();
  readonly #heads = new Map<string, KnownHead>();
  readonly #answers = new RefusalAnswers();
  /** The last answer to a request without an origin, and its text. */
  #last: { readonly answer: RefusalAnswer; readonly second: number; readonly text: string } | undefined;

  constructor(parts: {
    readonly server: Server;
    readonly access: Access;
    readonly headers: AnswerHeaders;
    readonly state: ServerState;
    readonly turns: CrowdedTurns;
  }) {
    this.#server = parts.server;
    this.#access = parts.access;
    this.#headers = parts.headers;
    this.#state = parts.state;
    this.#turns = parts.turns;
  }

  /** Adds a route. @param target its method and path, as clients send them */
  add(target: string, route: QuickRoute): void {
    this.#routes.set(target, route);
  }

  /** Reads the connection of a request that was just refused, from the next request on. @param url as it was sent */
  follow(request: IncomingMessage, url: string): void {
    const socket: Followed = request.socket;
    const state = socket[STATE];
    if (state !== undefined) {
      if (state.passed !== undefined && isThis(request, url, state.passed)) state.parsed = request;
      return this.#turns.refused(socket, true);
    }
    if (this.#routes.size === 0 || !this.#canSkipNode) return;
    socket[STATE] = { isBetween: false, passed: undefined, parsed: undefined, head: undefined };
    setImmediate(() => this.#read(socket)); // not while Node's parser runs
  }

  /** Whether nobody expects to see every request. */
  get #canSkipNode(): boolean {
    const { maxRequestsPerSocket } = this.#server;
    return (
      (maxRequestsPerSocket === null || maxRequestsPerSocket === 0) &&
      this.#server.listenerCount("request") === 1 &&
      !STARTED.hasSubscribers &&
      !this.#state.hasRequestHooks &&
      this.#state.tracing === undefined
    );
  }

  #read(socket: Followed): void {
    const { parser, [STATE]: state } = socket;
    const [toNode, ...others] = socket.listeners("data") as ((chunk: Buffer) => void)[];
    const isKnown = parser !== undefined && parser !== null && state !== undefined;
    if (!isKnown || toNode === undefined || others.length > 0 || socket.destroyed) return;
    const onData = (chunk: Buffer): void => {
      if (socket.parser === parser && !this.#takes(socket, state, chunk)) {
        toNode.call(socket, chunk);
        // Node has read this request, and nothing else: the next chunk begins with a request.
        state.isBetween = state.passed !== undefined && (state.isBetween || state.parsed?.complete === true);
      }
      // An upgrade has taken the connection over.
      if (socket.parser !== parser) socket.off("data", onData);
    };
    socket.on("data", onData); // from now on Node's parser does not read the connection itself
    socket.off("data", toNode);
  }

  /** Refuses the request in a chunk. False if Node must read the chunk. */
  #takes(socket: Socket, state: ConnectionState, chunk: Buffer): boolean {
    state.parsed = undefined;
    const head = this.#headOf(state, chunk);
    const isWhole = head !== undefined && head.bytes.length + head.bodyBytes === chunk.length;
    state.passed = isWhole ? head : undefined;
    if (!isWhole || !state.isBetween || !this.#access.repeats(head.host, head.origin)) return false;
    if (answerInProgress(socket) !== undefined || !socket.writable || socket.writableLength > 0) return false;
    const refused = this.#refusal(socket, head);
    if (refused === undefined) return false;
    head.route.metrics.record(refused.status, 0);
    socket.write(refused.text, "latin1");
    this.#turns.refused(socket);
    return true;
  }

  #refusal(socket: Socket, head: KnownHead): LastRefusal | undefined {
    const { last, route } = head;
    const { dispatch } = route;
    const { now, changes } = dispatch;
    const unreadMs = this.#turns.unreadMs(socket);
    if (
      last !== undefined &&
      now - last.at < HOLDS_MS &&
      changes === last.changes &&
      unreadMs >= last.unreadMs
    ) {
      dispatch.rejectAgain(last.refusal, now);
      return last;
    }
    if (this.#state.stopping || !this.#canSkipNode) return undefined;
    const bytes = route.isInMemory ? head.bodyBytes : 0;
    const refusal = dispatch.rejectEarly({ headers: head.limits, bytes, unreadMs });
    if (refusal === undefined) return undefined;
    const answer = this.#answers.for(refusal);
    const text = this.#textOf(answer, head.origin);
    return (head.last = { refusal, status: answer.status, text, at: now, changes, unreadMs });
  }

  /** The head at the start of a chunk, if a request with this head may be refused here. */
  #headOf(state: ConnectionState, chunk: Buffer): KnownHead | undefined {
    const { head: last } = state;
    if (last !== undefined && startsWith(chunk, last.bytes)) return last;
    const end = chunk.indexOf(HEAD_END) + HEAD_END.length;
    if (end < HEAD_END.length || end > MAX_HEAD) return undefined;
    const text = chunk.toString("latin1", 0, end);
    const known = this.#heads.get(text);
    if (known !== undefined) return (state.head = known);
    const route = this.#routes.get(targetOf(text) ?? "");
    const head = route === undefined ? undefined : readSimpleHead(text);
    if (route === undefined || head === undefined) return undefined;
    if (this.#heads.size >= MAX_HEADS) this.#heads.clear();
    const read = {
      ...head,
      target: targetOf(text) ?? "",
      bytes: Buffer.from(text, "latin1"),
      route,
      last: undefined,
    };
    this.#heads.set(text, read);
    return (state.head = read);
  }

  /** The whole answer, as Node would write it. */
  #textOf(answer: RefusalAnswer, origin: string | undefined): string {
    const second = Math.floor(Date.now() / 1000);
    const last = this.#last;
    if (origin === undefined && last?.answer === answer && last.second === second) return last.text;
    const { status, payload } = answer;
    const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`];
    const own = origin === undefined ? {} : this.#headers.for(origin);
    for (const [name, value] of Object.entries({ ...own, ...answer.headers }))
      lines.push(`${name}: ${value}`);
    lines.push("content-type: application/json; charset=utf-8", `content-length: ${payload.length}`);
    lines.push(`Date: ${new Date(second * 1000).toUTCString()}`, "Connection: keep-alive");
    const keepAliveSeconds = Math.floor(this.#server.keepAliveTimeout / 1000);
    if (this.#server.keepAliveTimeout > 0) lines.push(`Keep-Alive: timeout=${keepAliveSeconds}`);
    const text = `${lines.join("\r\n")}\r\n\r\n${payload}`;
    if (origin === undefined) this.#last = { answer, second, text };
    return text;
  }
}

/** Node tells its subscribers about every request. */
const STARTED = channel("http.server.request.start");
const STATE = Symbol("state");

/** A connection that is read here. */
interface ConnectionState {
  /** Whether Node's parser is between two requests. */
  isBetween: boolean;
  /** The request that Node reads, if it is the whole chunk. */
  passed: KnownHead | undefined;
  /** That request, once Node has parsed and refused it. */
  parsed: IncomingMessage | undefined;
  /** The head of the last request. */
  head: KnownHead | undefined;
}

/** A connection with Node's parser, which is replaced when the connection is upgraded. */
type Followed = Socket & { readonly parser?: object | null; [STATE]?: ConnectionState };

/** Whether Node has parsed this head and nothing before it. */
function isThis({ method, rawHeaders }: IncomingMessage, url: string, head: KnownHead): boolean {
  return `${method} ${url}` === head.target && rawHeaders.length === 2 * head.count;
}

function startsWith(chunk: Buffer, start: Buffer): boolean {
  const { length } = start;
  return chunk.length >= length && chunk.compare(start, 0, length, 0, length) === 0;
}
