import { once } from "node:events";
import { Agent, request, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";

/** The results of all callers. */
export interface CallResults {
  /** The number of correct responses, by the kind of caller. */
  readonly right: Map<string, number>;
  /** The first wrong responses, with the reason. */
  readonly wrong: string[];
  wrongs: number;
}

/** The server under load, and the end of the load. */
export interface Target {
  readonly port: number;
  /** No call starts after it has aborted. */
  readonly over: AbortSignal;
  /** Whether the server is stopping: it may close idle connections and refuse new ones. */
  isStopping: boolean;
}

/** The number of kinds of callers. */
export const KINDS = 11;
const SHOWN_WRONGS = 20;
const JSON_TYPE = { "content-type": "application/json" };
/** The maximum wait of a caller for a response, in milliseconds. */
const PATIENCE_MS = 30_000;

/** Repeats every kind of caller until the end of the load. */
export async function callAll(target: Target, results: CallResults): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 24 });
  const callers = new Callers(target, agent);
  const kinds: readonly (readonly [name: string, parallel: number, call: (turn: number) => Promise<void>])[] =
    [
      ["unary", 6, (turn) => callers.unary(turn)],
      ["batch", 6, (turn) => callers.batch(turn)],
      ["stream", 3, (turn) => callers.stream(turn)],
      ["failure", 1, () => callers.failure()],
      ["bad body", 2, (turn) => callers.badBody(turn)],
      ["caller that leaves", 3, (turn) => callers.leaves(turn)],
      ["slow reader", 3, (turn) => callers.slowReader(turn)],
      ["realtime", 3, (turn) => callers.realtime(turn)],
      ["raw websocket", 2, (turn) => callers.rawSocket(turn)],
      ["upgrade not taken", 2, (turn) => callers.upgrade(turn)],
      ["half-open", 4, (turn) => callers.halfOpen(turn)],
    ];
  const loop = async (name: string, call: (turn: number) => Promise<void>, first: number): Promise<void> => {
    for (let turn = first; !target.over.aborted; turn++) {
      try {
        await call(turn);
        results.right.set(name, (results.right.get(name) ?? 0) + 1);
      } catch (error) {
        if (target.isStopping && !(error instanceof WrongAnswer)) return;
        results.wrongs++;
        if (results.wrong.length < SHOWN_WRONGS) results.wrong.push(`${name}: ${String(error)}`);
        await sleep(10);
      }
    }
  };
  await Promise.all(
    kinds.flatMap(([name, parallel, call]) =>
      Array.from({ length: parallel }, (_, index) => loop(name, call, index * 1000)),
    ),
  );
  agent.destroy();
}

/** A complete but wrong response. */
class WrongAnswer extends Error {
  override readonly name = "WrongAnswer";
}

function assertAnswer(isRight: boolean, shown: () => string): void {
  if (!isRight) throw new WrongAnswer(shown().slice(0, 300));
}

class Callers {
  readonly #target: Target;
  readonly #agent: Agent;

  constructor(target: Target, agent: Agent) {
    this.#target = target;
    this.#agent = agent;
  }

  async unary(turn: number): Promise<void> {
    // Some of them are large.
    const body = { text: turn % 50 === 0 ? "x".repeat(60_000) : `unary ${turn}`, count: turn };
    await this.#expect("/echo", JSON.stringify(body), 200, JSON.stringify(body));
  }

  async batch(turn: number): Promise<void> {
    const body = JSON.stringify({ text: `batch ${turn}`, count: turn });
    await this.#expect("/batch", body, 200, body);
  }

  async stream(turn: number): Promise<void> {
    const count = 1 + (turn % 60);
    const [status, text] = await this.#post("/stream", JSON.stringify({ text: "s", count }));
    const items = text.split("\n").filter((line) => line.startsWith("data: "));
    const last = items.at(-1);
    assertAnswer(
      status === 200 && items.length === count && last === `data: "s${count - 1}"`,
      () => `${status}, ${items.length} of ${count} items, the last ${last}`,
    );
  }

