import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { LoadGenerator } from "../../benchmarks/peers/load.ts";
import { PeerServer } from "../../benchmarks/peers/peer-server.ts";
import { canRun, COMPILER } from "../../benchmarks/peers/prerequisites.ts";
import type { Product } from "../../benchmarks/peers/products.ts";

const skip =
  process.platform !== "linux"
    ? "the load generator needs Linux"
    : canRun(COMPILER)
      ? false
      : `no C compiler: ${COMPILER} does not run`;

const folder = mkdtempSync(join(tmpdir(), "servable-load-"));
after(() => rmSync(folder, { recursive: true }));
let compiled: Promise<LoadGenerator> | undefined;

function generator(): Promise<LoadGenerator> {
  compiled ??= LoadGenerator.compile(folder);
  return compiled;
}

/** A server that counts its requests and its connections. */
class CountingServer implements AsyncDisposable {
  requests = 0;
  connections = 0;
  readonly #server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      this.requests += 1;
      this.#answer(Buffer.concat(chunks).toString(), response, request);
    });
  });
  readonly #answer: (body: string, response: ServerResponse, request: IncomingMessage) => void;

  constructor(answer: (body: string, response: ServerResponse) => void) {
    this.#answer = answer;
    this.#server.on("connection", () => (this.connections += 1));
  }

  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, "127.0.0.1", () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const NUMBERED = { body: '{"seed":SSSSSSSS}', numbered: true } as const;

/** A number of answers instead of a duration, however long they take. */
const ANSWERS = { secs: 600, warm: 0, count: 200 } as const;

test(
  "a closed loop counts each answer by its status, and finds each answer's number in it",
  { skip },
  async () => {
    const load = await generator();
    await using server = new CountingServer((body, response) => {
      const isRejected = Number(/\d+/.exec(body)?.[0]) % 4 === 0;
      response.writeHead(isRejected ? 429 : 200, isRejected ? { "retry-after": "1" } : {}).end(body);
    });
    const port = await server.listen();
    const result = await load.run({ mode: "closed", port, ...NUMBERED, conns: 4, ...ANSWERS });
    assert.ok(result.requests >= ANSWERS.count && result.refused > 0);
    assert.equal(result.ok + result.refused, result.requests);
    assert.deepEqual(result.status, { 200: result.ok, 429: result.refused });
    assert.ok(result.requests <= server.requests);
    assert.deepEqual([result.mismatches, result.lost, server.connections], [0, 0, 4]);
    assert.ok(result.p50 > 0 && result.p50 <= result.p99);
  },
);

test("Poisson arrivals are fixed by the seed, and each reaches the server once", { skip }, async () => {
  const load = await generator();
  const count = async (seed: number): Promise<number> => {
    await using server = new CountingServer((body, response) => response.end(body));
    const port = await server.listen();
    const timing = { rate: 200, secs: 0.5, warm: 0, settle: 60_000 };
    const result = await load.run({ mode: "open", port, ...NUMBERED, conns: 16, seed, ...timing });
    assert.deepEqual([result.unanswered, result.lost, result.mismatches], [0, 0, 0]);
    assert.equal(result.requests, server.requests);
    assert.deepEqual(result.status, { 200: server.requests });
    return result.requests;
  };
  const first = await count(7);
  assert.ok(first > 50 && first < 150, `100 arrivals are expected, not ${first}`);
  assert.equal(await count(7), first);
  assert.notEqual(await count(9), first);
});

test("an answer to another request is counted as a mismatch", { skip }, async () => {
  const load = await generator();
  await using server = new CountingServer((_body, response) => response.end('{"seed":1}'));
  const port = await server.listen();
  const result = await load.run({ mode: "closed", port, ...NUMBERED, conns: 2, ...ANSWERS });
  assert.ok(result.mismatches >= result.ok && result.ok > 0);
});

test("the items of streams are counted", { skip }, async () => {
  const load = await generator();
  await using server = new CountingServer((_body, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const item of [1, 2, 3]) response.write(`data: {"item":${item}}\n\n`);
    response.end();
  });
  const port = await server.listen();
  const result = await load.run({ mode: "sse", port, body: "{}", conns: 4, ...ANSWERS });
  const { items = 0, ok } = result;
  assert.ok(ok > 0);
  // At both ends of the measurement each connection may be within a stream.
  assert.ok(Math.abs(items - 3 * ok) <= 3 * 4, `${items} items of ${ok} streams`);
});

test("connections stay open while they are held", { skip }, async () => {
  const load = await generator();
  await using server = new CountingServer((_body, response) => response.end("{}"));
  const port = await server.listen();
  const held = await load.hold({ port, body: "{}", conns: 20 }, async (count) => [count, server.connections]);
  assert.deepEqual(held, [20, 20]);
});

/** A product whose server is a parent process with a child that answers. */
const FORKING: Product = {
  name: "forking",
  environment: "none",
  command: () => ({
    program: process.execPath,
    args: [
      "-e",
      `const { spawn } = require("node:child_process");
       const child = 'require("node:http").createServer((q, r) => r.end("{}")).listen(process.env.PORT, "127.0.0.1")';
       spawn(process.execPath, ["-e", child], { stdio: "inherit" });
       setInterval(() => {}, 1000);`,
    ],
    cwd: folder,
    env: {},
  }),
};

test("a product's server is measured with all its processes, and stopped with them", { skip }, async () => {
  let server: PeerServer;
  {
    await using started = await PeerServer.start(FORKING, { generator: await generator(), body: "{}" });
    server = started;
    assert.equal(server.processes(), 2);
    assert.ok(server.memory().proportional > 0 && server.startSeconds > 0);
    const { ok, cpuUsPerOk } = await server.load({ mode: "closed", conns: 2, ...ANSWERS });
    assert.ok(ok > 0 && cpuUsPerOk > 0);
  }
  assert.equal(server.processes(), 0);
});

test("a product that ends at its start is reported with the end of its log", { skip }, async () => {
  const broken: Product = {
    ...FORKING,
    command: (ports) => ({
      ...FORKING.command(ports),
      args: ["-e", 'console.error("no model here"); process.exit(3)'],
    }),
  };
  await assert.rejects(
    PeerServer.start(broken, { generator: await generator(), body: "{}" }),
    /^Error: forking: its process ended with 3\. Its log .*forking\.log ends with:\nno model here$/s,
  );
});
