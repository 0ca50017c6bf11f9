/**
 * The cost of a realtime session compared with a bare `ws` server that decodes and encodes with msgpackr without
 * validation: a unary echo with schemas for input and output.
 *
 * Both servers run in processes of their own, compiled as in production, and take turns; several sockets keep a fixed
 * number of messages in flight each. The target applies to the steadiest figure, as in `overhead`: the processor
 * time that the server's process spends on a message in the quiet fifth of its rounds. Latencies include the wait for
 * the messages ahead in the window. With a window of one, each message is read and written by itself, and no cost is
 * shared.
 *
 * The memory of an idle session is the growth of the server's resident memory over 1,000 of them, after each has
 * exchanged one message and garbage was collected, divided by their number. The part on the heap and in its buffers
 * is shown beside it; the rest belongs to the runtime, including memory that it keeps for reuse.
 * @module
 */
import { encode } from "@msgpack/msgpack";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { progress, runBenchmark } from "./lib/benchmark.ts";
import type { Round } from "./lib/load.ts";
import { atLeast, atMost, information, type Row } from "./lib/row.ts";
import { RivalPackages } from "./lib/rival-packages.ts";
import { ServerProcess } from "./lib/server-process.ts";
import { SocketLoad } from "./lib/socket-load.ts";
import { StagedPackage } from "./lib/staged-package.ts";
import { median, quantile } from "./lib/statistics.ts";
import type { Note } from "./servers/note.ts";

/** Messages in flight on each socket, with the required throughput as a share of a bare socket's, at equal processor time. */
const WINDOWS = [
  { window: 8, title: "", target: 1.1 },
  { window: 1, title: "one message at a time: ", target: 0.88 },
] as const;
/** The maximum memory of an idle session, in KiB. */
const MEMORY_TARGET = 60;

/** The share of rounds that are taken as undisturbed by other programs. */
const QUIET_SHARE = 0.2;
/** The number of sockets over which a round's messages are distributed. */
const SOCKETS = 16;
/** The number of sessions whose memory is measured. */
const IDLE_SESSIONS = 1000;

/** The extent of the measurement. */
interface Plan {
  /** How often both servers get fresh processes: no two processes compile their code alike. */
  readonly generations: number;
  /** Messages to each server before the first round. */
  readonly warmUp: number;
  readonly rounds: number;
  /** Messages to each server per round. */
  readonly messages: number;
}

const QUICK: Plan = { generations: 1, warmUp: 40_000, rounds: 16, messages: 6_000 };
const FULL: Plan = { generations: 4, warmUp: 80_000, rounds: 20, messages: 12_000 };

interface Contestant {
  readonly name: string;
  /** The file in `servers/`. */
  readonly program: string;
}

const BARE: Contestant = { name: "bare ws", program: "websocket-bare" };
const OURS: Contestant = { name: "servable", program: "realtime" };
const CONTESTANTS: readonly Contestant[] = [BARE, OURS];

const NOTE: Note = {
  prompt: "a lighthouse in a storm, oil on canvas",
  strength: 0.75,
  seed: 1234,
  tags: ["sea", "night"],
};
const FRAME = encode(NOTE);

await runBenchmark({
  name: "realtime",
  summary:
    "Messages per second, processor time, latency and memory of realtime sessions beside a bare ws server.",
  measure: async ({ quick }) => {
    progress("installing msgpackr, compiling the package and the servers");
    await using _rivals = await RivalPackages.install("msgpackr@2");
    await using staged = await StagedPackage.create();
    await staged.linkDependencies();
    const programs = await staged.compilePrograms(fileURLToPath(new URL("servers", import.meta.url)));
    const rounds = await measureRounds(programs, quick ? QUICK : FULL);
    progress(`memory of ${IDLE_SESSIONS} idle sessions`);
    return [...WINDOWS.flatMap((each) => rowsOf(rounds, each)), ...(await measureMemory(programs))];
  },
});

type Window = (typeof WINDOWS)[number];
type Rounds = ReadonlyMap<Contestant, ReadonlyMap<Window, Round[]>>;

