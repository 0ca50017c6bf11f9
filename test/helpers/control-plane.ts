import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import { createServer as createHttpServer, type IncomingMessage, type RequestListener } from "node:http";
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from "node:http2";
import { createServer as createSocketServer, type AddressInfo, type Server, type Socket } from "node:net";
import {
  toJson,
  type DescMethod,
  type JsonValue,
  type Message,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { IsolateController } from "../../src/platform/generated/controller_pb.ts";

type Methods = typeof IsolateController.method;

/** The call that a script answers. */
export interface HandlerCall {
  /** Aborts when the caller disconnects. */
  readonly signal: AbortSignal;
  /** The number of earlier calls of this method. */
  readonly index: number;
}

type InputOf<M extends DescMethod> = M["methodKind"] extends "unary" | "server_streaming"
  ? MessageShape<M["input"]>
  : AsyncIterable<MessageShape<M["input"]>>;
type OutputOf<M extends DescMethod> = M["methodKind"] extends "unary" | "client_streaming"
  ? MessageInitShape<M["output"]> | Promise<MessageInitShape<M["output"]>>
  : AsyncIterable<MessageInitShape<M["output"]>> | Iterable<MessageInitShape<M["output"]>>;

/** Answers one method: with a message, or with messages for a stream. It may throw a {@link refusal}, or break the call. */
export type MethodScript<M extends DescMethod> = (request: InputOf<M>, call: HandlerCall) => OutputOf<M>;

/** Scripts by method; a method without a script is UNIMPLEMENTED. */
export type ControlPlaneScripts = { [K in keyof Methods]?: MethodScript<Methods[K]> };

/** One received gRPC call. */
export interface RecordedCall {
  /** The name in the protocol: `ListAliases`. */
  readonly method: string;
  /** The request messages; exactly one for a method without an input stream. */
  readonly requests: readonly Message[];
  /** The first request as JSON, with only the fields that were set. */
  readonly json: JsonValue | undefined;
  /** The headers, without those of HTTP/2 itself. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Whether the caller disconnected before the response was complete. */
  readonly isAborted: boolean;
}

/** One received REST request. */
export interface RecordedRequest {
  readonly method: string;
  /** Including the query. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** The response to a REST request: a status (default 200) with a value sent as JSON, or with a text. */
export interface RestAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly text?: string;
}

/** REST scripts by method and path: `"GET /users/current"`. The path excludes the query. */
export type RestScripts = Readonly<
  Record<string, (request: RecordedRequest) => RestAnswer | Promise<RestAnswer>>
>;

/** The options of a {@link ControlPlane}. */
export interface ControlPlaneOptions {
  readonly grpc?: ControlPlaneScripts;
  readonly rest?: RestScripts;
  /** Handles REST requests in place of the scripts: the listener of another server. */
  readonly restListener?: RequestListener;
  /** The accepted key. Default `test-id:test-secret`. */
  readonly key?: string;
}

interface Breakable {
  readonly response: Http2ServerResponse;
  readonly socket: Socket | undefined;
}

/** The connection of the current call, for scripts that break it. */
const current = new AsyncLocalStorage<Breakable>();

/**
 * A control plane on two real ports, gRPC over plaintext HTTP/2 and REST, that answers by scripts and records its
 * calls. Keys are checked as fal does. `await using plane = await ControlPlane.start({ grpc: { listAliases: () => ({}) } })`.
 */
export class ControlPlane implements AsyncDisposable {
  /** Every gRPC call, in order. */
  readonly calls: RecordedCall[] = [];
  /** Every REST request, in order. */
  readonly requests: RecordedRequest[] = [];
  /** `http://127.0.0.1:…` */
  readonly grpcUrl: string;
  readonly restUrl: string;
  readonly key: string;
  readonly #stop: () => Promise<void>;

  private constructor(options: ControlPlaneOptions, servers: Servers) {
    this.key = options.key ?? "test-id:test-secret";
    this.grpcUrl = servers.grpcUrl;
    this.restUrl = servers.restUrl;
    this.#stop = servers.stop;
  }

  static async start(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
    let plane: ControlPlane | undefined;
    const servers = await startServers(
      (request, response, socket) => {
        if (plane === undefined) return;
        current.run({ response, socket }, () => adapter(request, response));
      },
      (request, response) => {
        if (options.restListener !== undefined) options.restListener(request, response);
        else if (plane !== undefined) void plane.#answerRest(options.rest ?? {}, request, response);
      },
    );
    plane = new ControlPlane(options, servers);
    const implementation = plane.#implementation(options.grpc ?? {});
    const adapter = connectNodeAdapter({
      routes: (router) => router.service(IsolateController, implementation),
      readMaxBytes: 2 ** 31 - 1,
      writeMaxBytes: 2 ** 31 - 1,
    });
    return plane;
  }

  /** The variables that point this package's client and command line here, and away from the user's own profile. */
  get environment(): NodeJS.ProcessEnv {
    return {
      FAL_GRPC_HOST: this.grpcUrl,
      FAL_REST_HOST: this.restUrl,
      FAL_RUN_HOST: this.restUrl,
      FAL_QUEUE_RUN_HOST: this.restUrl,
      FAL_KEY: this.key,
      FAL_CONFIG_PATH: "/nonexistent/config.toml",
    };
  }

  /** The requests of one method, in order. */
  requestsOf<K extends keyof Methods>(method: K): MessageShape<Methods[K]["input"]>[] {
    const { name } = IsolateController.method[method];
    return this.calls
      .filter((call) => call.method === name)
      .flatMap((call) => call.requests as MessageShape<Methods[K]["input"]>[]);
  }

  /** The names of the methods called, in order. */
  methods(): string[] {
    return this.calls.map(({ method }) => method);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
  }

  /** Every method: recorded, its key checked, answered by its script. */
  #implementation(scripts: ControlPlaneScripts): ServiceImpl<typeof IsolateController> {
    const methods = IsolateController.methods.map((method) => {
      const script = scripts[method.localName as keyof Methods] as LooseScript | undefined;
      const isStream = method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming";
      return [
        method.localName,
        isStream
          ? (input: Input, context: HandlerContext) => this.#answerAll(method, script, input, context)
          : (input: Input, context: HandlerContext) => this.#answerOnce(method, script, input, context),
      ];
    });
    return Object.fromEntries(methods) as ServiceImpl<typeof IsolateController>;
  }

  async #answerOnce(
    method: DescMethod,
    script: LooseScript | undefined,
    input: Input,
    context: HandlerContext,
  ): Promise<Message> {
    const { request, call } = this.#record(method, input, context);
    if (script === undefined) throw refusal(Code.Unimplemented, `There is no script for ${method.name}.`);
    return (await script(request, call)) as Message;
  }

  async *#answerAll(
    method: DescMethod,
    script: LooseScript | undefined,
    input: Input,
    context: HandlerContext,
  ): AsyncGenerator<Message> {
    const { request, call } = this.#record(method, input, context);
    if (script === undefined) throw refusal(Code.Unimplemented, `There is no script for ${method.name}.`);
    yield* script(request, call) as AsyncIterable<Message>;
  }

  #record(
    method: DescMethod,
    input: Input,
    context: HandlerContext,
  ): { request: unknown; call: HandlerCall } {
    const metadata = Object.fromEntries(context.requestHeader.entries());
    const isSingle = "$typeName" in input;
    const requests: Message[] = isSingle ? [input] : [];
    const index = this.calls.filter((call) => call.method === method.name).length;
    const recorded = {
      method: method.name,
      requests,
      json: isSingle ? toJson(method.input, input) : undefined,
      metadata,
      isAborted: false,
    };
    this.calls.push(recorded);
    context.signal.addEventListener("abort", () => {
      // The signal also aborts at the end of an answered call.
      recorded.isAborted = !isAnswered(context.signal.reason);
    });
    const separator = this.key.indexOf(":");
    const isKnown =
      metadata["auth-key-id"] === this.key.slice(0, separator) &&
      metadata["auth-key"] === this.key.slice(separator + 1);
    if (!isKnown) throw refusal(Code.Unauthenticated, "Invalid key.");
    return {
      request: isSingle ? input : recordingAll(input, requests),
      call: { signal: context.signal, index },
    };
  }

  async #answerRest(
    scripts: RestScripts,
    request: IncomingMessage,
    response: Parameters<RequestListener>[1],
  ): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = "", url: path = "", headers } = request;
    const recorded = { method, path, headers, body: Buffer.concat(chunks).toString() };
    this.requests.push(recorded);
    const answer = await this.#restAnswer(scripts, recorded);
    const text = answer.text ?? JSON.stringify(answer.json ?? null);
    response.writeHead(answer.status ?? 200, {
      "content-type": answer.text === undefined ? "application/json" : "text/plain",
      ...answer.headers,
    });
    response.end(text);
  }

  async #restAnswer(scripts: RestScripts, request: RecordedRequest): Promise<RestAnswer> {
    if (request.headers.authorization !== `Key ${this.key}`) {
      return { status: 401, json: { detail: "Invalid key." } };
    }
    const script = scripts[`${request.method} ${request.path.replace(/\?.*$/, "")}`];
    return (await script?.(request)) ?? { status: 404, json: { detail: "Not Found" } };
  }
}

