/**
 * The cost of a servable compared with a bare Fastify route with the same schemas, and with `node:http` alone.
 *
 * Every server runs in a process of its own, compiled as in production; the load comes from this one. The servers
 * take turns, and each round gives one ratio to bare Fastify's figure of the same round: medians of these are printed
 * for requests per second, which is the familiar figure, and for the processor time that the server's own process
 * spends on a request, which does not depend on the load generator.
 *
 * The target applies to the steadiest figure: the processor time in the quiet fifth of each server's rounds.
 * Other work of the machine can only add to that time, by 20 % and more on two shared cores, where two equal
 * servers differ by 5 % in the medians and by 2 % in this figure.
 * @module
 */
import { fileURLToPath } from "node:url";
import { progress, runBenchmark } from "./lib/benchmark.ts";
import { sendLoad, type Load, type Round } from "./lib/load.ts";
import { atLeast, information, type Row } from "./lib/row.ts";
import { ServerGroup } from "./lib/server-group.ts";
import type { ServerProcess } from "./lib/server-process.ts";
import { StagedPackage } from "./lib/staged-package.ts";
import { median, quantile } from "./lib/statistics.ts";

/** The required throughput as a share of bare Fastify's, at equal processor time. */
const TARGET = 0.96;

/** The share of rounds that are taken as undisturbed by other programs. */
const QUIET_SHARE = 0.2;

/** The extent of the measurement. */
interface Plan {
  /** How often all servers get fresh processes: no two processes compile their code alike. */
  readonly generations: number;
  /** Requests to each server before the first round. */
  readonly warmUp: number;
  readonly rounds: number;
  /** Requests to each server per round: short rounds, so that disturbances affect all servers alike. */
  readonly requests: number;
}

const QUICK: Plan = { generations: 1, warmUp: 25_000, rounds: 16, requests: 3_000 };
const FULL: Plan = { generations: 4, warmUp: 40_000, rounds: 20, requests: 5_000 };

interface Contestant {
  readonly name: string;
  /** The file in `servers/`. */
  readonly program: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The body of its requests, and the expected answer. Default: those of the JSON route. */
  readonly bytes?: string;
  /** Makes its requests a GET with this query string. */
  readonly query?: string;
}

/** A servable with a part of its own, and bare Fastify doing the same. */
interface Pair {
  readonly name: string;
  readonly bare: Contestant;
  readonly ours: Contestant;
  /** The required share of bare Fastify's throughput, at equal processor time. */
  readonly target: number;
}

const BARE: Contestant = { name: "bare Fastify", program: "fastify-bare" };
const OURS: Contestant = { name: "servable", program: "servable" };
const CONTESTANTS: readonly Contestant[] = [BARE, OURS, { name: "node:http", program: "node-http" }];

/** A small picture: larger ones would mostly measure the copying of the system. */
const BYTES = "x".repeat(16 * 1024);
const BYTES_TYPE = { "content-type": "application/octet-stream" };

const KEY = { authorization: "Bearer key-of-the-benchmark" };

const QUERY = "q=lighthouse&limit=20&exact=true";
const PAGE = JSON.stringify({ query: "lighthouse", limit: 20, exact: true });

const ORIGIN = { origin: "http://localhost:3000" };

const PAIRS: readonly Pair[] = [
  {
    name: "Origin sent",
    bare: { name: "bare Fastify, Origin sent", program: "fastify-bare", headers: ORIGIN },
    ours: { name: "servable, Origin sent", program: "servable", headers: ORIGIN },
    target: 0.93,
  },
  {
    name: "request storage",
    bare: { name: "bare Fastify, request storage", program: "fastify-current" },
    ours: { name: "servable, request storage", program: "servable-current" },
    target: 0.93,
  },
  {
    name: "bearer check",
    bare: { name: "bare Fastify, bearer check", program: "fastify-bearer", headers: KEY },
    ours: { name: "servable, bearer check", program: "servable-bearer", headers: KEY },
    target: 0.9,
  },
  {
    name: "GET with typed query",
    bare: { name: "bare Fastify, typed query", program: "fastify-query", query: QUERY },
    ours: { name: "servable, typed query", program: "servable-query", query: QUERY },
    target: 0.9,
  },
  {
    name: "bytes in and out",
    bare: { name: "bare Fastify, bytes", program: "fastify-bytes", headers: BYTES_TYPE, bytes: BYTES },
    ours: { name: "servable, bytes", program: "servable-bytes", headers: BYTES_TYPE, bytes: BYTES },
    target: 0.9,
  },
];
const ALL: readonly Contestant[] = [...CONTESTANTS, ...PAIRS.flatMap(({ bare, ours }) => [bare, ours])];

const BODY = JSON.stringify({ prompt: "a lighthouse in a storm, oil on canvas", seed: 1234 });
const ANSWER = {
  images: [{ url: "https://pictures.example/1234.png", width: 1024, height: 768 }],
  prompt: "a lighthouse in a storm, oil on canvas",
  seed: 1234,
  steps: 25,
};

