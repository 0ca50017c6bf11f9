import assert from "node:assert/strict";
import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, readSync, rmSync, statSync, watch } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { cleanEnvironment, cliCommand, createProject } from "../helpers/cli.ts";
import { mountTinyDisk, StalledPipe } from "../helpers/broken-outputs.ts";
import { freePort } from "../helpers/free-port.ts";

/** An app that prints the requested amount in every possible way. It writes its address to a file: its output may be broken. */
const SOURCE = `import { App, endpoint } from "servable";
import { renameSync, writeFileSync } from "node:fs";
import { Type } from "typebox";
const Print = Type.Object({ by: Type.String(), lines: Type.Integer(), size: Type.Integer() });
export class Printer extends App {
  async *lifespan(server) {
    server.addHook("onListen", (done) => {
      writeFileSync("address.tmp", String(server.server.address().port));
      renameSync("address.tmp", "address");
      done();
    });
    yield* super.lifespan(server);
  }
  @endpoint("/print", { input: Print })
  print({ by, lines, size }, ctx) {
    const text = "x".repeat(size);
    for (let line = 0; line < lines; line++) {
      if (by === "log") ctx.log.info(text);
      else if (by === "console") console.log(text);
      else if (by === "stdout") process.stdout.write(text + "\\n");
      else if (by === "stderr") process.stderr.write(text + "\\n");
      else console.error(text);
    }
    return { memory: process.memoryUsage().rss };
  }
}
`;

const WAYS = ["log", "console", "stdout", "stderr", "error"];

interface Printer {
  readonly child: ChildProcess;
  readonly folder: string;
  /** Prints `lines` lines of `size` characters; returns the process's memory afterwards, in bytes. */
  print(by: string, lines: number, size: number): Promise<number>;
  /** The number of dropped lines, read from its metrics. */
  dropped(): Promise<number>;
  /** Sends SIGTERM and returns the exit code. */
  stop(): Promise<number | null>;
}

async function start(stdio: StdioOptions, flags: readonly string[] = [], shell = ""): Promise<Printer> {
  const folder = createProject({ "app.ts": SOURCE });
  const metricsPort = await freePort();
  const port = await freePort();
  const ports = ["--port", String(port), "--metrics-port", String(metricsPort)];
  const command = [...cliCommand(), "run", "app.ts", ...ports, ...flags];
  const [program = "", ...args] =
    shell === "" ? command : ["sh", "-c", `exec "$@" ${shell}`, "sh", ...command];
  const child = spawn(program, args, { cwd: folder, env: cleanEnvironment(), stdio });
  const ended = once(child, "exit");
  after(() => child.kill("SIGKILL"));
  await appears(join(folder, "address"), ended);
  const ask = async (url: string, init: RequestInit = {}): Promise<string> => {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(60_000) });
    assert.equal(response.status, 200);
    return response.text();
  };
  return {
    child,
    folder,
    print: async (by, lines, size) => {
      const init = { method: "POST", headers: { "content-type": "application/json" } };
      const body = JSON.stringify({ by, lines, size });
      return Number(JSON.parse(await ask(`http://127.0.0.1:${port}/print`, { ...init, body })).memory);
    },
    dropped: async () => {
      const text = await ask(`http://127.0.0.1:${metricsPort}/metrics`);
      return Number(/^servable_log_lines_dropped_total (\d+)$/m.exec(text)?.[1]);
    },
    stop: async () => {
      child.kill("SIGTERM");
      const [exitCode] = (await ended) as [number | null];
      return exitCode;
    },
  };
}

/** Resolves once a file exists. */
async function appears(path: string, ended: Promise<unknown>): Promise<void> {
  const watcher = watch(join(path, ".."));
  const over = ended.then(() => assert.fail("the app ended before it listened"));
  over.catch(() => {});
  while (!existsSync(path)) await Promise.race([once(watcher, "change"), over]);
  watcher.close();
}

/** Prints many lines in every way, then stops: every call is answered and the exit code is 0. */
async function servesAndStops(printer: Printer, { drops }: { drops: boolean }): Promise<void> {
  for (const by of WAYS) await printer.print(by, 300, 1_000);
  if (drops) assert.ok((await printer.dropped()) > 0, "what was dropped is counted");
  assert.equal(await printer.stop(), 0);
}

function opened(path: string, flags = "w"): number {
  const fd = openSync(path, flags);
  after(() => closeSync(fd));
  return fd;
}

for (const flags of [[], ["--log-format", "pretty"], ["--watch"]]) {
  const how = flags.join(" ") || "JSON lines";
  test(`full disk under stdout and stderr (/dev/full), ${how}: serves, counts dropped lines, exits with 0`, async (t) => {
    if (!existsSync("/dev/full")) return t.skip("this system has no /dev/full");
    const full = opened("/dev/full");
    const printer = await start(["ignore", full, full], flags);
    await servesAndStops(printer, { drops: true });
  });

  test(`closed readers of stdout and stderr (EPIPE), ${how}: serves, counts dropped lines, exits with 0`, async () => {
    const pipe = new StalledPipe();
    const printer = await start(["ignore", pipe.writeFd, pipe.writeFd], flags);
    pipe.leave();
    await servesAndStops(printer, { drops: true });
  });

  test(`a reader that stops reading, ${how}: serves, buffers a bounded amount, exits with 0`, async () => {
    const pipe = new StalledPipe();
    const printer = await start(["ignore", pipe.writeFd, pipe.writeFd], flags);
    const before = await printer.print("log", 100, 1_000);
    let memory = 0;
    for (let round = 0; round < 40; round++) {
      for (const by of WAYS) memory = await printer.print(by, 1_000, 1_000);
    }
    // 200 MB have been printed.
    assert.ok(memory - before < 120e6, `${memory - before} bytes are held`);
    await servesAndStops(printer, { drops: true });
  });
}

