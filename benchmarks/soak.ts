/**
 * Leaks and wrong answers of a server under long use and misuse: an app in a process of its own, run by the compiled
 * command line, is called in every way at once, by callers that disconnect, read slowly, send nothing, send garbage or
 * offer unknown protocols.
 *
 * A first part warms it up. After the callers have disconnected and garbage is collected, its memory, descriptors and
 * handles are the reference for the end: no more descriptors or handles, and no more heap than noise. At the end it
 * gets SIGTERM under load, and has to exit by itself with 0.
 *
 * Durations have no target.
 * @module
 */
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { progress, runBenchmark } from "./lib/benchmark.ts";
import { atLeast, atMost, information, type Row } from "./lib/row.ts";
import { StagedPackage } from "./lib/staged-package.ts";
import { slope } from "./lib/statistics.ts";
import { callAll, KINDS, type CallResults, type Target } from "./soak/callers.ts";
import { SoakedServer, surplusHandles, type Held } from "./soak/soaked-server.ts";

const SECONDS = 60;
const QUICK_SECONDS = 12;
/** The share of the time for the warm-up. */
const WARM_UP = 0.3;
/** The allowed growth of the heap: code is compiled and caches grow after the warm-up. In MiB. */
const HEAP_TARGET = 4;
/** The allowed growth of resident memory, which includes memory that the runtime keeps for reuse. In MiB. */
const RESIDENT_TARGET = 64;
/** The duration above which the slope of the resident memory shows leaks rather than noise, in seconds. */
const STEADY_SECONDS = 600;
/** The allowed slope of the resident memory, in MiB per minute. */
const SLOPE_TARGET = 3;
const MIB = 2 ** 20;

await runBenchmark({
  name: "soak",
  summary: "What a server loses under a mixed, hostile load: wrong answers, memory, descriptors, handles.",
  seconds: SECONDS,
  measure: async ({ quick, seconds = quick ? QUICK_SECONDS : SECONDS }) => {
    progress("compiling the package");
    await using staged = await StagedPackage.create();
    await staged.linkDependencies();
    await copyFile(fileURLToPath(new URL("soak/app.ts", import.meta.url)), join(staged.folder, "app.ts"));
    await using server = await SoakedServer.start(
      join(staged.folder, "dist/cli/main.js"),
      "app.ts",
      staged.folder,
    );
    // `await` keeps the server running until the soak is done.
    return await soak(server, seconds);
  },
});

async function soak(server: SoakedServer, seconds: number): Promise<Row[]> {
  const results: CallResults = { right: new Map(), wrong: [], wrongs: 0 };
  progress(`warming up for ${Math.round(seconds * WARM_UP)} s`);
  await load(server, results, seconds * WARM_UP);
  const before = await settled(server);
  progress(`callers of every kind for ${Math.round(seconds * (1 - WARM_UP))} s`);
  const samples = await load(server, results, seconds * (1 - WARM_UP));
  const after = await server.held(before);
  progress("SIGTERM in the midst of the load");
  const code = await stopUnderLoad(server, results);
  for (const line of results.wrong) progress(`wrong: ${line}`);
  for (const [kind, count] of results.right) progress(`${kind}: ${count}`);
  return rowsOf(results, before, after, samples, seconds, code);
}

/** Calls for `seconds`. Returns samples of the resident memory. */
async function load(
  server: SoakedServer,
  results: CallResults,
  seconds: number,
): Promise<readonly (readonly [minute: number, mib: number])[]> {
  const target: Target = {
    port: server.port,
    over: AbortSignal.timeout(Math.round(seconds * 1000)),
    isStopping: false,
  };
  const samples: (readonly [number, number])[] = [];
  const started = performance.now();
  const sampling = setInterval(() => {
    const bytes = server.residentBytes();
    if (bytes !== undefined) samples.push([(performance.now() - started) / 60_000, bytes / MIB]);
  }, 500);
  await callAll(target, results);
  clearInterval(sampling);
  return samples;
}

/** Memory, descriptors and handles once they no longer decrease. */
async function settled(server: SoakedServer): Promise<Held> {
  let held = await server.held();
  for (let quiet = 0; quiet < 6;) {
    await sleep(250);
    const next = await server.held();
    const isLess = (next.descriptors ?? 0) < (held.descriptors ?? 0) || surplusHandles(held, next) > 0;
    quiet = isLess ? 0 : quiet + 1;
    held = next;
  }
  return held;
}

async function stopUnderLoad(server: SoakedServer, results: CallResults): Promise<number | null> {
  const over = new AbortController();
  const target: Target = { port: server.port, over: over.signal, isStopping: false };
  const calls = callAll(target, results);
  await sleep(500);
  target.isStopping = true;
  server.kill("SIGTERM");
  const code = await server.ended;
  over.abort();
  await calls;
  return code;
}

function rowsOf(
  results: CallResults,
  before: Held,
  after: Held,
  samples: readonly (readonly [minute: number, mib: number])[],
  seconds: number,
  code: number | null,
): Row[] {
  const calls = [...results.right.values()].reduce((sum, count) => sum + count, 0);
  const rows = [
    information("calls, sockets and connections", calls, "calls"),
    atLeast("kinds of caller that got through", results.right.size, "kinds", KINDS),
    atMost("wrong answers", results.wrongs, "answers", 0),
    atMost(
      "growth of the heap, garbage collected",
      (after.heapUsed - before.heapUsed) / MIB,
      "MiB",
      HEAP_TARGET,
    ),
    atMost("growth of the resident memory", (after.rss - before.rss) / MIB, "MiB", RESIDENT_TARGET),
    atMost("handles that are left", surplusHandles(after, before), "handles", 0),
    // An exit by a signal has no code.
    atMost("exit code after SIGTERM under load", code ?? 255, "code", 0),
  ];
  if (after.descriptors !== undefined && before.descriptors !== undefined) {
    rows.push(
      atMost("descriptors that are left", Math.max(0, after.descriptors - before.descriptors), "files", 0),
    );
  }
  if (samples.length > 10) {
    // The runtime's own memory settles during the first half.
    const steepness = slope(samples.slice(samples.length >> 1));
    const name = "slope of the resident memory under load";
    rows.push(
      seconds >= STEADY_SECONDS
        ? atMost(name, steepness, "MiB/min", SLOPE_TARGET)
        : information(name, steepness, "MiB/min"),
    );
  }
  return rows;
}
