import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { cleanEnvironment, createProject } from "../helpers/cli.ts";
import { useFunctionCache } from "../helpers/function-cache.ts";
import { ended, isAlive } from "../helpers/processes.ts";

useFunctionCache();

/** Makes a test that waits forever fail. */
const LIMIT = { timeout: 90_000 };

const fixture = fileURLToPath(new URL("../fixtures/functions/parent.ts", import.meta.url));

/** Runs a program through the TypeScript loader. */
class Program {
  readonly lines: { readonly text: string; readonly at: number }[] = [];
  readonly child;
  /** Resolves with the exit code and the time of the exit. */
  readonly closed: Promise<{ readonly code: number | null; readonly at: number }>;
  stderr = "";
  readonly #watchers = new Set<() => void>();

  constructor(file: string, ...args: string[]) {
    const loader = ["--conditions=servable-source", "--import", import.meta.resolve("tsx")];
    this.child = spawn(process.execPath, [...loader, file, ...args], {
      env: cleanEnvironment(),
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    createInterface({ input: this.child.stdout }).on("line", (text) => {
      this.lines.push({ text, at: performance.now() });
      for (const check of this.#watchers) check();
    });
    this.closed = once(this.child, "close").then(([code]) => ({
      code: code as number | null,
      at: performance.now(),
    }));
  }

  get texts(): string[] {
    return this.lines.map(({ text }) => text);
  }

  /** Resolves with the first line that matches; rejects if the program ends without one. */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    const found = new Promise<RegExpExecArray>((resolve) => {
      const check = (): void => {
        for (const { text } of this.lines) {
          const match = pattern.exec(text);
          if (match !== null) resolve(match);
        }
      };
      this.#watchers.add(check);
      check();
    });
    const end = this.closed.then(() => assert.fail(`it ended without ${String(pattern)}: ${this.stderr}`));
    return Promise.race([found, end]);
  }
}

describe("no worker outlives the program that started it:", LIMIT, () => {
  for (const how of ["wait", "compute", "idle", "setup"]) {
    test(`the program is killed by -9, the worker's state is "${how}"`, async () => {
      const program = new Program(fixture, how);
      const pid = Number((await program.said(/^pid (\d+)$/))[1]);
      if (how === "idle") await program.said(/^idle$/);
      assert.ok(isAlive(pid));
      program.child.kill("SIGKILL");
      await program.closed;
      await ended(pid);
    });
  }

  for (const how of ["compute", "idle"]) {
    test(`the program calls process.exit(), the worker's state is "${how}"`, async () => {
      const program = new Program(fixture, how, "exit");
      const pid = Number((await program.said(/^pid (\d+)$/))[1]);
      if (how === "idle") await program.said(/^idle$/);
      program.child.stdin.write("now\n");
      assert.equal((await program.closed).code, 7);
      await ended(pid);
    });
  }

  test("Ctrl-C reaches both, and both end", async () => {
    const program = new Program(fixture, "wait");
    const pid = Number((await program.said(/^pid (\d+)$/))[1]);
    process.kill(pid, "SIGINT");
    assert.ok(isAlive(pid), "that is for its host to decide");
    program.child.kill("SIGINT");
    await program.closed;
    await ended(pid);
  });
});

describe("a program", LIMIT, () => {
  test("ends right after its last call, although its workers are kept alive", async () => {
    const folder = createProject({
      "app.ts": `import { fn } from "servable";
export const add = fn({ keepAlive: 60, maxConcurrency: 2 }, async (a: number, b: number) => {
  await new Promise((resolve) => setTimeout(resolve, 50));
  return a + b;
});
console.log((await Promise.all([add(1, 1), add(1, 2), add(1, 3), add(1, 4)])).join());
`,
    });
    const program = new Program(`${folder}/app.ts`);
    const { code, at } = await program.closed;
    assert.equal(code, 0, program.stderr);
    assert.deepEqual(program.texts, ["2,3,4,5"]);
    const lingered = at - (program.lines[0]?.at ?? 0);
    assert.ok(lingered < 30_000, `it stayed ${lingered} ms`);
  });

  test("stays alive for a call that waits behind a cancelled one", async () => {
    const folder = createProject({
      "app.ts": `import { fn } from "servable";
export const nap = fn({ maxConcurrency: 1 }, async (ms: number) => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return ms;
});
const first = nap.submit(60_000);
const second = nap(1);
await new Promise((resolve) => setTimeout(resolve, 500));
first.cancel();
console.log(await first.catch((error) => error.message));
console.log(await second);
`,
    });
    const program = new Program(`${folder}/app.ts`);
    const { code } = await program.closed;
    assert.deepEqual(program.texts, ["The call was cancelled.", "1"]);
    assert.equal(code, 0, program.stderr);
  });

  test("does not stay alive for a run that it has cancelled", async () => {
    const folder = createProject({
      "app.ts": `import { fn } from "servable";
export const forever = fn({}, () => {
  console.log("running");
  return new Promise(() => setInterval(() => {}, 1000));
});
const spawned = forever.spawn();
for await (const { message } of spawned.logs) if (message === "running") break;
const processes = () => process.getActiveResourcesInfo().filter((name) => name === "ProcessWrap").length;
console.log("stays for " + processes());
spawned.stream.cancel();
await spawned.result.catch(() => {});
console.log("stays for " + processes());
`,
    });
    const program = new Program(`${folder}/app.ts`);
    const { code } = await program.closed;
    assert.equal(code, 0, program.stderr);
    assert.deepEqual(program.texts, ["stays for 1", "stays for 0"]);
  });

  test("may call its own functions at its top level; its workers do not repeat those calls", async () => {
    const folder = createProject({
      "app.ts": `import { fn } from "servable";
console.log("loaded by", process.send === undefined ? "the program" : "a worker");
export const one = fn({}, (name: string) => "one " + name);
export const two = fn({}, async (name: string) => "two " + (await one(name)));
console.log(await one("first"));
console.log(await two("second"));
export const late = fn({}, () => "late");
try {
  await late();
} catch (error) {
  console.log(error.name + ": " + error.message);
}
`,
    });
    const program = new Program(`${folder}/app.ts`);
    const { code } = await program.closed;
    assert.equal(code, 0, program.stderr);
    const own = program.texts.filter((text) => text !== "loaded by a worker");
    assert.deepEqual(own, [
      "loaded by the program",
      "one first",
      "two one second",
      "FalSerializationError: late() is defined below a call of an isolated function on the module's top level. " +
        "Define functions before the first call, or in a module of their own.",
    ]);
  });

  test("that throws at its top level after a call exits as it would without the call", async () => {
    const folder = createProject({
      "app.ts": `import { fn } from "servable";
export const one = fn({}, () => 1);
await one();
throw new Error("on the top level");
`,
    });
    const program = new Program(`${folder}/app.ts`);
    const { code } = await program.closed;
    assert.equal(code, 1);
    assert.match(program.stderr, /Error: on the top level\n.*app\.ts:4:7/);
  });

  test("prints its functions' output, to the same stream", async () => {
    const folder = createProject({
      "app.ts": `import { fn } from "servable";
export const say = fn({}, () => {
  console.log("out");
  console.error("err");
  process.stdout.write("no line feed");
});
await say();
`,
    });
    const program = new Program(`${folder}/app.ts`);
    await program.closed;
    assert.deepEqual(program.texts, ["out", "no line feed"]);
    assert.match(program.stderr, /^err$/m);
  });
});
