import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import { get as secureGet } from "node:https";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { readFileSync } from "node:fs";
import { FrontDoor } from "../../src/controller/port/front-door.ts";
import { createCertificate, withoutOpenssl } from "../helpers/certificates.ts";

const skip = withoutOpenssl;
const files = createCertificate();
let door: FrontDoor;
let port = 0;
before(async () => {
  door = new FrontDoor(
    {
      onRequest: (request, response) => response.end(`http ${request.httpVersion} ${request.url}`),
      onUpgrade: (_request, socket) => socket.end("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
      onCall: (request, response) => response.end(`http ${request.httpVersion} ${request.url}`),
    },
    skip === false ? { cert: files.pem, key: readFileSync(files.key, "utf8") } : undefined,
    200,
  );
  ({ port } = await door.listen({ host: "127.0.0.1", port: 0 }));
  door.open();
});
after(() => door?.close());

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** The body of a request over HTTP/2. */
async function call(url: string, path: string): Promise<string> {
  const session = connectHttp2(url, { ca: files.pem });
  try {
    const stream = session.request({ ":path": path });
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  } finally {
    session.close();
  }
}

test(
  "HTTP/1.1, HTTP/2 with prior knowledge, and both over TLS are answered on one port",
  { skip },
  async () => {
    const [plain] = (await once(get(`http://127.0.0.1:${port}/a`), "response")) as [IncomingMessage];
    assert.equal(await textOf(plain), "http 1.1 /a");
    assert.equal(await call(`http://127.0.0.1:${port}`, "/b"), "http 2.0 /b");
    const options = { ca: files.pem };
    const [secure] = (await once(secureGet(`https://localhost:${port}/c`, options), "response")) as [
      IncomingMessage,
    ];
    assert.equal(await textOf(secure), "http 1.1 /c");
    assert.equal(await call(`https://localhost:${port}`, "/d"), "http 2.0 /d");
  },
);

test("a request whose bytes arrive one by one is answered, also one that begins as HTTP/2 does", async () => {
  for (const head of [
    "GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "PUT /x HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
  ]) {
    const socket = connect(port, "127.0.0.1").setNoDelay(true);
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    const closed = once(socket, "close");
    for (const byte of head) {
      socket.write(byte);
      await delay(1);
    }
    await closed;
    assert.match(text, /^HTTP\/1\.1 200 /);
  }
});

test("a request that comes before the door is open waits, and is answered then", async () => {
  const late = new FrontDoor({
    onRequest: (_request, response) => response.end("open"),
    onUpgrade: (_request, socket) => socket.destroy(),
    onCall: (_request, response) => response.end(),
  });
  const { port: own } = await late.listen({ host: "127.0.0.1", port: 0 });
  let isOpen = false;
  const answer = fetch(`http://127.0.0.1:${own}/`).then(async (response) => {
    assert.ok(isOpen);
    return response.text();
  });
  await delay(100);
  isOpen = true;
  late.open();
  assert.equal(await answer, "open");
  late.close();
});

test("requests follow each other on one connection", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (const path of ["/1", "/2", "/3"]) {
    const [answer] = (await once(get(`http://127.0.0.1:${port}${path}`, { agent }), "response")) as [
      IncomingMessage,
    ];
    assert.equal(await textOf(answer), `http 1.1 ${path}`);
  }
  agent.destroy();
});

test("half a head is ended when its time is over", async () => {
  const socket = connect(port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nhost: x\r\n");
  const [answer] = (await once(socket, "data")) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 408 /);
  socket.resume();
  if (!socket.closed) await once(socket, "close");
});