  async failure(): Promise<void> {
    const [status, text] = await this.#post("/fail", '{"text":"deliberate failure"}');
    assertAnswer(status === 500 && !text.includes("deliberate failure"), () => `${status} ${text}`);
    await sleep(5);
  }

  async badBody(turn: number): Promise<void> {
    const bodies: readonly (readonly [path: string, body: string | Buffer, ...statuses: number[]])[] = [
      ["/echo", "{", 422],
      ["/echo", '{"text":5}', 422],
      ["/echo", "", 422],
      ["/echo", "[".repeat(50_000), 400, 413, 422],
      ["/echo", JSON.stringify({ text: "x".repeat(200_000) }), 422],
      ["/echo", Buffer.from([0xff, 0xfe, 0x7b]), 400, 422],
      ["/stream", '{"text":null}', 422],
      ["/nope", "{}", 404],
    ];
    const [path, body, ...statuses] = bodies[turn % bodies.length] ?? ["/nope", "", 404];
    const [got, text] = await this.#post(path, body);
    assertAnswer(statuses.includes(got), () => `${got} for ${String(body).slice(0, 40)}: ${text}`);
  }

  /** Starts a call and disconnects before its end. */
  async leaves(turn: number): Promise<void> {
    const [path, body] =
      turn % 2 === 0
        ? ["/slow", JSON.stringify({ text: "l", count: 10_000 })]
        : ["/stream", JSON.stringify({ text: "l", count: 50_000 })];
    const call = request({ port: this.#target.port, method: "POST", path, headers: JSON_TYPE });
    call.on("error", () => {});
    call.on("response", (answer: IncomingMessage) => answer.on("error", () => {}).resume());
    call.end(body);
    await sleep(10 + (turn % 7) * 5);
    call.destroy();
  }

  /** Stops reading for a while; every second one then disconnects. */
  async slowReader(turn: number): Promise<void> {
    const body = JSON.stringify({ text: "r".repeat(2000), count: 400 });
    const call = request({ port: this.#target.port, method: "POST", path: "/stream", headers: JSON_TYPE });
    call.end(body);
    const [answer] = (await once(call, "response", patience())) as [IncomingMessage];
    await sleep(100 + (turn % 5) * 60);
    if (turn % 2 === 0) {
      answer.on("error", () => {});
      call.destroy();
      return;
    }
    const items = (await textOf(answer)).match(/^data: /gm)?.length;
    assertAnswer(items === 400, () => `${items} of 400 items`);
  }

  async realtime(turn: number): Promise<void> {
    const socket = await this.#open("/live");
    const messages = new Messages(socket);
    try {
      for (let index = 0; index < 20; index++) {
        const text = `m${turn}.${index}`;
        socket.send(JSON.stringify({ text, count: index }));
        const answer = await messages.next();
        assertAnswer((JSON.parse(answer) as { text?: string }).text === text, () => answer);
      }
      await this.#leave(socket, turn);
    } finally {
      socket.terminate();
    }
  }

  async rawSocket(turn: number): Promise<void> {
    const socket = await this.#open("/raw");
    const messages = new Messages(socket);
    try {
      for (const text of ["a", "b".repeat(10_000)]) {
        socket.send(text);
        const answer = await messages.next();
        assertAnswer(answer === text, () => `${answer.length} bytes`);
      }
      await this.#leave(socket, turn);
    } finally {
      socket.terminate();
    }
  }

  /** Offers another protocol with each of three requests on a connection, as Java and curl do. */
  async upgrade(turn: number): Promise<void> {
    const protocol = ["h2c", "TLS/1.0", "websocket, h2c", "foo"][turn % 4] ?? "";
    const socket = await this.#connect();
    let received = "";
    socket.on("data", (chunk: Buffer) => (received += chunk.toString()));
    for (let index = 1; index <= 3; index++) {
      const body = JSON.stringify({ text: `u${turn}.${index}`, count: 1 });
      socket.write(
        `POST /echo HTTP/1.1\r\nhost: 127.0.0.1:${this.#target.port}\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: ${protocol}\r\n` +
          `http2-settings: AAMAAABk\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      while (!received.endsWith(body)) {
        if (socket.closed || socket.readableEnded) throw new Error(`closed after ${received.slice(-200)}`);
        await Promise.race([once(socket, "data", patience()), once(socket, "close")]);
      }
    }
    socket.destroy();
    const answers = received.match(/HTTP\/1\.1 200 /g)?.length;
    assertAnswer(answers === 3, () => received);
  }

  /** Connects and sends nothing, or half a request, and disconnects after a while. */
  async halfOpen(turn: number): Promise<void> {
    const head = `POST /echo HTTP/1.1\r\nhost: 127.0.0.1:${this.#target.port}\r\ncontent-type: application/json\r\n`;
    const socket = await this.#connect();
    const texts = ["", head.slice(0, 30), `${head}content-length: 40\r\n\r\n{"text"`];
    socket.write(texts[turn % 3] ?? "");
    await sleep(200 + (turn % 5) * 100);
    if (turn % 2 === 0) socket.destroy();
    else socket.end();
    if (!socket.closed) await Promise.race([once(socket.resume(), "close"), sleep(500)]);
    socket.destroy();
  }

  async #connect(): Promise<Socket> {
    const socket = connect({ port: this.#target.port, host: "127.0.0.1" });
    await once(socket, "connect", patience());
    socket.on("error", () => {});
    return socket;
  }

  async #open(path: string): Promise<WebSocket> {
    const socket = new WebSocket(`ws://127.0.0.1:${this.#target.port}${path}`);
    socket.on("error", () => {});
    await once(socket, "open", patience());
    return socket;
  }

  /** Disconnects with a close frame, or without. */
  async #leave(socket: WebSocket, turn: number): Promise<void> {
    if (turn % 3 === 0) return;
    socket.close(1000);
    const [code] = (await once(socket, "close", patience())) as [number];
    if (code !== 1000 && !this.#target.isStopping) throw new WrongAnswer(`close code ${code}`);
  }

  async #expect(path: string, body: string, status: number, text: string): Promise<void> {
    const [got, answer] = await this.#post(path, body);
    assertAnswer(got === status && answer === text, () => `${got} ${answer} for ${body}`);
  }

  async #post(path: string, body: string | Buffer): Promise<readonly [status: number, text: string]> {
    const { port } = this.#target;
    const headers = { ...JSON_TYPE, "content-length": Buffer.byteLength(body) };
    const call = request({ port, method: "POST", path, headers, agent: this.#agent, ...patience() });
    call.end(body);
    const [answer] = (await once(call, "response", patience())) as [IncomingMessage];
    const { statusCode = 0 } = answer;
    const text = await textOf(answer);
    // The response of a stopping server to calls that it has not started.
    if (statusCode === 503 && this.#target.isStopping) throw new Error("stopping");
    return [statusCode, text];
  }
}

function patience(): { readonly signal: AbortSignal } {
  return { signal: AbortSignal.timeout(PATIENCE_MS) };
}

async function textOf(answer: IncomingMessage): Promise<string> {
  let text = "";
  answer.setEncoding("utf8");
  for await (const chunk of answer) text += chunk as string;
  return text;
}

/** The messages of a websocket, in order. */
class Messages {
  readonly #socket: WebSocket;
  readonly #received: string[] = [];
  #wake = (): void => {};

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("close", () => this.#wake());
    socket.on("message", (data: Buffer) => {
      const text = data.toString();
      if (text.includes("x-fal-message")) return; // timings
      this.#received.push(text);
      this.#wake();
    });
  }

  /** @throws Error if the socket is closed first, or no message arrives in time */
  async next(): Promise<string> {
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      const first = this.#received.shift();
      if (first !== undefined) return first;
      if (this.#socket.readyState !== WebSocket.OPEN) throw new Error("the socket was closed");
      if (performance.now() >= until) throw new Error("no message came");
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, until - performance.now());
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
