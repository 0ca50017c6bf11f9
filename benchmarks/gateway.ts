/**
 * The cost of the platform's gateway: the same requests to a runner directly and through the gateway, taking turns.
 *
 * The platform runs as `servable up` starts it, on one core. The runner and the load share the other one, and the direct
 * requests use that one alone: so the direct figures are what the runner can do, and the gateway has a core of its own.
 * Each round gives one ratio or difference, and the targets apply to the medians. The processor time of a request is that
 * of the gateway's process, beside a bare Fastify route that answers the same.
 *
 * The memory of a socket is the growth of the gateway's resident memory over 1,000 sockets that have each exchanged a
 * message. That of a reader that stops is the growth while it does not read the rest of an endless answer.
 * @module
 */
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { WebSocket } from "ws";
import { progress, runBenchmark } from "./lib/benchmark.ts";
import { KeepAliveLoad } from "./lib/keep-alive-load.ts";
import { pin, PlatformProcess, settled } from "./lib/platform-process.ts";
import { ProcessFamily } from "./lib/process-family.ts";
import { atLeast, atMost, information, type Row } from "./lib/row.ts";
import { ServerProcess } from "./lib/server-process.ts";
import { ROOT, StagedPackage } from "./lib/staged-package.ts";
import { median, quantile } from "./lib/statistics.ts";

/** The required share of the direct throughput. */
const THROUGHPUT_TARGET = 0.6;
/** The maximum processor time of a request, as a multiple of a bare Fastify answer. */
const CPU_TARGET = 2.2;
/** The maximum time that the gateway adds to a request of a quiet platform, in ms. */
const ADDED_TARGET_MS = 1;
/** The maximum time that the gateway adds to an item of 200 streams, in ms. */
const ITEM_TARGET_MS = 0.3;
/** The maximum memory of a socket, in kB. */
const SOCKET_TARGET_KB = 30;
/** The maximum memory of a reader that stops, in MB. */
const READER_TARGET_MB = 2.5;

const CONNECTIONS = 32;
const STREAMS = 200;
const SOCKETS = 1_000;
const BODY = '{"name":"Ada"}';

const GATEWAY_CORE = 0;
const OTHER_CORE = 1;

/** The extent of the measurement. */
interface Plan {
  readonly rounds: number;
  readonly warmUp: number;
  /** Requests of a round. */
  readonly requests: number;
  /** Requests of a round, one at a time. */
  readonly single: number;
  readonly streamRounds: number;
}

const QUICK: Plan = { rounds: 5, warmUp: 1, requests: 6_000, single: 500, streamRounds: 3 };
const FULL: Plan = { rounds: 15, warmUp: 3, requests: 12_000, single: 2_000, streamRounds: 9 };

const typebox = pathToFileURL(join(ROOT, "node_modules/typebox/build/index.mjs")).href;
const APP = `
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Type } from "${typebox}";
import { App, endpoint, realtime } from "servable";
const In = Type.Object({ name: Type.String() });
const Out = Type.Object({ name: Type.String() });
const Item = Type.Object({ at: Type.Number(), filling: Type.String() });
let port = 0;
const onRequest = ({ socket }) => {
  port = socket.localPort;
  unsubscribe("http.server.request.start", onRequest);
};
subscribe("http.server.request.start", onRequest);
export default class Bench extends App {
  static maxMultiplexing = 5000;
  static minConcurrency = 1;
  static maxConcurrency = 1;
  @endpoint("/", { input: In, output: Out })
  answer(input) { return input; }
  @endpoint("/place", { input: In, output: Type.Object({ port: Type.Integer(), pid: Type.Integer() }) })
  place() { return { port, pid: process.pid }; }
  @endpoint("/items", { input: In, output: Item, stream: true })
  async *items() {
    for (let index = 0; index < 50; index++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      yield { at: performance.timeOrigin + performance.now(), filling: "some words of an item" };
    }
  }
  @endpoint("/flood", { input: In, output: Item, stream: true })
  async *flood() { for (;;) yield { at: 0, filling: "x".repeat(65536) }; }
  @realtime("/realtime", { input: In, output: Out })
  echo(input) { return input; }
}
`;