type Input = Message | AsyncIterable<Message>;
type LooseScript = (request: unknown, call: HandlerCall) => unknown;

async function* recordingAll(input: Input, requests: Message[]): AsyncGenerator<Message> {
  for await (const message of input as AsyncIterable<Message>) {
    requests.push(message);
    yield message;
  }
}

function isAnswered(reason: unknown): boolean {
  return !(reason instanceof ConnectError) || !/canceled|aborted|closed/i.test(reason.message);
}

/** A gRPC error to throw in a script: its status, and the details that are shown to the user. */
export function refusal(code: Code, details: string): ConnectError {
  return new ConnectError(details, code);
}

/** Answers the first `times` calls of a method with UNAVAILABLE, later ones by a script. */
export function unavailable<M extends DescMethod>(times: number, then: MethodScript<M>): MethodScript<M> {
  return (request, call) => {
    if (call.index < times) throw refusal(Code.Unavailable, "Try again.");
    return then(request, call);
  };
}

/** Breaks the connection of the current call, as when a machine dies. Never returns. */
export async function cutConnection(): Promise<never> {
  const { response, socket } = broken();
  // Earlier writes must be flushed first.
  await flushed(response);
  socket?.destroy();
  return over(response);
}

/** Ends the response without a status, like a proxy whose server died. Never returns. */
export function endWithoutStatus(): Promise<never> {
  return endWith(new Uint8Array());
}