test("a socket as stdout whose reader stops reading: serves and exits with 0", async () => {
  const printer = await start(["ignore", "pipe", "pipe"]); // Node's pipes to children are sockets
  for (let round = 0; round < 5; round++) await printer.print("log", 1_000, 1_000);
  await servesAndStops(printer, { drops: true });
});

test("closed stdout and stderr: serves and exits with 0", async () => {
  const printer = await start(["ignore", "ignore", "ignore"], [], ">&- 2>&-");
  await servesAndStops(printer, { drops: false }); // Node opens /dev/null instead
});

test("a terminal that is never read: log lines are dropped, the process exits with 0", async (t) => {
  if (process.platform !== "linux") return t.skip("a terminal is made by Python's pty on Linux");
  const folder = createProject({ "app.ts": SOURCE });
  const port = await freePort();
  const command = [...cliCommand(), "run", "app.ts", "--port", String(port), "--no-metrics"];
  // The terminal's other side stays open and never reads.
  const python = `import os, pty, subprocess, sys
master, slave = pty.openpty()
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=slave, stderr=slave)
sys.stdin.readline()
child.terminate()
sys.exit(child.wait())`;
  const stdio = ["pipe", "ignore", "inherit"] as const;
  const child = spawn("python3", ["-c", python, ...command], {
    cwd: folder,
    env: cleanEnvironment(),
    stdio: [...stdio],
  });
  const ended = once(child, "exit");
  after(() => child.kill("SIGKILL"));
  try {
    await once(child, "spawn");
  } catch {
    return t.skip("there is no python3");
  }
  await appears(join(folder, "address"), ended);
  for (let round = 0; round < 20; round++) {
    const response = await fetch(`http://127.0.0.1:${port}/print`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ by: "log", lines: 100, size: 1_000 }),
      signal: AbortSignal.timeout(60_000),
    });
    assert.equal(response.status, 200);
  }
  child.stdin?.end("\n");
  assert.deepEqual((await ended)[0], 0);
});

test("after a full disk has room again, one line says how many were dropped, and no later line is torn", async (t) => {
  const disk = mountTinyDisk(64);
  if (disk === undefined) return t.skip("this process may not mount a file system");
  const filler = join(disk, "filler");
  const log = join(disk, "log");
  const printer = await start(["ignore", opened(log, "a"), "ignore"]);
  const fill = opened(filler);
  const { writeSync } = await import("node:fs");
  assert.throws(() => {
    for (;;) writeSync(fill, Buffer.alloc(1_000));
  }, /ENOSPC/);
  await printer.print("log", 50, 1_000);
  const dropped = await printer.dropped();
  assert.ok(dropped > 0 && dropped <= 50);
  const changed = watch(disk);
  rmSync(filler);
  const { ftruncateSync } = await import("node:fs");
  ftruncateSync(fill, 0);
  while (!readFileSync(log, "utf8").includes("were dropped")) await once(changed, "change");
  changed.close();
  await printer.print("log", 1, 10);
  assert.equal(await printer.stop(), 0);
  const lines = readFileSync(log, "utf8").trimEnd().split("\n");
  const parsed = lines.filter((line) => {
    try {
      return JSON.parse(line) !== null;
    } catch {
      return false;
    }
  });
  assert.ok(lines.length - parsed.length <= 1, "at most the line that met the full disk is torn");
  const notices = parsed.map((line) => JSON.parse(line) as { msg: string; level: number });
  const notice = notices.find(({ msg }) => msg.includes("dropped"));
  assert.deepEqual([notice?.msg, notice?.level], [`${dropped} log lines were dropped`, 40]);
  assert.ok(
    notices.some(({ msg }) => msg === "x".repeat(10)),
    "later lines are written",
  );
  assert.ok(statSync(log).size > 0);
});

test("a reader that catches up gets every kept line, in order, and the number of dropped ones", async () => {
  const pipe = new StalledPipe();
  const printer = await start(["ignore", pipe.writeFd, "ignore"]);
  for (let round = 0; round < 4; round++) await printer.print("log", 500, 1_000);
  const dropped = await printer.dropped();
  assert.ok(dropped > 0);
  const buffer = Buffer.alloc(65_536);
  let text = "";
  const readAll = async (): Promise<void> => {
    while (!/"\d+ log lines were dropped"/.test(text)) {
      text += buffer.toString("utf8", 0, readSync(pipe.readFd, buffer));
    }
  };
  await readAll();
  const lines = text.slice(0, text.lastIndexOf("\n")).split("\n");
  const messages = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
  assert.equal(messages.at(-1), `${dropped} log lines were dropped`);
  assert.equal(messages.filter((message) => message.startsWith("xxx")).length, 2_000 - dropped);
  assert.equal(await printer.stop(), 0);
});
