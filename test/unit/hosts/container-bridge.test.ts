import assert from "node:assert/strict";
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { deserialize, serialize } from "node:v8";
import {
  type BridgeEnd,
  type BridgeFrame,
  type BridgeStart,
  FRAME,
  FrameDecoder,
  writeFrame,
} from "../../../src/hosts/local/container/bridge/protocol.ts";
import { writeBridge } from "../../../src/hosts/local/container/bridge-program.ts";

const folder = mkdtempSync(join(tmpdir(), "servable-bridge-"));
let program = "";

before(async () => {
  program = await writeBridge(folder);
});
after(() => rmSync(folder, { recursive: true }));

/** A bridge that runs as an ordinary process: it works as in a container. */
class Bridge {
  readonly process: ChildProcessWithoutNullStreams;
  readonly #frames: BridgeFrame[] = [];
  readonly #decoder = new FrameDecoder();
  #wake: (() => void) | undefined;
  said = "";

  constructor(start: Partial<BridgeStart> & { readonly args: readonly string[] }) {
    this.process = spawn(process.execPath, [program]);
    this.process.stdin.on("error", () => {});
    this.process.stdout.on("data", (chunk: Buffer) => {
      this.#frames.push(...this.#decoder.write(chunk));
      this.#wake?.();
    });
    this.process.stderr.setEncoding("utf8").on("data", (text: string) => (this.said += text));
    const whole: BridgeStart = { variables: {}, hasMessages: false, ...start };
    writeFrame(this.process.stdin, FRAME.start, serialize(whole));
  }

  async next(): Promise<BridgeFrame> {
    while (this.#frames.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#frames.shift() as BridgeFrame;
  }

  /** All frames until the process has ended. */
  async rest(): Promise<{ readonly frames: BridgeFrame[]; readonly end: BridgeEnd }> {
    const frames: BridgeFrame[] = [];
    for (;;) {
      const frame = await this.next();
      if (frame.kind === FRAME.end) return { frames, end: deserialize(frame.payload) as BridgeEnd };
      frames.push(frame);
    }
  }
}

function textOf(frames: readonly BridgeFrame[], kind: number): string {
  return Buffer.concat(
    frames.filter((frame) => frame.kind === kind).map(({ payload }) => payload),
  ).toString();
}

test("the process's output arrives per stream with any bytes, and its end arrives last", async () => {
  const code = `
    const fs = require("node:fs");
    fs.writeSync(1, Buffer.from([0, 0, 0, 1, 0xfc, 0xf6, 10]));
    console.error("oops", process.env.GIVEN);
    process.exitCode = 7;
  `;
  const bridge = new Bridge({ args: ["-e", code], variables: { GIVEN: "yes" } });
  const exit = once(bridge.process, "close");
  assert.equal((await bridge.next()).kind, FRAME.ready);
  const { frames, end } = await bridge.rest();
  assert.deepEqual(
    frames.find(({ kind }) => kind === FRAME.stdout)?.payload,
    Buffer.from([0, 0, 0, 1, 0xfc, 0xf6, 10]),
  );
  assert.equal(textOf(frames, FRAME.stderr), "oops yes\n");
  assert.deepEqual(end, { code: 7, signal: null });
  await exit;
});

test("messages are sent in both directions, and each is acknowledged", async () => {
  const code = `process.on("message", (message) => { process.send({ got: message }); process.disconnect(); });`;
  const bridge = new Bridge({ args: ["-e", code], hasMessages: true });
  const message = { map: new Map([["day", new Date(0)]]), big: 12n, bytes: Buffer.from("abc") };
  writeFrame(bridge.process.stdin, FRAME.message, serialize(message));
  const { frames, end } = await bridge.rest();
  assert.deepEqual(end, { code: 0, signal: null });
  assert.equal(frames.filter(({ kind }) => kind === FRAME.acknowledged).length, 1);
  const answer = frames.find(({ kind }) => kind === FRAME.message);
  assert.deepEqual(deserialize(answer?.payload as Buffer), { got: message });
});

test("a kill ends the process and the bridge", async () => {
  const bridge = new Bridge({ args: ["-e", "console.log(1); setInterval(() => {}, 1e6)"] });
  const exit = once(bridge.process, "close");
  while ((await bridge.next()).kind !== FRAME.stdout);
  writeFrame(bridge.process.stdin, FRAME.kill);
  const { end } = await bridge.rest();
  assert.deepEqual(end, { code: null, signal: "SIGKILL" });
  await exit;
});

test("the end of the bridge's input ends the process, even if it computes endlessly and its output is not read", async () => {
  const code = `
    require("node:fs").writeSync(2, process.pid + "\\n");
    for (;;) try { require("node:fs").writeSync(1, "x".repeat(65536)); } catch {}
  `;
  const bridge = new Bridge({ args: ["-e", code] });
  let frame = await bridge.next();
  while (frame.kind !== FRAME.stderr) frame = await bridge.next();
  const pid = Number(frame.payload.toString());
  bridge.process.stdout.pause();
  const exit = once(bridge.process, "exit");
  bridge.process.stdin.end();
  await exit;
  bridge.process.stdout.resume();
  await assert.rejects(async () => {
    for (;;) {
      process.kill(pid, 0); // the kernel may still be ending the process
      await new Promise(setImmediate);
    }
  }, /ESRCH/);
});

test("if output is read slowly the process waits, and all output arrives", async () => {
  const bytes = 64 * 2 ** 20;
  const code = `
    const chunk = "x".repeat(65536);
    let left = ${bytes / 65_536};
    (function write() {
      while (left-- > 0) if (!process.stdout.write(chunk)) return process.stdout.once("drain", write);
    })();
  `;
  const bridge = new Bridge({ args: ["-e", code] });
  const { stdout } = bridge.process;
  stdout.on("data", () => {
    stdout.pause();
    setImmediate(() => stdout.resume());
  });
  const { frames, end } = await bridge.rest();
  assert.equal(end.code, 0);
  assert.equal(
    frames.reduce((sum, { kind, payload }) => sum + (kind === FRAME.stdout ? payload.length : 0), 0),
    bytes,
  );
});

test("an invalid frame ends the bridge, which reports the reason", async () => {
  const child = spawn(process.execPath, [program]);
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  child.stdout.resume();
  child.stdin.write("hello there\n");
  const [code] = (await once(child, "close")) as [number];
  assert.equal(code, 1);
  assert.equal(said, 'servable: expected a frame, got "hello there"\n');
});

test("a process that the process started does not delay the end", async () => {
  const code = `
    const { spawn } = require("node:child_process");
    const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 30_000)"], { stdio: "inherit", detached: true });
    child.unref();
    console.log(child.pid);
  `;
  const bridge = new Bridge({ args: ["-e", code] });
  const { frames, end } = await bridge.rest();
  process.kill(Number(textOf(frames, FRAME.stdout)), "SIGKILL");
  assert.deepEqual(end, { code: 0, signal: null });
});
