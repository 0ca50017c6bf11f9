import assert from "node:assert/strict";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ROOT } from "../../benchmarks/lib/staged-package.ts";
import {
  IsolateController,
  type ShellRunnerInputSchema,
} from "../../src/platform/generated/controller_pb.ts";
import { Shell } from "../../src/controller/shell/shell.ts";
import { findProgram, onTerminal } from "../../src/controller/shell/terminal.ts";
import { createFolder } from "../helpers/folders.ts";
import { appProject, removePlatformFolder, TestPlatform } from "../helpers/self-host.ts";

type Input = MessageInitShape<typeof ShellRunnerInputSchema>;

const skip = process.platform === "linux" ? false : "runners that are processes have a shell on Linux only";
const withoutPython = findProgram("python3", process.env["PATH"]) === undefined ? "it needs Python 3" : skip;

const typebox = pathToFileURL(join(ROOT, "node_modules/typebox/build/index.mjs")).href;
const APP = `
import { Type } from "${typebox}";
import { App, endpoint } from "servable";
export default class Plain extends App {
  static minConcurrency = 1;
  @endpoint("/", { output: Type.Object({ pid: Type.Integer() }) })
  async pid() { return { pid: process.pid }; }
}
`;

let host: TestPlatform;
let project: string;
let runnerId = "";
before(async () => {
  if (skip !== false) return;
  project = appProject({ "app.ts": APP });
  host = await TestPlatform.start({ engine: "process" });
  using connection = host.connection();
  await connection.unary(IsolateController.method.setSecret, { name: "TOKEN", value: "hidden" });
  await host.deploy(join(project, "app.ts"), { appName: "plain" });
  const { runners } = await connection.unary(IsolateController.method.listRunners, {});
  runnerId = runners[0]?.runnerId ?? "";
});
after(async () => {
  await host?.[Symbol.asyncDispose]();
  if (project !== undefined) removePlatformFolder(project);
});

/** The outcome of a session. */
interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | undefined;
}

/** Runs a session whose inputs may wait for the output so far. */
async function session(
  inputs: (output: () => string) => AsyncGenerator<Input>,
  { key = host.key, signal }: { readonly key?: string; readonly signal?: AbortSignal } = {},
): Promise<Outcome> {
  using connection = host.connection(key);
  let stdout = "";
  let stderr = "";
  let isOver = false;
  // The caller's side stays open, as that of a terminal does.
  const messages = async function* (): AsyncGenerator<Input> {
    yield* inputs(() => stdout);
    while (!isOver) await delay(20);
  };
  try {
    const { shellRunner } = IsolateController.method;
    for await (const output of connection.duplex(shellRunner, messages(), { signal })) {
      if (output.stream === 2) stderr += Buffer.from(output.data).toString();
      else stdout += Buffer.from(output.data).toString();
      if (output.exitCode !== undefined) return { stdout, stderr, exitCode: output.exitCode };
    }
    return { stdout, stderr, exitCode: undefined };
  } finally {
    isOver = true;
  }
}

const run = (...command: string[]): Promise<Outcome> =>
  session(async function* () {
    yield { runnerId, command, tty: false };
    yield { close: true };
  });

test(
  "a program runs in the runner's directory with its variables, and its output and exit code arrive apart",
  { skip },
  async () => {
    const script = 'echo "$TOKEN $SERVABLE_RUNNER_ID $SERVABLE_ANNOUNCE_TOKEN"; ls; echo oops >&2; exit 7';
    const { stdout, stderr, exitCode } = await run("sh", "-c", script);
    assert.equal(exitCode, 7);
    assert.equal(stderr, "oops\n");
    const [first, ...files] = stdout.split("\n");
    assert.equal(first, `hidden ${runnerId} `);
    assert.ok(files.includes("app.ts"), stdout);
  },
);

test("what is piped in arrives whole, and its end ends the program", { skip }, async () => {
  const size = 3_000_000;
  const { stdout, exitCode } = await session(async function* () {
    yield { runnerId, command: ["wc", "-c"], tty: false };
    for (let sent = 0; sent < size; sent += 100_000) yield { data: Buffer.alloc(100_000, "x") };
    yield { close: true };
  });
  assert.equal(stdout.trim(), String(size));
  assert.equal(exitCode, 0);
});

