/**
 * Deployments under load. The variables `SERVABLE_DEPLOY_RATE` (requests a second), `SERVABLE_DEPLOY_SOCKETS` (of each kind)
 * and `SERVABLE_DEPLOY_COUNT` (deployments in a row) make it longer.
 * @module
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { decode, encode } from "@msgpack/msgpack";
import { WebSocket } from "ws";
import { ROOT } from "../../benchmarks/lib/staged-package.ts";
import { IsolateController } from "../../src/platform/generated/controller_pb.ts";
import { appProject, removePlatformFolder, TestPlatform } from "../helpers/self-host.ts";

const RATE = Number(process.env["SERVABLE_DEPLOY_RATE"] ?? 20);
const SOCKETS = Number(process.env["SERVABLE_DEPLOY_SOCKETS"] ?? 5);
const COUNT = Number(process.env["SERVABLE_DEPLOY_COUNT"] ?? 2);
/** Time after which sockets that did not move are closed: long enough for a slow machine to move the others. */
const EVICT_MS = 8_000;

const typebox = pathToFileURL(join(ROOT, "node_modules/typebox/build/index.mjs")).href;
const source = (version: string, setup = ""): string => `
import { Type } from "${typebox}";
import { existsSync } from "node:fs";
import { App, endpoint, realtime } from "servable";
const In = Type.Object({ n: Type.Integer(), until: Type.Optional(Type.String()) });
const Out = Type.Object({ n: Type.Integer(), version: Type.String() });
export default class Counter extends App {
  static version = "${version}";
  static maxMultiplexing = 200;
  async setup() { ${setup} }
  @endpoint("/", { input: In, output: Out })
  async count({ n }) { return { n, version: "${version}" }; }
  @realtime("/realtime", { input: In, output: Out, emitTimings: true })
  async live({ n, until }) {
    while (until !== undefined && !existsSync(until)) await new Promise((resolve) => setTimeout(resolve, 10));
    return { n, version: "${version}" };
  }
  @realtime("/batches", { input: In, maxBatchSize: 4 })
  async batches(inputs) { return inputs.map(({ n }) => ({ n, version: "${version}" })); }
}
`;

let host: TestPlatform;
let project: string;
let gate: string;
before(async () => {
  project = appProject({ "a.ts": source("a"), "b.ts": source("b") });
  gate = join(project, "gate");
  writeFileSync(
    join(project, "slow.ts"),
    source(
      "slow",
      `while (!existsSync(${JSON.stringify(gate)})) await new Promise((resolve) => setTimeout(resolve, 20));`,
    ),
  );
  host = await TestPlatform.start({ evictMs: EVICT_MS });
});
after(async () => {
  await host?.[Symbol.asyncDispose]();
  if (project !== undefined) removePlatformFolder(project);
});

const deploy = (file: string, appName: string): Promise<unknown> =>
  host.deploy(join(project, file), { appName });

/** A realtime session that sends numbers and checks that each is answered once, in order. */
class Session {
  readonly socket: WebSocket;
  readonly versions: string[] = [];
  readonly faults: string[] = [];
  closedWith: number | undefined;
  #sent = 0;
  #received = 0;