/** Sends bytes that are not a valid message, and ends the response. Never returns. */
export function sendGarbage(): Promise<never> {
  return endWith(Uint8Array.of(0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0xff));
}

async function endWith(bytes: Uint8Array): Promise<never> {
  const { response } = broken();
  if (!response.stream.headersSent) {
    response.stream.respond({ ":status": 200, "content-type": "application/grpc+proto" });
  }
  await flushed(response);
  response.stream.end(bytes);
  return over(response);
}

/** Ends the script once its call is closed; nothing it does after that is sent. */
async function over({ stream }: Http2ServerResponse): Promise<never> {
  if (!stream.closed) await once(stream, "close");
  throw refusal(Code.Aborted, "The script broke its call.");
}

function broken(): Breakable {
  const call = current.getStore();
  if (call === undefined) throw new Error("Only a script can break its call.");
  return call;
}

async function flushed({ stream }: Http2ServerResponse): Promise<void> {
  do await new Promise((resolve) => setImmediate(resolve));
  while (stream.writableLength > 0 && !stream.destroyed);
}

interface Servers {
  readonly grpcUrl: string;
  readonly restUrl: string;
  readonly stop: () => Promise<void>;
}

async function startServers(
  onCall: (request: Http2ServerRequest, response: Http2ServerResponse, socket: Socket | undefined) => void,
  onRequest: RequestListener,
): Promise<Servers> {
  const sockets = new Map<number | undefined, Socket>();
  const sessions = new Set<ServerHttp2Session>();
  const http2 = createHttp2Server((request, response) => {
    onCall(request, response, sockets.get(request.socket.remotePort));
  });
  http2.on("session", (session) => {
    sessions.add(session.once("close", () => sessions.delete(session)));
    session.on("error", () => {});
  });
  // HTTP/2 does not allow destroying its own socket; one that is passed to it can be destroyed.
  const grpc = createSocketServer((socket) => {
    const { remotePort } = socket;
    sockets.set(remotePort, socket);
    socket.once("close", () => sockets.delete(remotePort)).on("error", () => {});
    http2.emit("connection", socket);
  });
  const rest = createHttpServer(onRequest);
  return {
    grpcUrl: await listen(grpc),
    restUrl: await listen(rest),
    stop: async () => {
      for (const session of sessions) session.destroy();
      for (const socket of sockets.values()) socket.destroy();
      rest.closeAllConnections();
      await Promise.all([grpc, rest].map((server) => once(server.close(), "close")));
    },
  };
}

async function listen(server: Server): Promise<string> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
