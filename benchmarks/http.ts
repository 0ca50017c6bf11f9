/**
 * Large uploads: a multipart body of 100 MB, beside bare Fastify with @fastify/multipart. Both store the file in a
 * temporary file. Each server runs in a process of its own; they take turns, and the target applies to the median of
 * the ratios of the processor time of one upload.
 *
 * The growth of memory is the largest resident memory of the server's process after all uploads, above the memory
 * after a first small upload.
 * @module
 */
import { once } from "node:events";
import { request as startRequest, type IncomingMessage } from "node:http";
import { fileURLToPath } from "node:url";
import { progress, runBenchmark } from "./lib/benchmark.ts";
import { RivalPackages } from "./lib/rival-packages.ts";
import { atLeast, atMost, information, type Row } from "./lib/row.ts";
import { ServerGroup } from "./lib/server-group.ts";
import type { ServerProcess } from "./lib/server-process.ts";
import { StagedPackage } from "./lib/staged-package.ts";
import { median } from "./lib/statistics.ts";

const FILE_BYTES = 100_000_000;
const SMALL_BYTES = 1_000;
/** The maximum growth of memory: less than a file, with room for the garbage of a busy process. */
const MEMORY_TARGET_MB = 64;
/** The required share of bare Fastify's uploads, at equal processor time. */
const TARGET = 0.9;

const QUICK = { rounds: 4 };
const FULL = { rounds: 15 };

const BARE = "fastify-multipart";
const OURS = "servable-multipart";

/** One upload, in ms. */
interface Upload {
  readonly cpuMs: number;
  readonly wallMs: number;
}

await runBenchmark({
  name: "http",
  summary: "Time and memory of uploads of 100 MB beside bare Fastify with @fastify/multipart.",
  measure: async ({ quick }) => {
    const { rounds } = quick ? QUICK : FULL;
    progress("installing @fastify/multipart, compiling the package and the servers");
    await using _rivals = await RivalPackages.install("@fastify/multipart@10");
    await using staged = await StagedPackage.create();
    await staged.linkDependencies();
    await using servers = new ServerGroup(
      await staged.compilePrograms(fileURLToPath(new URL("servers", import.meta.url))),
    );
    const idle = new Map<string, number>();
    const uploads = new Map<string, Upload[]>([
      [BARE, []],
      [OURS, []],
    ]);
    for (const name of uploads.keys()) {
      const server = await servers.get(name);
      await send(server.url, SMALL_BYTES);
      idle.set(name, (await server.usage()).memoryBytes);
    }
    progress(`${rounds} rounds of one upload to each server`);
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? [...uploads] : [...uploads].toReversed();
      for (const [name, list] of order) list.push(await measureUpload(await servers.get(name)));
    }
    const growthMb = async (name: string): Promise<number> =>
      ((await (await servers.get(name)).usage()).peakMemoryBytes - (idle.get(name) ?? 0)) / 1e6;
    return rowsOf(uploads, await growthMb(OURS), await growthMb(BARE));
  },
});

async function measureUpload(server: ServerProcess): Promise<Upload> {
  const before = await server.usage();
  const startedAt = performance.now();
  await send(server.url, FILE_BYTES);
  const wallMs = performance.now() - startedAt;
  return { wallMs, cpuMs: ((await server.usage()).cpuMicros - before.cpuMicros) / 1000 };
}

/** Sends a file of so many bytes, piece by piece. @throws Error if the server answers anything but its size */
async function send(url: string, bytes: number): Promise<void> {
  const head =
    '--limit\r\nContent-Disposition: form-data; name="file"; filename="file.bin"\r\n' +
    "Content-Type: application/octet-stream\r\n\r\n";
  const tail = "\r\n--limit--\r\n";
  const request = startRequest(url, {
    method: "POST",
    headers: {
      "content-type": "multipart/form-data; boundary=limit",
      "content-length": head.length + bytes + tail.length,
    },
  });
  const answered = once(request, "response") as Promise<[IncomingMessage]>;
  request.write(head);
  const piece = Buffer.alloc(64 * 1024, "x");
  for (let sent = 0; sent < bytes; sent += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, bytes - sent));
    if (!request.write(part)) await Promise.race([once(request, "drain"), answered]);
  }
  request.end(tail);
  const [response] = await answered;
  let text = "";
  for await (const chunk of response) text += String(chunk);
  if (text !== JSON.stringify({ size: bytes })) throw new Error(`answered ${response.statusCode} ${text}`);
}

function rowsOf(uploads: ReadonlyMap<string, readonly Upload[]>, ourMb: number, bareMb: number): Row[] {
  const [bare = [], ours = []] = [uploads.get(BARE), uploads.get(OURS)];
  const ratio = (quality: (upload: Upload) => number): number =>
    median(ours.map((upload, round) => quality(bare[round] as Upload) / quality(upload)));
  const what = "multipart of 100 MB";
  return [
    atLeast(
      `${what}: servable / bare Fastify, by processor time`,
      ratio(({ cpuMs }) => cpuMs),
      "ratio",
      TARGET,
    ),
    atMost(`${what}: growth of servable's peak memory`, ourMb, "MB", MEMORY_TARGET_MB),
    information(`${what}: growth of bare Fastify's peak memory`, bareMb, "MB"),
    information(
      `${what}: servable / bare Fastify, by time`,
      ratio(({ wallMs }) => wallMs),
      "ratio",
    ),
    information(`${what}: time with servable`, median(ours.map(({ wallMs }) => wallMs)), "ms"),
    information(`${what}: time with bare Fastify`, median(bare.map(({ wallMs }) => wallMs)), "ms"),
  ];
}