  constructor(app: string, path: string) {
    this.socket = new WebSocket(`${host.url.replace("http", "ws")}/me/${app}${path}`, {
      headers: host.headers,
    });
    this.socket.on("message", (data: Buffer, isBinary) => {
      if (!isBinary) {
        const { action } = JSON.parse(data.toString()) as { action?: string };
        if (action !== "timings") this.faults.push(data.toString());
        return;
      }
      const { n, version } = decode(data) as { n: number; version: string };
      if (n !== this.#received) this.faults.push(`${n} came instead of ${this.#received}`);
      this.#received++;
      if (this.versions.at(-1) !== version) this.versions.push(version);
    });
    this.socket.on("close", (code) => (this.closedWith = code));
    this.socket.on("error", (error) => this.faults.push(error.message));
  }

  static async open(app: string, path: string): Promise<Session> {
    const session = new Session(app, path);
    await once(session.socket, "open");
    return session;
  }

  send(until?: string): void {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.socket.send(encode({ n: this.#sent++, ...(until === undefined ? {} : { until }) }));
  }

  /** Resolves once all that was sent is answered. */
  async answered(): Promise<void> {
    while (this.#received < this.#sent && this.closedWith === undefined) await delay(5);
  }

  async close(): Promise<void> {
    if (this.closedWith !== undefined) return;
    this.socket.close(1000);
    await once(this.socket, "close");
  }
}

/** Sends requests at a rate until it is stopped. */
class Load {
  readonly failures: string[] = [];
  answered = 0;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 100 });
  readonly #timer: NodeJS.Timeout;
  readonly #running = new Set<Promise<void>>();

  constructor(app: string) {
    const begin = performance.now();
    let sent = 0;
    this.#timer = setInterval(() => {
      const due = ((performance.now() - begin) / 1_000) * RATE;
      // A machine that is too slow sends less, not more at once.
      for (let burst = 0; sent < due && burst < 20; sent++, burst++) this.#send(app, sent);
      sent = Math.max(sent, Math.floor(due));
    }, 10);
  }

  #send(app: string, n: number): void {
    const call = new Promise<void>((resolve) => {
      const fail = (what: string): void => {
        this.failures.push(what);
        resolve();
      };
      const sent = request(
        `${host.url}/me/${app}`,
        { method: "POST", agent: this.#agent, headers: host.headers },
        (answer) => {
          let text = "";
          answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
          answer.once("end", () => {
            if (answer.statusCode !== 200) return fail(`${answer.statusCode} ${text}`);
            this.answered++;
            resolve();
          });
          answer.once("error", (error) => fail(error.message));
        },
      );
      sent.once("error", (error) => fail(error.message));
      sent.end(JSON.stringify({ n }));
    });
    this.#running.add(call);
    void call.then(() => this.#running.delete(call));
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#running);
    this.#agent.destroy();
  }
}

test("deployments in a row fail no request, keep unary realtime sessions open, and close others with 1012", async (context: TestContext) => {
  await deploy("a.ts", "counter");
  const unary = await Promise.all(
    Array.from({ length: SOCKETS }, () => Session.open("counter", "/realtime")),
  );
  const load = new Load("counter");
  const talking = setInterval(() => {
    for (const session of unary) session.send();
  }, 50);
  const begin = performance.now();
  const others: Session[] = [];
  for (let index = 0; index < COUNT; index++) {
    const opened = Array.from({ length: SOCKETS }, () => Session.open("counter", "/batches"));
    others.push(...(await Promise.all(opened)));
    await deploy(index % 2 === 0 ? "b.ts" : "a.ts", "counter");
  }
  const last = COUNT % 2 === 0 ? "a" : "b";
  for (const session of unary) while (session.versions.at(-1) !== last) await delay(10);
  while (others.some(({ closedWith }) => closedWith === undefined)) await delay(20);
  for (const { closedWith, faults } of others) assert.deepEqual([closedWith, faults], [1012, []]);
  const seconds = (performance.now() - begin) / 1_000;
  clearInterval(talking);
  await load.stop();
  for (const session of unary) {
    await session.answered();
    assert.deepEqual(session.faults, []);
    assert.equal(session.closedWith, undefined);
    assert.equal(session.versions.length, COUNT + 1, session.versions.join());
    await session.close();
    assert.equal(session.closedWith, 1000);
  }
  assert.deepEqual(load.failures, []);
  assert.ok(load.answered > 0);
  context.diagnostic(`${COUNT} deployments, ${load.answered} requests in ${seconds.toFixed(0)} s, 0 failed`);
});

test("a message under way is answered by the old runner, and those that arrive meanwhile by the new one, in order", async () => {
  await deploy("a.ts", "turns");
  const signal = join(project, "answer");
  rmSync(signal, { force: true });
  const session = await Session.open("turns", "/realtime");
  session.send(signal);
  await deploy("b.ts", "turns");
  // The session has a place on the new runner while the message keeps it on the old one.
  using connection = host.connection();
  const places = async (): Promise<number> => {
    const { runners } = await connection.unary(IsolateController.method.listAliasRunners, { alias: "turns" });
    return runners.reduce((sum, { inFlightRequests }) => sum + inFlightRequests, 0);
  };
  while ((await places()) < 2) await delay(10);
  for (let index = 0; index < 5; index++) session.send();
  writeFileSync(signal, "");
  await session.answered();
  while (session.versions.at(-1) !== "b" && session.closedWith === undefined) {
    session.send();
    await session.answered();
  }
  assert.deepEqual(session.faults, []);
  assert.deepEqual(session.versions, ["a", "b"]);
  await session.close();
  assert.equal(session.closedWith, 1000);
});

test("a deployment in the middle of another one replaces it, and says so", async () => {
  await deploy("a.ts", "middle");
  const load = new Load("middle");
  rmSync(gate, { force: true });
  const first = assert.rejects(deploy("slow.ts", "middle"), /A newer deployment has replaced it/);
  using connection = host.connection();
  const isRolling = async (): Promise<boolean> => {
    const { aliases } = await connection.unary(IsolateController.method.listAliases, {});
    return aliases.some((each) => each.alias === "middle" && each.isRolling);
  };
  while (!(await isRolling())) await delay(10);
  await deploy("b.ts", "middle");
  await first;
  const answer = await host.call("/me/middle", { n: 1 });
  assert.equal(((await answer.json()) as { version: string }).version, "b");
  await load.stop();
  assert.deepEqual(load.failures, []);
});