await runBenchmark({
  name: "gateway",
  summary:
    "Requests, streams and sockets through the platform's gateway, beside the same sent to the runner.",
  measure: async ({ quick }) => {
    progress("compiling the package and the servers");
    await using staged = await StagedPackage.create();
    await staged.linkDependencies();
    const programs = await staged.compilePrograms(fileURLToPath(new URL("servers", import.meta.url)));
    progress("starting a platform, and deploying an app");
    await using platform = await PlatformProcess.start(staged, { "app.ts": APP });
    await platform.run("deploy", "app.ts", "--app-name", "bench");
    const place = await placeOf(platform);
    const isPinned =
      pin(platform.pid, GATEWAY_CORE) && pin(place.pid, OTHER_CORE) && pin(process.pid, OTHER_CORE);
    await using bare = await ServerProcess.start(join(programs, "fastify-greeting.js"));
    pin(bare.pid, GATEWAY_CORE);
    const contest: Contest = {
      platform,
      bare,
      direct: { url: place.url, prefix: "", headers: {} },
      gateway: { url: platform.url, prefix: "/me/bench", headers: { authorization: platform.authorization } },
    };
    const plan = quick ? QUICK : FULL;
    return [
      ...(await measureThroughput(contest, plan)),
      ...(await measureAdded(contest, plan)),
      ...(await measureStreams(contest, plan)),
      await measureSockets(contest),
      await measureReader(contest),
      information("gateway on a core of its own", isPinned ? 1 : 0, "yes: 1"),
    ];
  },
});