await runBenchmark({
  name: "overhead",
  summary: "Throughput, processor time and latency of a servable beside bare Fastify and node:http.",
  measure: async ({ quick }) => {
    const plan = quick ? QUICK : FULL;
    progress("compiling the package and the servers");
    await using staged = await StagedPackage.create();
    await staged.linkDependencies();
    const programs = await staged.compilePrograms(fileURLToPath(new URL("servers", import.meta.url)));
    const rounds = new Map<Contestant, Round[]>(ALL.map((contestant) => [contestant, []]));
    for (let generation = 1; generation <= plan.generations; generation++) {
      progress(`servers ${generation} of ${plan.generations}: warming up, then ${plan.rounds} rounds`);
      await using servers = new ServerGroup(programs);
      await warmUp(servers, plan);
      for (let round = 0; round < plan.rounds; round++) await playRound(servers, plan, round, rounds);
    }
    return rowsOf(rounds);
  },
});

async function warmUp(servers: ServerGroup, plan: Plan): Promise<void> {
  for (const contestant of ALL) {
    const server = await servers.get(contestant.program);
    await assertAnswer(server, contestant);
    await sendLoad(server, loadOf(contestant, plan.warmUp));
  }
}

/** One round of all servers; every second round in reverse order, so that no server always follows the same one. */
async function playRound(
  servers: ServerGroup,
  plan: Plan,
  round: number,
  rounds: ReadonlyMap<Contestant, Round[]>,
): Promise<void> {
  for (const contestant of round % 2 === 0 ? ALL : ALL.toReversed()) {
    const server = await servers.get(contestant.program);
    rounds.get(contestant)?.push(await sendLoad(server, loadOf(contestant, plan.requests)));
  }
}

function loadOf({ headers = {}, bytes = BODY, query }: Contestant, requests: number): Load {
  return { body: bytes, query, headers, requests };
}

/** Checks the response: a server with another response would do other work. */
async function assertAnswer(server: ServerProcess, contestant: Contestant): Promise<void> {
  const { name, headers, bytes, query } = contestant;
  if (query !== undefined) {
    const response = await fetch(`${server.url}/?${query}`);
    const text = await response.text();
    if (response.status !== 200 || text !== PAGE)
      throw new Error(`${name} answered ${response.status} ${text}`);
    return;
  }
  const body = name === "node:http" ? JSON.stringify({ ...JSON.parse(BODY), steps: 25 }) : BODY;
  const response = await fetch(server.url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: bytes ?? body,
  });
  const text = await response.text();
  if (response.status !== 200 || text !== (bytes ?? JSON.stringify(ANSWER))) {
    throw new Error(`${name} answered ${response.status} ${text}`);
  }
}

function rowsOf(rounds: ReadonlyMap<Contestant, readonly Round[]>): Row[] {
  const bare = rounds.get(BARE) ?? [];
  const of = (contestant: Contestant): readonly Round[] => rounds.get(contestant) ?? [];
  const ratio = (contestant: Contestant, quality: (round: Round) => number): number =>
    median(of(contestant).map((round, index) => quality(round) / quality(bare[index] as Round)));
  const byCpu = (contestant: Contestant): number => ratio(contestant, (round) => 1 / round.cpuMicros);
  const byRate = (contestant: Contestant): number => ratio(contestant, (round) => round.requestsPerSecond);

  const quiet = (contestant: Contestant): number =>
    quantile(
      of(contestant).map((round) => round.cpuMicros),
      QUIET_SHARE,
    );

  const rows = [
    atLeast(
      "servable / bare Fastify, by CPU per request in quiet rounds",
      quiet(BARE) / quiet(OURS),
      "ratio",
      TARGET,
    ),
    information("servable / bare Fastify, by CPU per request", byCpu(OURS), "ratio"),
    information("servable / bare Fastify, by requests per second", byRate(OURS), "ratio"),
  ];
  for (const contestant of CONTESTANTS) {
    if (contestant === BARE || contestant === OURS) continue;
    rows.push(
      information(
        `${contestant.name} / bare Fastify, by CPU per request in quiet rounds`,
        quiet(BARE) / quiet(contestant),
        "ratio",
      ),
      information(`${contestant.name} / bare Fastify, by CPU per request`, byCpu(contestant), "ratio"),
      information(`${contestant.name} / bare Fastify, by requests per second`, byRate(contestant), "ratio"),
    );
  }
  for (const { name, bare: rival, ours, target } of PAIRS) {
    const what = `${name}: servable / bare Fastify, by CPU per request in quiet rounds`;
    rows.push(atLeast(what, quiet(rival) / quiet(ours), "ratio", target));
  }
  for (const contestant of ALL) {
    const latencies = of(contestant).flatMap((round) => round.latencies);
    rows.push(
      information(
        `${contestant.name}: throughput`,
        median(of(contestant).map((round) => round.requestsPerSecond)),
        "requests/s",
      ),
      information(
        `${contestant.name}: CPU per request`,
        median(of(contestant).map((round) => round.cpuMicros)),
        "µs",
      ),
      information(`${contestant.name}: latency p50`, quantile(latencies, 0.5), "ms"),
      information(`${contestant.name}: latency p99`, quantile(latencies, 0.99), "ms"),
    );
  }
  return rows;
}
