import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { compiledProgram } from "../helpers/compiled-package.ts";
import { openSocket } from "../helpers/sockets.ts";

const MIB = 2 ** 20;
const FIXTURE = fileURLToPath(new URL("../fixtures/small-heap-app.ts", import.meta.url));

/** A body: a prefix, a repeated part, and an end. */
type Body = readonly [start: string, repeated: string, end: string];

/** Bodies that were found to take many times their bytes in memory, or too much time. */
const BODIES: Readonly<Record<string, Body>> = {
  "lists in lists": ["", "[", ""],
  "objects in objects": ["", '{"a":', ""],
  "empty lists": ['{"data":[', "[],", "1]}"],
  "empty objects": ['{"data":[', "{},", "1]}"],
  "objects of a key": ['{"data":[', '{"a":1},', "1]}"],
  "objects of two indexes": ['{"data":[', '{"16":1,"47":1},', "1]}"],
  numbers: ['{"data":[', "1.5,", "1]}"],
  "short texts": ['{"data":[', '"abcd",', "1]}"],
  "one text": ['{"data":"', "x", '"}'],
  "a text of two bytes a character in memory": ['{"data":"😀', "x", '"}'],
  "a text of three bytes a character": ['{"data":"', "語", '"}'],
  "a text of escapes": ['{"data":"', "\\n", '"}'],
  "a text of code points": ['{"data":"', "\\u0041", '"}'],
  "a text without an end": ['{"data":"', "\\n", ""],
  spaces: ["", " ", "x"],
  commas: ["[", ",", ""],
  faults: ['{"items":[', '{"name":1},', "1]}"],
  "missing fields": ['{"items":[', "{},", "1]}"],
  "keys that do not fit": ["{", '"\\u0001k":"x",', '"z":1}'],
  "a field of the prototype": ['{"data":[', '{"__proto__":[]},', "1]}"],
};
/** One size that may hold many values, and one near the budget of such a heap. */
const SIZES = [1_000_000, 16 * MIB];
const PATHS = ["/loose", "/echo", "/strict", "/map", "/queued", "/without"];

function bodyOf([start, repeated, end]: Body, bytes: number): Buffer {
  const inner = Math.max(0, bytes - Buffer.byteLength(start) - Buffer.byteLength(end));
  const count = Math.floor(inner / Buffer.byteLength(repeated));
  const middle = Buffer.alloc(count * Buffer.byteLength(repeated), repeated);
  return Buffer.concat([Buffer.from(start), middle, Buffer.from(end)]);
}

async function start() {
  const child = spawn(process.execPath, ["--max-old-space-size=256", compiledProgram(FIXTURE)], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, LOG_LEVEL: "silent", NODE_OPTIONS: "" },
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors = (errors + text).slice(-2_000)));
  const exited = once(child, "close").then(([code, signal]) => `${code} ${signal}\n${errors}`);
  let url = "";
  for await (const line of createInterface(child.stdout)) {
    url = /listening at (\S+)/.exec(line)?.[1] ?? "";
    if (url !== "") break;
  }
  child.stdout.resume();
  return { child, url, port: Number(new URL(url).port), exited };
}

type Process = Awaited<ReturnType<typeof start>>;

/** Posts a body; returns the status, or 0 if the connection broke. */
async function post({ url }: Process, path: string, body: Buffer): Promise<number> {
  const headers = { "content-type": "application/json" };
  try {
    const answer = await fetch(url + path, { method: "POST", headers, body: new Uint8Array(body) });
    for await (const _ of answer.body ?? []);
    return answer.status;
  } catch {
    return 0; // a caller that keeps sending an unwanted body may be disconnected
  }
}

async function assertAlive(served: Process, after: string): Promise<void> {
  const status = await Promise.race([
    fetch(`${served.url}/loose`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"data":1}',
    }).then(({ status }) => status),
    served.exited.then((how) => `ended: ${how}`),
  ]).catch((error: unknown) => String(error));
  assert.equal(status, 200, `after ${after}`);
}

/** Opens a websocket and sends raw bytes on it. */
async function upgraded({ port }: Process, path: string): Promise<Socket> {
  const socket = await openSocket(port);
  const key = randomBytes(16).toString("base64");
  socket.write(
    `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nupgrade: websocket\r\nconnection: upgrade\r\n` +
      `sec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\n\r\n`,
  );
  await once(socket, "data");
  socket.resume();
  return socket;
}

/** A frame with a mask of zeros. */
function frame(opcode: number, payload: Buffer, isLast = true): Buffer {
  const head = Buffer.alloc(14);
  head[0] = (isLast ? 0x80 : 0) | opcode;
  head[1] = 0xff;
  head.writeUInt32BE(payload.length, 6);
  return Buffer.concat([head, payload]);
}

