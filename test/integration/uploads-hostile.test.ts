import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { App, endpoint, multipart, upload } from "servable";
import { FakeClock, startTestServer, type TestServer } from "servable/testing";
import { Type, type Static } from "typebox";
import { createFolder } from "../helpers/folders.ts";
import { bodyOf, exchange, openSocket, rawRequest, statusOf } from "../helpers/sockets.ts";
import { multipartBody, partHeaders, storedFiles, untilStored, type RawPart } from "../helpers/uploads.ts";

const Note = multipart(
  { file: upload({ optional: true }), text: Type.Optional(Type.String()) },
  { maxParts: 50, maxFieldBytes: 1_000 },
);

class Notes extends App {
  calls = 0;
  readonly held: (() => void)[] = [];

  @endpoint("/", { input: Note, bodyLimitBytes: 100_000 })
  note({ file, text }: Static<typeof Note>): object {
    this.calls++;
    return { name: file?.filename, size: file?.size, text };
  }

  @endpoint("/held", { input: Note })
  async hold(): Promise<void> {
    await new Promise<void>((release) => this.held.push(release));
  }

  @endpoint("/late", { input: Note, timeoutMs: 1_000 })
  async late(): Promise<void> {
    this.calls++;
    await new Promise(() => {});
  }
}

const TYPE = "multipart/form-data; boundary=b";
const FILE = partHeaders("file", "a.txt", "text/plain");

async function send(
  server: TestServer<Notes>,
  body: string | Uint8Array,
  type: string = TYPE,
): Promise<{ status: number; body: string }> {
  const answer = await exchange(server.port, rawRequest("POST", "/", { "content-type": type }, body));
  return { status: statusOf(answer), body: bodyOf(answer) };
}

const part = (headers: readonly string[], content: string | Uint8Array = "x"): RawPart => ({
  headers,
  content,
});
const whole = multipartBody([part(FILE, "content"), part(partHeaders("text"))]);

/** Bodies that are refused, each with the status and a part of the answer. */
const REFUSED: readonly (readonly [
  what: string,
  body: string | Uint8Array,
  status: number,
  why: RegExp,
  type?: string,
])[] = [
  ["no boundary", whole, 400, /no boundary/, "multipart/form-data"],
  ["another boundary", whole, 400, /broken or incomplete/, "multipart/form-data; boundary=c"],
  ["an empty body", "", 400, /broken or incomplete/],
  ["no part at all", "hello", 400, /broken or incomplete/],
  ["a body that ends in a file", whole.subarray(0, 100), 400, /broken or incomplete/],
  ["a body that ends in a header", whole.subarray(0, 30), 400, /broken or incomplete/],
  ["a body without its last boundary", whole.subarray(0, -6), 400, /broken or incomplete/],
  [
    "the same field twice",
    multipartBody([part(partHeaders("text")), part(partHeaders("text"))]),
    422,
    /occur once, not 2/,
  ],
  ["the same file twice", multipartBody([part(FILE), part(FILE)]), 422, /occur once, not 2/],
  [
    "10,000 parts",
    multipartBody(Array.from({ length: 1_500 }, () => part(partHeaders("a")))),
    413,
    /at most 50 parts/,
  ],
  ["a long field", multipartBody([part(partHeaders("text"), "x".repeat(1_001))]), 413, /at most 1000 bytes/],
  ["a body above the limit", multipartBody([part(FILE, "x".repeat(100_000))]), 413, /too large/],
  [
    "an encoded file",
    multipartBody([part([...FILE, "content-transfer-encoding: base64"])]),
    422,
    /transfer-encoding is \\"base64\\"/,
  ],
  [
    "an encoded field",
    multipartBody([part([...partHeaders("text"), "content-transfer-encoding: quoted-printable"])]),
    422,
    /quoted-printable/,
  ],
  ["JSON", "{}", 422, /"application\/json\\", send it as multipart\/form-data/, "application/json"],
  ["no content type", whole, 422, /content type/, ""],
];

