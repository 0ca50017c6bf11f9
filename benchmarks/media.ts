/**
 * Pictures in and out, beside Fastify routes that do the same by hand: a JPEG of about 200 KB comes as a data URI, by URL
 * and as an upload, and is stored in each storage. The handler makes a thumbnail with sharp.
 *
 * Each server runs in a process of its own, and so does the host of the picture, which also takes what `s3` and `fal`
 * send. The servers take turns. The targets apply to the median of the ratios of requests per second, and to the processor
 * time in the quiet fifth of each server's rounds, which other work on the machine changes least: see `overhead.ts`.
 *
 * The memory is the largest resident memory of each server's process after all of its requests.
 * @module
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { progress, runBenchmark } from "./lib/benchmark.ts";
import { sendLoad, type Load, type Round } from "./lib/load.ts";
import { RivalPackages } from "./lib/rival-packages.ts";
import { atLeast, atMost, information, type Row } from "./lib/row.ts";
import { ServerGroup } from "./lib/server-group.ts";
import { StagedPackage } from "./lib/staged-package.ts";
import { median, quantile } from "./lib/statistics.ts";

/** The required share of the requests per second of the routes by hand. */
const TARGET = 0.9;
/** The maximum memory, as a multiple of that of the routes by hand. */
const MEMORY_TARGET = 1.5;

/** The share of rounds that are taken as undisturbed by other programs. */
const QUIET_SHARE = 0.2;

const QUICK = { rounds: 6, warmUps: 2, requests: 40 };
const FULL = { rounds: 25, warmUps: 4, requests: 120 };
/** Pictures at a time. */
const CONNECTIONS = 16;

const BARE = "fastify-media";
const OURS = "servable-media";

const WIDTH = 1280;
const HEIGHT = 960;

/** Keys that the servers of the benchmark do not check. */
const ENVIRONMENT = { AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "secret", FAL_KEY: "key:secret" };

interface Case {
  readonly name: string;
  readonly storage: string;
  readonly load: Omit<Load, "requests" | "connections">;
}

/** The part of sharp that is used here. */
type Sharp = (options: object) => { jpeg(options: object): { toBuffer(): Promise<Buffer> } };

await runBenchmark({
  name: "media",
  summary: "Pictures in by data URI, URL and upload, and out by each storage, beside Fastify routes by hand.",
  measure: async ({ quick }) => {
    const plan = quick ? QUICK : FULL;
    progress("installing sharp and @fastify/multipart, compiling the package and the servers");
    await using rivals = await RivalPackages.install("sharp@0.35.5", "@fastify/multipart@10");
    const folder = await mkdtemp(join(tmpdir(), "servable-bench-media-"));
    try {
      const picture = await drawPicture(rivals.load("sharp") as Sharp);
      await writeFile(join(folder, "picture.jpg"), picture);
      Object.assign(process.env, ENVIRONMENT, { BENCHMARK_MEDIA: folder });
      await using staged = await StagedPackage.create();
      await staged.linkDependencies();
      const programs = await staged.compilePrograms(fileURLToPath(new URL("servers", import.meta.url)));
      await using hosts = new ServerGroup(programs);
      const host = await hosts.get("file-host");
      Object.assign(process.env, { FAL_REST_HOST: host.url });
      const rows: Row[] = [];
      for (const each of casesOf(picture, host.url)) {
        progress(`${each.name}: ${plan.rounds} rounds`);
        rows.push(...(await measureCase(programs, host.url, each, plan)));
      }
      return rows;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
});

/** A JPEG of about 200 KB: noise has more details than a photo, and so fewer pixels suffice. */
function drawPicture(sharp: Sharp): Promise<Buffer> {
  const noise = { type: "gaussian", mean: 128, sigma: 18 };
  return sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background: "gray", noise } })
    .jpeg({ quality: 70 })
    .toBuffer();
}

function casesOf(picture: Buffer, host: string): Case[] {
  const json = (image: string): Case["load"] => ({ path: "/shrink", body: JSON.stringify({ image }) });
  const drawn = (storage: string): Case => ({
    name: `out by ${storage}`,
    storage,
    load: { path: "/draw", body: "{}" },
  });
  return [
    {
      name: "in by data URI",
      storage: "data",
      load: json(`data:image/jpeg;base64,${picture.toString("base64")}`),
    },
    { name: "in by URL", storage: "data", load: json(`${host}/picture.jpg`) },
    { name: "in by multipart", storage: "data", load: uploadOf(picture) },
    ...["data", "local", "s3", "fal"].map(drawn),
  ];
}

function uploadOf(picture: Buffer): Case["load"] {
  const head =
    '--limit\r\nContent-Disposition: form-data; name="image"; filename="picture.jpg"\r\nContent-Type: image/jpeg\r\n\r\n';
  return {
    path: "/shrink-upload",
    headers: { "content-type": "multipart/form-data; boundary=limit" },
    body: Buffer.concat([Buffer.from(head), picture, Buffer.from("\r\n--limit--\r\n")]),
  };
}

async function measureCase(
  programs: string,
  host: string,
  { name, storage, load }: Case,
  plan: typeof FULL,
): Promise<Row[]> {
  await using servers = new ServerGroup(programs);
  const rounds = new Map<string, Round[]>([
    [BARE, []],
    [OURS, []],
  ]);
  for (let round = -plan.warmUps; round < plan.rounds; round++) {
    for (const [program, list] of round % 2 === 0 ? rounds : [...rounds].toReversed()) {
      const server = await servers.get(program, storage, host);
      const played = await sendLoad(server, { ...load, requests: plan.requests, connections: CONNECTIONS });
      if (round >= 0) list.push(played);
    }
  }
  const [bare = [], ours = []] = [rounds.get(BARE), rounds.get(OURS)];
  const peak = async (program: string): Promise<number> =>
    (await (await servers.get(program, storage, host)).usage()).peakMemoryBytes / 1e6;
  const ratio = (quality: (round: Round) => number): number =>
    median(ours.map((round, index) => quality(round) / quality(bare[index] as Round)));
  const quiet = (all: readonly Round[]): number =>
    quantile(
      all.map(({ cpuMicros }) => cpuMicros),
      QUIET_SHARE,
    );
  const [ourPeak, barePeak] = [await peak(OURS), await peak(BARE)];
  return [
    atLeast(
      `${name}: servable / Fastify by hand, by requests per second`,
      ratio(({ requestsPerSecond }) => requestsPerSecond),
      "ratio",
      TARGET,
    ),
    atLeast(
      `${name}: servable / Fastify by hand, by CPU per request in quiet rounds`,
      quiet(bare) / quiet(ours),
      "ratio",
      TARGET,
    ),
    atMost(`${name}: peak memory, servable / Fastify by hand`, ourPeak / barePeak, "ratio", MEMORY_TARGET),
    information(
      `${name}: servable`,
      median(ours.map(({ requestsPerSecond }) => requestsPerSecond)),
      "requests/s",
    ),
    information(`${name}: peak memory of servable`, ourPeak, "MB"),
  ];
}
