import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { FalServerlessError, RequestCancelledException, type LogEntry } from "../../src/index.ts";
import { ContainerProcess } from "../../src/hosts/local/container/container-process.ts";
import { writeBridge } from "../../src/hosts/local/container/bridge-program.ts";
import type { ContainerEngine } from "../../src/packaging/container-engine.ts";
import { runEngineProgram } from "../helpers/engine-program.ts";
import { findImage } from "../../src/hosts/local/container/image.ts";
import type { WorkerEnd } from "../../src/processes/worker-channel.ts";
import { OUT_OF_MEMORY } from "../../src/functions/runner/protocol.ts";
import {
  containerGone,
  containersOf,
  createUserImage,
  importImage,
  prepareContainers,
  withoutContainers,
} from "../helpers/container-base.ts";
import * as functions from "../helpers/container-functions.ts";
import { serveGreeting } from "../helpers/container-served.ts";
import { TEST_IMAGE } from "../helpers/container-image.ts";
import { NpmRegistry } from "../helpers/npm-registry.ts";

/** Images that the tests make, besides the one that all of them run in. */
const IMAGES = {
  empty: "localhost/servable-test-empty:1",
  renamed: "localhost/servable-test-renamed:1",
  user: "localhost/servable-test-user:1",
} as const;