for (const [what, body, status, why, type] of REFUSED) {
  test(`a multipart body is refused without running the handler: ${what}`, async () => {
    const uploadFolder = createFolder();
    await using server = await startTestServer(new Notes(), { uploadFolder });
    const answer = await send(server, body, type);
    assert.equal(answer.status, status, answer.body);
    assert.match(answer.body, why);
    assert.equal(server.app.calls, 0);
    await untilStored(uploadFolder, 0);
    assert.equal((await send(server, whole)).status, 200); // the server still works
  });
}

/** Bodies that are read, each with the result. */
const READ: readonly (readonly [what: string, parts: readonly RawPart[], result: object])[] = [
  [
    "names of the prototype",
    [part(partHeaders("__proto__")), part(partHeaders("constructor", "x")), part(partHeaders("toString"))],
    {},
  ],
  [
    "folders in a file's name",
    [part(partHeaders("file", "../../etc/passwd", "text/plain"))],
    { name: "passwd", size: 1 },
  ],
  [
    "folders of Windows in a file's name",
    [part(partHeaders("file", "C:\\\\temp\\\\..\\\\x.txt"))],
    { name: "x.txt", size: 1 },
  ],
  ["dots as a file's name", [part(partHeaders("file", ".."))], { name: "", size: 1 }],
  [
    "a long name of a file",
    [part(partHeaders("file", "n".repeat(3_000)))],
    { name: "n".repeat(255), size: 1 },
  ],
  [
    "a control character in a file's name",
    [part(partHeaders("file", "a\u0007\u0000b"))],
    { name: "ab", size: 1 },
  ],
  [
    "a multipart body in a part",
    [part(partHeaders("file", "a", "multipart/mixed; boundary=c"), "--c\r\n\r\nx\r\n--c--")],
    { name: "a", size: 15 },
  ],
  [
    "a part without a name",
    [part(["content-disposition: form-data"]), part(partHeaders("text"))],
    { text: "x" },
  ],
  ["a part without headers", [part([]), part(partHeaders("text"))], { text: "x" }],
  ["a boundary's beginning in a file", [part(FILE, "\r\n--\r\n--a\r\n-")], { name: "a.txt", size: 12 }],
  ["an unknown file", [part(partHeaders("other", "o"), "x".repeat(50_000))], {}],
];

for (const [what, parts, result] of READ) {
  test(`a multipart body is read: ${what}`, async () => {
    await using server = await startTestServer(new Notes(), { uploadFolder: createFolder() });
    const answer = await send(server, multipartBody(parts));
    assert.equal(answer.status, 200, answer.body);
    assert.deepEqual(JSON.parse(answer.body), result);
  });
}

/** Opens a connection and sends a request's head, and the beginning of a file. */
async function begin(server: TestServer<Notes>, path: string, length: number, sent: number) {
  const start = multipartBody([part(FILE, "x".repeat(sent))]).subarray(0, -9);
  const head = rawRequest("POST", path, { "content-type": TYPE, "content-length": String(length) });
  const socket = await openSocket(server.port);
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  const closed = new Promise<string>((resolve) => socket.once("close", () => resolve(received)));
  socket.write(Buffer.concat([head, start]));
  return { socket, closed };
}

test("a client that disconnects while it sends leaves no file", async () => {
  const uploadFolder = createFolder();
  await using server = await startTestServer(new Notes(), { uploadFolder });
  const { socket } = await begin(server, "/", 90_000, 1_000);
  await untilStored(uploadFolder, 1);
  socket.destroy();
  await untilStored(uploadFolder, 0);
  assert.equal(server.app.calls, 0);
});

test("a body that stalls is answered with 408 after its idle time, and its file is removed", async () => {
  const uploadFolder = createFolder();
  const clock = new FakeClock();
  await using server = await startTestServer(new Notes(), { uploadFolder, clock });
  const { closed } = await begin(server, "/", 90_000, 1_000);
  await untilStored(uploadFolder, 1);
  clock.advance(29_000);
  assert.equal(storedFiles(uploadFolder).length, 1);
  clock.advance(2_000);
  await untilStored(uploadFolder, 0);
  const answer = await closed;
  assert.equal(statusOf(answer), 408);
  assert.match(bodyOf(answer), /took too long to arrive: no byte for 30000 ms/);
});

