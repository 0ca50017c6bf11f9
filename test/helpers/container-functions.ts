/**
 * Functions that run in containers, for the tests. They have a module of their own, since the whole module is sent.
 * @module
 */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import { currentRun, fn } from "../../src/index.ts";
import { TEST_IMAGE } from "./container-image.ts";

const image = TEST_IMAGE;
const keepAlive = 1;

export const greet = fn({ image, keepAlive, requirements: ["greeting@1.0.0"] }, async (name: string) => {
  const specifier = "greeting";
  const { greeting } = (await import(specifier)) as { greeting: string };
  return `${greeting}, ${name}`;
});

export const echo = fn({ image, keepAlive, maxConcurrency: 1 }, (value: unknown) => value);

export const describeSurroundings = fn({ image, keepAlive, env: ["LISTED_VARIABLE"] }, () => ({
  pid1: readFileSync("/proc/1/cmdline", "utf8").split("\0")[1],
  environment: { ...process.env },
  user: process.getuid?.(),
  seesThisMachine: existsSync("/work") || existsSync("/etc/os-release"),
}));

export const print = fn({ image, keepAlive }, async (lines: number) => {
  for (let line = 1; line <= lines; line++) {
    console.log(`out ${line}`);
    console.error(`err ${line}`);
  }
  // A direct write may fail while Node has pending writes to the same descriptor.
  await new Promise((resolve) => process.stdout.write("", resolve));
  writeSync(1, Buffer.from([0, 0, 0, 4, 0xf6, 0xfc, 0x0a]));
  writeSync(1, "straight to the descriptor\n");
  return "done";
});

export const fail = fn({ image, keepAlive }, (): never => {
  throw new RangeError("too far", { cause: new TypeError("the cause") });
});

export const waitForAbort = fn({ image, keepAlive, maxConcurrency: 1 }, async (isObedient: boolean) => {
  console.log("started");
  if (!isObedient) for (;;);
  const { signal } = currentRun();
  await once(signal, "abort");
  return "stopped";
});

export const processNumber = fn({ image, keepAlive, maxConcurrency: 1 }, async (waits: boolean) => {
  if (waits) {
    console.log("started");
    await new Promise((resolve) => setTimeout(resolve, 600_000));
  }
  return process.pid;
});

export const grow = fn({ image, keepAlive, memoryLimitMb: 128 }, (megabytes: number) => {
  const all: Buffer[] = [];
  for (let count = 0; count < megabytes; count++) all.push(Buffer.alloc(1e6, 1));
  return all.length;
});

export const growElsewhere = fn({ image, keepAlive, memoryLimitMb: 160 }, () => {
  const { signal } = spawnSync(process.execPath, [
    "-e",
    "const all = []; for (;;) all.push(Buffer.alloc(1e7, 1))",
  ]);
  return signal;
});

/** A function that listens by itself, on the port given when it is defined. */
export const listener = fn({ image, keepAlive, exposedPort: 47_831 }, async () => {
  const server = createServer((_request, response) => response.end("by itself")).listen(47_831, "0.0.0.0");
  await once(server, "listening");
  console.log("listening");
  await once(currentRun().signal, "abort");
  server.close();
});
