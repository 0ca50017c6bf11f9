/**
 * The time of a cold start on the platform: from the first request to an app without runners to its answer, beside the
 * time that the same app needs by itself, from the start of its process to its first answer.
 *
 * Both take turns, and the target applies to the median of the differences. The app is deployed before: the platform has
 * its files and packages. A burst of 50 requests to the app without runners is timed the same way, until its last answer.
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { progress, runBenchmark } from "./lib/benchmark.ts";
import { PlatformProcess } from "./lib/platform-process.ts";
import { atMost, information, type Row } from "./lib/row.ts";
import { ROOT, StagedPackage } from "./lib/staged-package.ts";
import { median, quantile } from "./lib/statistics.ts";

/** The maximum time that the platform adds to an app's own start, in ms. */
const ADDED_TARGET_MS = 400;
const BURST = 50;
const BODY = '{"name":"Ada"}';

const typebox = pathToFileURL(join(ROOT, "node_modules/typebox/build/index.mjs")).href;
const APP = `
import { Type } from "${typebox}";
import { App, endpoint } from "servable";
const Greeting = Type.Object({ name: Type.String() });
export default class Cold extends App {
  static maxMultiplexing = 50;
  static keepAlive = 1;
  @endpoint("/", { input: Greeting, output: Greeting })
  answer(input) { return input; }
}
`;

await runBenchmark({
  name: "coldstart",
  summary: "The first answer of an app without runners on the platform, beside the app's own start.",
  quickDuration: "about a minute",
  measure: async ({ quick }) => {
    progress("compiling the package");
    await using staged = await StagedPackage.create();
    await staged.linkDependencies();
    progress("starting a platform, and deploying an app");
    await using platform = await PlatformProcess.start(staged, { "app.ts": APP });
    await platform.run("deploy", "app.ts", "--app-name", "cold");
    const own: number[] = [];
    const cold: number[] = [];
    const bursts: number[] = [];
    for (let round = 1; round <= (quick ? 3 : 15); round++) {
      progress(`round ${round}: the app by itself, a first request, a burst`);
      own.push(await ownStart(platform));
      await withoutRunners(platform);
      cold.push(await timed(() => call(platform)));
      await withoutRunners(platform);
      bursts.push(await timed(() => Promise.all(Array.from({ length: BURST }, () => call(platform)))));
    }
    return rowsOf({ own, cold, bursts });
  },
});

interface Times {
  readonly own: readonly number[];
  readonly cold: readonly number[];
  readonly bursts: readonly number[];
}

function rowsOf({ own, cold, bursts }: Times): Row[] {
  const added = (times: readonly number[]): number =>
    median(times.map((time, round) => time - (own[round] as number)));
  return [
    atMost("first answer − the app's own start", added(cold), "ms", ADDED_TARGET_MS),
    atMost(`last answer of a burst of ${BURST} − the app's own start`, added(bursts), "ms", ADDED_TARGET_MS),
    information("the app's own start, p50", median(own), "ms"),
    information("first answer, p50", median(cold), "ms"),
    information("first answer, slowest tenth", quantile(cold, 0.9), "ms"),
  ];
}

/** The time from the start of the app's process to its first answer, in ms. */
async function ownStart(platform: PlatformProcess): Promise<number> {
  const started = performance.now();
  const program = platform.pathOf("node_modules/servable/dist/cli/main.js");
  const address = ["--host", "127.0.0.1", "--port", "0", "--metrics-port", "0", "--log-format", "json"];
  const child = spawn(process.execPath, [program, "run", platform.pathOf("app.ts"), ...address], {
    env: { ...process.env, NODE_ENV: "production" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  try {
    for await (const line of createInterface(child.stdout)) {
      const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(line) ?? [];
      if (url === undefined) continue;
      await post(url, {});
      return performance.now() - started;
    }
    throw new Error("The app ended before it listened.");
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}

/** Ends the runners of the app, and waits until it has none. */
async function withoutRunners(platform: PlatformProcess): Promise<void> {
  for (;;) {
    const list = JSON.parse(await platform.run("runners", "list", "--json")) as { runner_id: string }[];
    if (list.length === 0) return;
    for (const { runner_id: id } of list) await platform.run("runners", "stop", id).catch(() => {}); // it may end by itself
    await delay(200);
  }
}

async function call(platform: PlatformProcess): Promise<void> {
  await post(`${platform.url}/me/cold`, { authorization: platform.authorization });
}

async function post(url: string, headers: Readonly<Record<string, string>>): Promise<void> {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: BODY,
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`The app answered ${answer.status}: ${text}`);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}