describe("functions in containers", { skip: withoutContainers }, () => {
  const folder = mkdtempSync(join(tmpdir(), "servable-containers-"));
  const registry = "npm_config_registry";
  let engine: ContainerEngine;
  let npm: NpmRegistry;

  before(async () => {
    process.env["SERVABLE_CACHE_DIR"] = folder;
    engine = await prepareContainers();
    npm = await NpmRegistry.start({
      greeting: { "1.0.0": { files: { "index.js": 'exports.greeting = "Good day";' } } },
    });
  });

  after(async () => {
    await npm[Symbol.asyncDispose]();
    await Promise.all((await containersOf(engine)).map((name) => containerGone(engine, name)));
    await runEngineProgram(engine.command, ["rmi", "--force", ...Object.values(IMAGES)]);
    rmSync(folder, { recursive: true, force: true });
  });

  /** The first line that a run prints. */
  async function firstLine(logs: AsyncIterable<LogEntry>): Promise<string> {
    for await (const { message, source } of logs) if (source === "USER") return message;
    return assert.fail("nothing was printed");
  }

  async function containerOf(name: string): Promise<string> {
    const [container, ...others] = await containersOf(engine, name);
    assert.ok(container !== undefined && others.length === 0);
    return container;
  }

  test("a function has its required packages, installed by the image's npm", async () => {
    process.env[registry] = npm.url;
    try {
      const { logs, result } = functions.greet.spawn("container");
      const lines: LogEntry[] = [];
      for await (const entry of logs) lines.push(entry);
      assert.equal(await result, "Good day, container");
      assert.deepEqual(
        lines
          .filter(({ source }) => source === "BUILDER")
          .map(({ message }) => message.replace(/[\d.]+ ?m?s$/, "…")),
        ["installing greeting@1.0.0", "added 1 package in …", "installed greeting@1.0.0 in …"],
      );
      assert.equal(await functions.greet("again"), "Good day, again");
    } finally {
      delete process.env[registry];
    }
  });

  test("every cloneable value is passed in both directions", async () => {
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    const value = {
      map: new Map<unknown, unknown>([["day", new Date(0)]]),
      set: new Set([1n, 2n ** 70n]),
      floats: new Float64Array([1.5, Number.NaN]),
      buffer: Buffer.from("bytes"),
      error: new RangeError("far", { cause: new Error("why") }),
      nothing: undefined,
      cycle,
    };
    const returned = (await functions.echo(value)) as typeof value;
    assert.deepEqual(returned, value);
    assert.equal((returned.error.cause as Error).message, "why");
    assert.equal(returned.cycle.self, returned.cycle);
  });

  test("100 MB are passed in both directions", async () => {
    const bytes = Buffer.alloc(1e8);
    for (let offset = 0; offset < bytes.length; offset += 4096) bytes.writeUInt32LE(offset, offset);
    const returned = (await functions.echo(bytes)) as Buffer;
    assert.ok(Buffer.from(returned).equals(bytes));
  });

  test("each call gets its own result, with several containers", async () => {
    const doubled = functions.echo.on({ maxConcurrency: 2 });
    const values = Array.from({ length: 50 }, (_, index) => index);
    assert.deepEqual(await Promise.all(values.map((value) => doubled(value))), values);
  });

  test("a container has the listed variables, but neither this process's own nor its files", async () => {
    process.env["LISTED_VARIABLE"] = "listed";
    process.env["HTTP_PROXY"] = "http://user:secret@127.0.0.1:9";
    try {
      const surroundings = await functions.describeSurroundings();
      assert.equal(surroundings.pid1, "/servable/bridge.mjs");
      assert.equal(surroundings.seesThisMachine, false);
      assert.equal(surroundings.environment["LISTED_VARIABLE"], "listed");
      for (const name of ["HTTP_PROXY", "http_proxy", "SERVABLE_CACHE_DIR", "NODE_EXTRA_CA_CERTS"]) {
        assert.equal(surroundings.environment[name], undefined, name);
      }
      const container = await containerOf("describeSurroundings()");
      const { stdout } = await runEngineProgram(engine.command, ["container", "inspect", container]);
      assert.doesNotMatch(stdout, /LISTED_VARIABLE/);
    } finally {
      delete process.env["HTTP_PROXY"];
      delete process.env["LISTED_VARIABLE"];
    }
  });

  test("log lines name their stream, and direct writes to the file descriptor are logged too", async () => {
    const { logs, result } = functions.print.spawn(500);
    const entries: LogEntry[] = [];
    for await (const entry of logs) entries.push(entry);
    assert.equal(await result, "done");
    const linesOf = (level: string): string[] =>
      entries.filter((entry) => entry.level === level).map(({ message }) => message);
    const numbers = Array.from({ length: 500 }, (_, index) => index + 1);
    assert.deepEqual(
      linesOf("STDERR"),
      numbers.map((number) => `err ${number}`),
    );
    const printed = linesOf("STDOUT");
    assert.deepEqual(
      printed.slice(0, 500),
      numbers.map((number) => `out ${number}`),
    );
    assert.equal(printed.at(-1), "straight to the descriptor");
  });

  test("an error is rethrown to the caller as it was thrown, with its cause", async () => {
    await assert.rejects(functions.fail(), (error) => {
      assert.ok(error instanceof RangeError);
      assert.equal(error.message, "too far");
      assert.match(error.stack ?? "", /container-functions\.ts:\d+/);
      assert.equal((error.cause as Error).name, "TypeError");
      return true;
    });
  });

  test("cancelling a run signals it and keeps its container; a run that does not stop is killed", async () => {
    const obedient = functions.waitForAbort.spawn(true);
    assert.equal(await firstLine(obedient.logs), "started");
    const container = await containerOf("waitForAbort()");
    obedient.stream.cancel();
    await assert.rejects(obedient.result, RequestCancelledException);

    const stubborn = functions.waitForAbort.spawn(false);
    assert.equal(await firstLine(stubborn.logs), "started");
    assert.equal(await containerOf("waitForAbort()"), container);
    stubborn.stream.cancel();
    await assert.rejects(stubborn.result, RequestCancelledException);
    await containerGone(engine, container);
  });

  test("a killed container rejects the call with an error that says so, and the next call works", async () => {
    const run = functions.processNumber.spawn(true);
    assert.equal(await firstLine(run.logs), "started");
    const container = await containerOf("processNumber()");
    await runEngineProgram(engine.command, ["kill", container]);
    await assert.rejects(run.result, (error) => {
      assert.ok(error instanceof FalServerlessError);
      assert.equal(error.code, "FUNCTION_WORKER_DIED");
      assert.match(error.message, /^The process of processNumber\(\) ended \(killed by SIGKILL\)\./);
      return true;
    });
    assert.equal(typeof (await functions.processNumber(false)), "number");
  });

  test("no container outlives the engine process that runs it", async () => {
    const run = functions.processNumber.spawn(true);
    assert.equal(await firstLine(run.logs), "started");
    const container = await containerOf("processNumber()");
    const { stdout } = await promisify(execFile)("ps", ["-eo", "pid,args"]);
    const [, client] = new RegExp(`^ *(\\d+) .*run --rm .*--name=${container} `, "m").exec(stdout) ?? [];
    process.kill(Number(client), "SIGKILL");
    await assert.rejects(run.result, { code: "FUNCTION_WORKER_DIED" });
    await containerGone(engine, container);
  });

  test("a port in use is an error that says so", async () => {
    const server = createServer().listen(47_831, "127.0.0.1");
    await once(server, "listening");
    try {
      await assert.rejects(functions.listener.on({ keepAlive: 2 })(), {
        code: "FUNCTION_WORKER_DIED",
        message: /^The process of listener\(\) can't be started: \w+: .*47831.*in use/,
      });
    } finally {
      server.close();
    }
  });

  test("an image's own user runs the function, with packages installed for that user", async () => {
    process.env[registry] = npm.url;
    try {
      const image = IMAGES.user;
      await createUserImage(engine, "1234:1234", image);
      const described = functions.describeSurroundings.on({ image, requirements: ["greeting@1.0.0"] });
      assert.equal((await described()).user, 1234);
    } finally {
      delete process.env[registry];
    }
  });

  test("a function that exceeds its memory limit is killed, with the limit in the error", async () => {
    await assert.rejects(functions.grow(4000), {
      code: "FUNCTION_WORKER_DIED",
      message:
        /^The process of grow\(\) ended: it had \d+ MB of memory, more than its memoryLimitMb of 128\.$/,
    });
    assert.equal(await functions.grow(1), 1);
  });

  test("the memory limit includes the processes that a function starts", async () => {
    assert.equal(await functions.growElsewhere(), "SIGKILL");
  });

  test("the engine's own memory limit is reported like the function's", async () => {
    const memoryBytes = 128 * 2 ** 20;
    const bridge = await writeBridge(folder);
    let said = "";
    const end = await new Promise<WorkerEnd>((resolve) => {
      const container = new ContainerProcess({
        engine,
        run: {
          name: `servable-memory-${process.pid}`,
          label: "memory",
          image: TEST_IMAGE,
          mounts: [{ source: bridge, target: "/bridge.mjs" }],
          memoryBytes,
          args: ["/bridge.mjs"],
        },
        start: {
          args: ["-e", "const all = []; for (;;) all.push(Buffer.alloc(1e7, 1))"],
          variables: {},
          hasMessages: false,
          memoryBytes,
        },
        directory: folder,
        onMessage: () => {},
        onEnd: resolve,
      });
      container.stdout.resume();
      container.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    });
    assert.equal(end.signal, "SIGKILL");
    assert.ok(said.includes(`${OUT_OF_MEMORY}${memoryBytes}\n`));
    assert.equal(existsSync("oom"), false, "an engine leaves nothing in this folder");
  });

  test("no container outlives this process, even if it is killed", async () => {
    const program = fileURLToPath(new URL("../helpers/container-parent.ts", import.meta.url));
    const parent = spawn(process.execPath, ["--conditions=servable-source", "--import", "tsx", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    for await (const line of createInterface({ input: parent.stdout })) if (line === "started") break;
    const container = (await containersOf(engine, "processNumber()")).find((name) =>
      name.includes(`-${parent.pid}-`),
    );
    assert.ok(container !== undefined);
    const exit = once(parent, "exit");
    parent.kill("SIGKILL");
    await exit;
    await containerGone(engine, container);
  });

  test("a served function is reachable at a port of this machine", async () => {
    const { url, stream, result } = serveGreeting.spawn();
    const address = (await url) as string;
    assert.match(address, /^http:\/\/127\.0\.0\.1:\d+$/);
    const body = JSON.stringify({ name: "you" });
    const response = await fetch(address, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    assert.equal(await response.json(), "hello you");
    stream.cancel();
    await assert.rejects(result, RequestCancelledException);
  });

  test("a function that listens by itself is reachable at the port that it exposes", async () => {
    const { logs, url, stream, result } = functions.listener.spawn();
    assert.equal(await firstLine(logs), "listening");
    assert.equal(await (await fetch((await url) as string)).text(), "by itself");
    stream.cancel();
    await assert.rejects(result, RequestCancelledException);
  });

  test("an image that is missing or has no Node is an error that says what to do", async () => {
    const empty = join(folder, "empty");
    mkdirSync(join(empty, "tmp"), { recursive: true });
    const name = IMAGES.empty;
    await importImage(engine, empty, name);
    await assert.rejects(functions.echo.on({ image: name })(1), {
      code: "ENVIRONMENT_FAILED",
      message:
        /^The image localhost\/servable-test-empty:1 has no program "node": .* such as node:22-slim\.$/,
    });
    await assert.rejects(functions.echo.on({ image: "127.0.0.1:1/none:1" })(1), {
      code: "ENVIRONMENT_FAILED",
      message:
        /^The image 127\.0\.0\.1:1\/none:1 is not on this machine and can't be pulled by \w+: .*refused.*/,
    });
  });

  test("a changed image with the same name is treated as another image", async () => {
    const name = IMAGES.renamed;
    const options = { cacheDirectory: folder };
    await runEngineProgram(engine.command, ["tag", TEST_IMAGE, name]);
    const before = await findImage(engine, name, options);
    const empty = join(folder, "empty");
    mkdirSync(join(empty, "tmp"), { recursive: true });
    await importImage(engine, empty, name);
    await assert.rejects(findImage(engine, name, options), /has no program "node"/);
    assert.equal((await findImage(engine, TEST_IMAGE, options)).id, before.id);
  });

  test("a requirement that can't be installed is an error and leaves no container", async () => {
    process.env[registry] = npm.url;
    try {
      await assert.rejects(functions.echo.on({ requirements: ["not-there@1"] })(1), {
        code: "ENVIRONMENT_FAILED",
        message: /not-there@1 does not exist in the registry/,
      });
      npm.break(/slow/, "stall");
      const controller = new AbortController();
      const stalled = functions.echo
        .on({ requirements: ["slow@1"] })
        .submit(1, { signal: controller.signal });
      await npm.asked(/slow/);
      controller.abort(new Error("enough"));
      await assert.rejects(stalled, /enough/);
      assert.deepEqual(await containersOf(engine, "install"), []);
    } finally {
      delete process.env[registry];
    }
  });
});

test("without an engine, a function in a container is rejected with an error that says so", async () => {
  const variable = "SERVABLE_CONTAINER_ENGINE";
  const former = process.env[variable];
  process.env[variable] = "/no/such/engine";
  try {
    await assert.rejects(functions.echo.on({ keepAlive: 2 })(1), {
      code: "CONTAINER_UNAVAILABLE",
      message: /need Docker or Podman, and none is usable here\.\n {2}\/no\/such\/engine: not found/,
    });
  } finally {
    if (former === undefined) delete process.env[variable];
    else process.env[variable] = former;
  }
});