test(
  "a shell has a terminal whose size follows that of the caller, takes Ctrl-C, and ends with its exit code",
  { skip: withoutPython },
  async () => {
    const until = async (output: () => string, words: RegExp): Promise<void> => {
      while (!words.test(output())) await delay(20);
    };
    const { stdout, exitCode } = await session(async function* (output) {
      yield { runnerId, ttySize: { height: 33, width: 77 } };
      yield { data: Buffer.from("tty && stty size; echo re''ady\n") };
      await until(output, /ready/);
      yield { ttySize: { height: 20, width: 40 } };
      // The size arrives by a way of its own: it is asked for until it is there.
      yield {
        data: Buffer.from("while [ \"$(stty size)\" != '20 40' ]; do sleep 0.05; done; echo res''ized\n"),
      };
      await until(output, /resized/);
      yield { data: Buffer.from("echo sle''eping; sleep 1000; echo inter''rupted\n") };
      await until(output, /sleeping/);
      yield { data: Buffer.from("\x03") };
      yield { data: Buffer.from("exit 5\n") };
    });
    assert.match(stdout, /\/dev\/pts\/\d+/);
    assert.match(stdout, /33 77/);
    assert.equal(exitCode, 5);
  },
);

test("a program ends with its caller, with all that it has started", { skip }, async () => {
  for (const tty of withoutPython === false ? [false, true] : [false]) {
    const leave = new AbortController();
    let shown = "";
    const left = session(
      async function* (output) {
        yield { runnerId, command: ["sh", "-c", "sleep 1000 & echo $$ $!.; wait"], tty };
        while (!output().includes(".")) await delay(20);
        shown = output();
        leave.abort();
      },
      { signal: leave.signal },
    );
    await assert.rejects(left);
    const pids = shown.match(/\d+/g) ?? [];
    assert.equal(pids.length, 2, shown);
    for (const pid of pids) while (isAlive(Number(pid))) await delay(20);
  }
});

test(
  "what a program has left behind ends with the session, also if it holds the output open",
  { skip },
  async () => {
    const leave = new AbortController();
    let shown = "";
    const left = session(
      async function* (output) {
        yield { runnerId, command: ["sh", "-c", "sleep 1000 & echo $!."], tty: false };
        while (!output().includes(".")) await delay(20);
        shown = output();
        leave.abort();
      },
      { signal: leave.signal },
    );
    await assert.rejects(left);
    while (isAlive(Number.parseInt(shown, 10))) await delay(20);
  },
);

test(
  "an unknown runner, an unknown program and a key that may not deploy are refused by name",
  { skip },
  async () => {
    const of = (input: Input, key?: string): Promise<Outcome> =>
      session(
        async function* () {
          yield input;
        },
        key === undefined ? {} : { key },
      );
    await assert.rejects(of({ runnerId: "x", command: ["true"] }), /There is no runner x that runs/);
    await assert.rejects(of({ runnerId, command: ["/no/such"], tty: false }), /there is no such program/);
    using connection = host.connection();
    for (const policyPreset of ["API", "READONLY", "COMPUTE"]) {
      const { keyId, keySecret } = await connection.unary(IsolateController.method.createUserKey, {
        policyPreset,
      });
      await assert.rejects(of({ runnerId, command: ["true"] }, `${keyId}:${keySecret}`), /needs a key with/);
    }
  },
);

test("a program ends with its runner, and its caller learns why", { skip }, async () => {
  let shown = "";
  const killed = session(async function* (output) {
    yield { runnerId, command: ["sh", "-c", "trap '' HUP TERM; sleep 1000 & echo $$ $!.; wait"], tty: false };
    while (!output().includes(".")) await delay(20);
    shown = output();
    using connection = host.connection();
    await connection.unary(IsolateController.method.killRunner, { runnerId });
  });
  await assert.rejects(killed, /has ended, and the program with it/);
  const pids = shown.match(/\d+/g) ?? [];
  assert.equal(pids.length, 2, shown);
  for (const pid of pids) while (isAlive(Number(pid))) await delay(20);
});

const withoutScript = findProgram("script", process.env["PATH"]) === undefined ? "it needs util-linux" : skip;

test("without Python a terminal comes from script", { skip: withoutScript }, async () => {
  const folder = createFolder();
  symlinkSync(findProgram("script", process.env["PATH"]) as string, join(folder, "script"));
  const args = ["-c", "/usr/bin/tty; exit 3"];
  using shell = await Shell.start(
    { command: "/bin/sh", args, directory: folder, environment: { PATH: folder } },
    true,
  );
  assert.equal(shell.notice, undefined);
  let text = "";
  for await (const { data } of shell.output()) text += Buffer.from(data).toString();
  assert.match(text, /\/dev\/pts\/\d+/);
  assert.equal(await shell.exitCode, 3);
});

test("without Python and script, a shell says that it has no terminal", async () => {
  const folder = createFolder();
  const program = {
    command: "/bin/sh",
    args: ["-c", "echo here"],
    directory: folder,
    environment: { PATH: folder },
  };
  assert.equal(onTerminal(program, folder), undefined);
  using shell = await Shell.start(program, true);
  assert.match(shell.notice ?? "", /install Python 3/);
  let text = "";
  for await (const { data } of shell.output()) text += Buffer.from(data).toString();
  assert.equal(text, "here\n");
  assert.equal(await shell.exitCode, 0);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