/** Where requests are sent. */
interface Way {
  readonly url: string;
  /** The part of the path before that of the endpoint. */
  readonly prefix: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface Contest {
  readonly platform: PlatformProcess;
  readonly bare: ServerProcess;
  readonly direct: Way;
  readonly gateway: Way;
}

/** The runner's own address and process. */
async function placeOf(platform: PlatformProcess): Promise<{ readonly url: string; readonly pid: number }> {
  const answer = await fetch(`${platform.url}/me/bench/place`, {
    method: "POST",
    headers: { authorization: platform.authorization, "content-type": "application/json" },
    body: BODY,
  });
  if (!answer.ok) throw new Error(`The app answered ${answer.status}: ${await answer.text()}`);
  const { port, pid } = (await answer.json()) as { port: number; pid: number };
  return { url: `http://127.0.0.1:${port}`, pid };
}

async function measureThroughput(contest: Contest, plan: Plan): Promise<Row[]> {
  const { platform, bare, direct, gateway } = contest;
  progress("requests at full speed");
  using directLoad = await KeepAliveLoad.open(direct.url, CONNECTIONS);
  using gatewayLoad = await KeepAliveLoad.open(gateway.url, CONNECTIONS);
  using bareLoad = await KeepAliveLoad.open(bare.url, CONNECTIONS);
  const shares: number[] = [];
  const rates: number[] = [];
  const costs: number[] = [];
  const bareCosts: number[] = [];
  const bareFamily = new ProcessFamily(bare.pid, false);
  const family = new ProcessFamily(platform.pid, false);
  for (let round = -plan.warmUp; round < plan.rounds; round++) {
    const straight = await directLoad.send(requestOf(direct, "/"), plan.requests);
    const before = family.cpuMicros;
    const through = await gatewayLoad.send(requestOf(gateway, "/"), plan.requests);
    const cost = (family.cpuMicros - before) / through.latencies.length;
    const bareBefore = bareFamily.cpuMicros;
    const plain = await bareLoad.send(requestOf({ ...direct, url: bare.url }, "/"), plan.requests);
    if (round < 0) continue;
    shares.push(through.requestsPerSecond / straight.requestsPerSecond);
    rates.push(through.requestsPerSecond);
    costs.push(cost);
    bareCosts.push((bareFamily.cpuMicros - bareBefore) / plain.latencies.length);
  }
  const ratios = costs.map((cost, round) => cost / (bareCosts[round] as number));
  return [
    atLeast("throughput: through the gateway / direct", median(shares), "ratio", THROUGHPUT_TARGET),
    atMost("CPU per request: gateway / bare Fastify answer", median(ratios), "ratio", CPU_TARGET),
    information("throughput through the gateway", median(rates), "requests/s"),
    information("CPU per request: gateway", median(costs), "µs"),
    information("CPU per request: bare Fastify answer", median(bareCosts), "µs"),
  ];
}

async function measureAdded({ direct, gateway }: Contest, plan: Plan): Promise<Row[]> {
  progress("requests one at a time");
  using directLoad = await KeepAliveLoad.open(direct.url, 1);
  using gatewayLoad = await KeepAliveLoad.open(gateway.url, 1);
  const added: number[] = [];
  const slowest: number[] = [];
  for (let round = -plan.warmUp; round < plan.rounds; round++) {
    const straight = (await directLoad.send(requestOf(direct, "/"), plan.single)).latencies;
    const through = (await gatewayLoad.send(requestOf(gateway, "/"), plan.single)).latencies;
    if (round < 0) continue;
    added.push(median(through) - median(straight));
    slowest.push(quantile(through, 0.99) - quantile(straight, 0.99));
  }
  return [
    atMost("added to a request, p50", median(added), "ms", ADDED_TARGET_MS),
    information("added to a request, p99", median(slowest), "ms"),
  ];
}

async function measureStreams({ direct, gateway }: Contest, plan: Plan): Promise<Row[]> {
  progress(`${STREAMS} streams`);
  const added: number[] = [];
  let straight: number[] = [];
  for (let round = -1; round < plan.streamRounds; round++) {
    straight = await latenessOfItems(direct);
    const through = await latenessOfItems(gateway);
    if (round >= 0) added.push(median(through) - median(straight));
  }
  return [
    atMost(`added to an item of ${STREAMS} streams, p50`, median(added), "ms", ITEM_TARGET_MS),
    information("an item of direct streams, p50", median(straight), "ms"),
  ];
}

/** Reads streams at once. @returns for each item the time from its creation to its arrival, in ms */
async function latenessOfItems(way: Way): Promise<number[]> {
  const { hostname, port, host } = new URL(way.url);
  const head = headOf(way, "/items", host, { accept: "text/event-stream" });
  const all = Array.from({ length: STREAMS }, async () => {
    const lateness: number[] = [];
    const socket = connect(Number(port), hostname).setNoDelay();
    socket.write(head);
    for await (const piece of socket) {
      const now = performance.timeOrigin + performance.now();
      const text = (piece as Buffer).toString("latin1");
      for (const [, at] of text.matchAll(/"at":([\d.]+)/g)) lateness.push(now - Number(at));
      if (text.endsWith("0\r\n\r\n")) break;
    }
    if (lateness.length < 50) throw new Error(`A stream had ${lateness.length} of 50 items.`);
    return lateness;
  });
  return (await Promise.all(all)).flat();
}

async function measureSockets({ platform, gateway }: Contest): Promise<Row> {
  progress(`${SOCKETS} sockets`);
  const { encode } = await import("@msgpack/msgpack");
  const message = encode({ name: "Ada" });
  const before = await settled(() => platform.memoryBytes);
  const sockets: WebSocket[] = [];
  for (let index = 0; index < SOCKETS; index++) {
    const socket = new WebSocket(`${gateway.url}${gateway.prefix}/realtime`, {
      headers: gateway.headers,
      perMessageDeflate: false,
    });
    await once(socket, "open");
    socket.send(message);
    await once(socket, "message");
    sockets.push(socket);
  }
  const bytes = (await settled(() => platform.memoryBytes)) - before;
  sockets.forEach((socket) => socket.terminate());
  return atMost("memory of a socket", bytes / SOCKETS / 1_000, "kB", SOCKET_TARGET_KB);
}

async function measureReader({ platform, gateway }: Contest): Promise<Row> {
  progress("a reader that stops");
  const { hostname, port, host } = new URL(gateway.url);
  const growth: number[] = [];
  for (let round = 0; round < 3; round++) {
    const before = await settled(() => platform.memoryBytes);
    const socket = connect(Number(port), hostname);
    socket.write(headOf(gateway, "/flood", host, { accept: "text/event-stream" }));
    await once(socket, "readable"); // nothing is read from here on
    growth.push((await settled(() => platform.memoryBytes)) - before);
    socket.destroy();
  }
  return atMost("memory of a reader that stops", median(growth) / 1e6, "MB", READER_TARGET_MB);
}

function requestOf({ prefix, headers }: Way, path: string): Parameters<KeepAliveLoad["send"]>[0] {
  return { path: `${prefix}${path}`, headers, body: BODY };
}

function headOf(way: Way, path: string, host: string, more: Readonly<Record<string, string>>): string {
  const all = {
    host,
    "content-type": "application/json",
    "content-length": String(BODY.length),
    ...way.headers,
    ...more,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${way.prefix}${path} HTTP/1.1\r\n${lines.join("")}\r\n${BODY}`;
}