test("a body that trickles is answered with 408 after its total time", async () => {
  const uploadFolder = createFolder();
  const clock = new FakeClock();
  await using server = await startTestServer(new Notes(), { uploadFolder, clock });
  let bytes = 0;
  server.server.server.on("connection", (socket) =>
    socket.on("data", (chunk: Buffer) => (bytes += chunk.length)),
  );
  const { socket, closed } = await begin(server, "/", 90_000, 1_000);
  await untilStored(uploadFolder, 1);
  const trickle = async (): Promise<void> => {
    const before = bytes;
    socket.write("x");
    while (bytes === before) await turn();
  };
  for (let time = 0; time < 290_000; time += 29_000) {
    await trickle();
    clock.advance(29_000);
    assert.equal(storedFiles(uploadFolder).length, 1);
  }
  await trickle();
  clock.advance(10_500);
  await untilStored(uploadFolder, 0);
  assert.match(bodyOf(await closed), /more than 300000 ms/);
});

test("uploads beyond the disk space are refused with 429, and a stalled one gives way", async () => {
  const uploadFolder = createFolder();
  const clock = new FakeClock();
  await using server = await startTestServer(new Notes(), { uploadFolder, clock, maxUploadBytes: 150_000 });
  const stalled = await begin(server, "/", 90_000, 1_000);
  await untilStored(uploadFolder, 1);
  const big = multipartBody([part(FILE, "x".repeat(80_000))]);
  const refused = await exchange(server.port, rawRequest("POST", "/", { "content-type": TYPE }, big));
  assert.equal(statusOf(refused), 429);
  assert.match(refused, /^retry-after: 1\r$/im);
  clock.advance(10_000);
  assert.equal((await send(server, big)).status, 200);
  assert.equal(statusOf(await stalled.closed), 429);
  await untilStored(uploadFolder, 0);
});

test("the files of queued and running calls count for the disk space until they are removed", async () => {
  const uploadFolder = createFolder();
  await using server = await startTestServer(new Notes(), { uploadFolder, maxUploadBytes: 150_000 });
  const big = multipartBody([part(FILE, "x".repeat(80_000))]);
  const first = exchange(server.port, rawRequest("POST", "/held", { "content-type": TYPE }, big));
  while (server.app.held.length === 0) await turn();
  assert.equal((await send(server, big)).status, 429);
  server.app.held[0]?.();
  assert.equal(statusOf(await first), 200);
  await untilStored(uploadFolder, 0);
  assert.equal((await send(server, big)).status, 200);
});

test("a body that declares more than the disk space is refused before it is read", async () => {
  await using server = await startTestServer(new Notes(), {
    uploadFolder: createFolder(),
    maxUploadBytes: 1_000,
  });
  const { closed } = await begin(server, "/", 90_000, 10);
  assert.equal(statusOf(await closed), 413);
});

test("a call that exceeds its timeout loses its file", async () => {
  const uploadFolder = createFolder();
  const clock = new FakeClock();
  await using server = await startTestServer(new Notes(), { uploadFolder, clock });
  const answer = exchange(server.port, rawRequest("POST", "/late", { "content-type": TYPE }, whole));
  // Not before the whole body has arrived, which has a time limit of its own.
  while (server.app.calls === 0) await turn();
  assert.equal(storedFiles(uploadFolder).length, 1);
  let isAnswered = false;
  void answer.then(() => (isAnswered = true));
  while (!isAnswered) {
    clock.advance(100);
    await turn();
  }
  assert.equal(statusOf(await answer), 504);
  await untilStored(uploadFolder, 0);
});

test("bodies that are not JSON are refused from pages of other origins before anything is stored", async () => {
  const uploadFolder = createFolder();
  await using server = await startTestServer(new Notes(), { uploadFolder, cors: { origins: "*" } });
  const headers = { "content-type": TYPE, origin: "https://evil.example" };
  const refused = await exchange(server.port, rawRequest("POST", "/", headers, whole));
  assert.equal(statusOf(refused), 403);
  assert.equal(server.app.calls, 0);
  assert.deepEqual(storedFiles(uploadFolder), []);
  await using trusting = await startTestServer(new Notes(), {
    uploadFolder,
    cors: { origins: [headers.origin] },
  });
  const allowed = await exchange(trusting.port, rawRequest("POST", "/", headers, whole));
  assert.equal(statusOf(allowed), 200);
});