/** A MessagePack array of one-byte values, by its length. */
function list(byte: number, count: number): Buffer {
  const head = Buffer.alloc(5);
  head[0] = 0xdd;
  head.writeUInt32BE(count, 1);
  return Buffer.concat([head, Buffer.alloc(count, byte)]);
}

const written = (socket: Socket, bytes: Buffer | string): Promise<unknown> =>
  Promise.race([
    new Promise((resolve) => socket.write(bytes, resolve)),
    new Promise((resolve) => socket.once("close", resolve)),
  ]);

test("a heap of 256 MB survives whatever callers send", { timeout: 240_000 }, async (t) => {
  const served = await start();
  try {
    await t.test("bodies, each by itself", async () => {
      let turn = 0;
      for (const [name, body] of Object.entries(BODIES)) {
        for (const size of SIZES) {
          const path = PATHS[turn++ % PATHS.length] as string;
          const status = await post(served, path, bodyOf(body, size));
          assert.ok([0, 200, 400, 413, 422, 429].includes(status), `${name}: ${status}`);
          if (size > MIB) await assertAlive(served, `${size} bytes of ${name} for ${path}`);
        }
      }
    });

    await t.test("bodies, eight at a time", async () => {
      const all = Object.values(BODIES);
      for (const path of ["/loose", "/echo", "/queued"]) {
        const bodies = Array.from({ length: 8 }, (_, index) =>
          bodyOf(all[(index * 3 + 1) % all.length] as Body, 3 * MIB),
        );
        const statuses = await Promise.all(bodies.map((body) => post(served, path, body)));
        assert.ok(
          statuses.every((status) => [0, 200, 400, 413, 422, 429].includes(status)),
          String(statuses),
        );
        await assertAlive(served, `eight bodies for ${path}`);
      }
    });

    await t.test("thirty bodies that never end, with and without a length", async () => {
      for (const framing of [`content-length: ${20 * MIB}`, "transfer-encoding: chunked"]) {
        const sockets = await Promise.all(Array.from({ length: 30 }, () => openSocket(served.port)));
        const part = Buffer.alloc(MIB, "x");
        await Promise.all(
          sockets.map(async (socket) => {
            socket.resume();
            socket.write(
              `POST /loose HTTP/1.1\r\nhost: 127.0.0.1:${served.port}\r\ncontent-type: application/json\r\n${framing}\r\n\r\n`,
            );
            for (let count = 0; count < 4; count++) {
              if (framing.includes("chunked")) await written(socket, `${MIB.toString(16)}\r\n`);
              await written(socket, part);
              if (framing.includes("chunked")) await written(socket, "\r\n");
            }
          }),
        );
        for (const socket of sockets) socket.destroy();
        await assertAlive(served, framing);
      }
    });

    await t.test("a body in chunks of a byte", async () => {
      const socket = await openSocket(served.port);
      socket.resume();
      socket.write(
        `POST /loose HTTP/1.1\r\nhost: 127.0.0.1:${served.port}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`,
      );
      const part = Buffer.from("1\r\nx\r\n".repeat(100_000));
      for (let count = 0; count < 3; count++) await written(socket, part);
      await assertAlive(served, "300,000 chunks");
      socket.destroy();
    });

    await t.test("frames: many values, and messages that are never whole", async () => {
      const frames: readonly [path: string, payload: Buffer][] = [
        ["/msgpack", list(0x90, 6 * MIB)],
        ["/msgpack", list(0x80, 6 * MIB)],
        ["/msgpack", list(0xc0, 6 * MIB)],
        ["/msgpack", list(0x90, 400_000)],
        ["/json", bodyOf(["[", "[],", "1]"], 6 * MIB)],
        ["/json", bodyOf(["", "[", ""], 6 * MIB)],
        ["/json", bodyOf(['["😀', "x", '"]'], 6 * MIB)],
      ];
      for (const [path, payload] of frames) {
        const sockets = await Promise.all(Array.from({ length: 2 }, () => upgraded(served, path)));
        await Promise.all(sockets.map((socket) => written(socket, frame(path === "/json" ? 1 : 2, payload))));
        await assertAlive(served, `${payload.length} bytes for ${path}`);
        for (const socket of sockets) socket.destroy();
      }
      const sockets = await Promise.all(Array.from({ length: 10 }, () => upgraded(served, "/msgpack")));
      await Promise.all(
        sockets.map(async (socket) => {
          const late = setTimeout(() => socket.destroy(), 1_500);
          for (let count = 0; count < 8; count++) {
            await written(socket, frame(count === 0 ? 2 : 0, Buffer.alloc(MIB), false));
          }
          clearTimeout(late);
        }),
      );
      for (const socket of sockets) socket.destroy();
      await assertAlive(served, "ten messages that are half there");
    });
  } finally {
    served.child.kill("SIGKILL");
    await served.exited;
  }
});