async function measureRounds(programs: string, plan: Plan): Promise<Rounds> {
  const rounds: Rounds = new Map(
    CONTESTANTS.map((contestant) => [contestant, new Map(WINDOWS.map((each) => [each, []]))]),
  );
  for (let generation = 1; generation <= plan.generations; generation++) {
    progress(`servers ${generation} of ${plan.generations}: warming up, then ${plan.rounds} rounds`);
    await using bareServer = await start(programs, BARE);
    await using ourServer = await start(programs, OURS);
    using bareLoad = await SocketLoad.open(bareServer, SOCKETS);
    using ourLoad = await SocketLoad.open(ourServer, SOCKETS);
    const turns = [
      [BARE, bareLoad],
      [OURS, ourLoad],
    ] as const;
    for (const { window } of WINDOWS) {
      for (const [, load] of turns) await load.send(FRAME, plan.warmUp / WINDOWS.length, window);
    }
    for (let round = 0; round < plan.rounds; round++) {
      for (const each of WINDOWS) {
        // Every second round in reverse order, so that neither server always goes first.
        for (const [contestant, load] of round % 2 === 0 ? turns : turns.toReversed()) {
          rounds
            .get(contestant)
            ?.get(each)
            ?.push(await load.send(FRAME, plan.messages, each.window));
        }
      }
    }
  }
  return rounds;
}

function start(
  programs: string,
  { program }: Contestant,
  execArgv?: readonly string[],
): Promise<ServerProcess> {
  return ServerProcess.start(join(programs, `${program}.js`), execArgv);
}

async function measureMemory(programs: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const contestant of CONTESTANTS.toReversed()) {
    await using server = await start(programs, contestant, ["--expose-gc"]);
    using first = await SocketLoad.open(server, 1); // loads the code
    await first.send(FRAME, 1, 1);
    const before = await server.usage();
    using load = await SocketLoad.open(server, IDLE_SESSIONS);
    await load.send(FRAME, IDLE_SESSIONS, 1);
    const after = await server.usage();
    const kib = (bytes: number): number => bytes / IDLE_SESSIONS / 1024;
    const resident = kib(after.memoryBytes - before.memoryBytes);
    const name = `${contestant.name}: memory of an idle session`;
    rows.push(
      contestant === OURS ? atMost(name, resident, "KiB", MEMORY_TARGET) : information(name, resident, "KiB"),
      information(`${name}, held by heap and buffers`, kib(after.heldBytes - before.heldBytes), "KiB"),
    );
  }
  return rows;
}

function rowsOf(rounds: Rounds, each: Window): Row[] {
  const { title, target } = each;
  const roundsOf = (contestant: Contestant): readonly Round[] => rounds.get(contestant)?.get(each) ?? [];
  const [bare, ours] = [roundsOf(BARE), roundsOf(OURS)];
  const ratio = (quality: (round: Round) => number): number =>
    median(ours.map((round, index) => quality(round) / quality(bare[index] as Round)));
  const quiet = (of: readonly Round[]): number =>
    quantile(
      of.map((round) => round.cpuMicros),
      QUIET_SHARE,
    );
  const rows = [
    atLeast(
      `${title}servable / bare ws, by CPU per message in quiet rounds`,
      quiet(bare) / quiet(ours),
      "ratio",
      target,
    ),
    information(
      `${title}servable / bare ws, by CPU per message`,
      ratio((round) => 1 / round.cpuMicros),
      "ratio",
    ),
    information(
      `${title}servable / bare ws, by messages per second`,
      ratio((round) => round.requestsPerSecond),
      "ratio",
    ),
  ];
  for (const contestant of CONTESTANTS) {
    const of = roundsOf(contestant);
    const name = `${title}${contestant.name}`;
    const latencies = of.flatMap((round) => round.latencies);
    const rate = median(of.map((round) => round.requestsPerSecond));
    rows.push(
      information(`${name}: throughput`, rate, "messages/s"),
      information(`${name}: CPU per message`, median(of.map((round) => round.cpuMicros)), "µs"),
      information(`${name}: latency p50`, quantile(latencies, 0.5), "ms"),
      information(`${name}: latency p99`, quantile(latencies, 0.99), "ms"),
    );
  }
  return rows;
}
