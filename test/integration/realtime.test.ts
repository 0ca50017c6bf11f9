import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";
import { connectTestSocket, startTestServer, type TestServer } from "servable/testing";
import { Doubled, Number, RealtimeApp } from "../helpers/realtime-app.ts";

const SCHEMAS = { input: Number, output: Doubled };

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

describe("realtime sessions over sockets", { timeout: 60_000 }, () => {
  let served: TestServer<RealtimeApp>;
  before(async () => {
    served = await startTestServer(new RealtimeApp(), { maxFrameBytes: 1_000_000 });
  });
  after(() => served.close());
  const connect = (path: string) => connectTestSocket(served.url + path, SCHEMAS);

  test("unary: one result for each input, in order", async () => {
    const client = await connect("/double");
    for (const [n, wait] of [
      [1, 30],
      [2, 0],
      [3, 10],
    ] as const)
      client.send({ n, wait });
    assert.deepEqual(
      [await client.next(), await client.next(), await client.next()],
      [{ n: 2 }, { n: 4 }, { n: 6 }],
    );
    assert.deepEqual(await client.close(), { code: 1000, reason: "" });
  });

  test("a close frame of any kind is answered with 1000", async () => {
    for (const code of [undefined, 1000, 1001, 4000]) {
      const client = await connect("/double");
      assert.equal((await client.close(code)).code, 1000);
    }
  });

  test("binary data stays binary, and a timestamp extension becomes a Date", async () => {
    const client = await connectTestSocket(`${served.url}/blob`);
    client.send({ bytes: new Uint8Array([1, 2, 255]), at: new Date(0) });
    const answer = await client.next();
    assert.deepEqual(new Uint8Array(answer["bytes"] as Uint8Array), new Uint8Array([1, 2, 255]));
    await client.close();
  });

  test("an invalid input is reported with its field and rule, then 1000", async () => {
    const client = await connect("/double");
    client.send({ n: "x" } as never);
    assert.equal((await client.closed).code, 1000);
    assert.deepEqual(client.control, [
      { type: "x-fal-error", error: "INTERNAL_ERROR", reason: "n: Input should be a valid integer" },
    ]);
  });

  test("an error raised for the caller is sent; any other reveals no internals", async () => {
    for (const [n, reason] of [
      [13, "unlucky"],
      [666, "Internal Server Error"],
    ] as const) {
      const client = await connect("/double");
      client.send({ n, wait: 0 });
      assert.equal((await client.closed).code, 1000);
      assert.equal(client.control[0]?.reason, reason);
    }
  });

  test("timings follow each result; silence ends the session with TIMEOUT and 1000", async () => {
    const client = await connect("/timed");
    client.send({ n: 1, wait: 0 });
    assert.deepEqual(await client.next(), { n: 1 }, "fields that the schema does not know stay behind");
    assert.equal((await client.closed).code, 1000);
    const [timing, timeout] = client.control;
    assert.equal(timing?.action, "timings");
    assert.ok((timing?.timing ?? -1) >= 0 && (timing?.queue ?? -1) >= 0 && timing?.batch_size === 1);
    assert.deepEqual(timeout, {
      type: "x-fal-error",
      error: "TIMEOUT",
      reason: "no inputs, reconnect when needed!",
    });
  });

  test("buffering keeps the newest inputs and reports how many were dropped", async () => {
    const client = await connect("/newest");
    client.send({ n: 0, wait: 60 });
    await sleep(20);
    for (let n = 1; n <= 5; n++) client.send({ n, wait: 0 });
    assert.deepEqual(
      [await client.next(), await client.next(), await client.next()],
      [{ n: 0 }, { n: 4 }, { n: 5 }],
    );
    assert.deepEqual(client.control, [{ type: "x-fal-message", action: "dropped", count: 3 }]);
    await client.close();
  });

  test("max_buffering in the query overrides it for one connection", async () => {
    const client = await connect("/newest?max_buffering=4");
    client.send({ n: 0, wait: 60 });
    await sleep(20);
    for (let n = 1; n <= 5; n++) client.send({ n, wait: 0 });
    for (let count = 0; count < 5; count++) await client.next();
    assert.deepEqual(
      client.results.map(({ n }) => n),
      [0, 2, 3, 4, 5],
    );
    await client.close();
  });

  test("waiting inputs are handled as batches", async () => {
    const client = await connectTestSocket(`${served.url}/batch`);
    client.send({ n: 0 });
    await client.next();
    for (let n = 1; n <= 9; n++) client.send({ n });
    for (let count = 0; count < 9; count++) await client.next();
    assert.deepEqual(
      client.results.map(({ n }) => n),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    assert.equal(client.results[0]?.["size"], 1);
    assert.ok(client.results.some(({ size }) => size === 4));
    await client.close();
  });

  test("a JSON session sends text, and accepts text and bytes", async () => {
    const socket = new WebSocket(`${served.url.replace("http", "ws")}/json`);
    await once(socket, "open");
    for (const frame of ['{"n":1}', Buffer.from('{"n":2}')]) {
      socket.send(frame);
      const [data, isBinary] = (await once(socket, "message")) as [Buffer, boolean];
      assert.equal(isBinary, false);
      assert.match(data.toString(), /^\{"n":[12]\}$/);
    }
    socket.send(Buffer.from([0xff, 0xfe]));
    const [rejection] = (await once(socket, "message")) as [Buffer];
    assert.match(rejection.toString(), /The message can't be read: the text is not UTF-8/);
    socket.close();
  });

  test("handlers have the context of the upgrade request", async () => {
    const headers = { "x-fal-request-id": "ws-1", "x-custom": "yes" };
    const client = await connectTestSocket(`${served.url}/context?a=1`, {}, { headers });
    client.send({});
    assert.deepEqual(await client.next(), {
      requestId: "ws-1",
      query: { a: "1" },
      custom: "yes",
      current: "ws-1",
    });
    await client.close();
  });

  test("server streaming: each item is sent when it is ready, then end and 1000", async () => {
    const client = await connect("/count");
    client.send({ n: 3, wait: 1 });
    assert.equal((await client.closed).code, 1000);
    assert.deepEqual(client.results, [{ n: 0 }, { n: 1 }, { n: 2 }]);
    assert.deepEqual(client.control, [{ type: "x-fal-message", action: "end" }]);
  });

  test("client streaming: the client's close frame ends its inputs, and the output is still sent", async () => {
    const client = await connect("/sum");
    for (const n of [1, 2, 3]) client.send({ n, wait: 0 });
    assert.equal((await client.close()).code, 1000);
    assert.deepEqual(client.results, [{ n: 6 }]);
  });

  test("bidi: outputs are sent while inputs arrive", async () => {
    const client = await connect("/echo");
    client.send({ n: 1, wait: 0 });
    assert.deepEqual(await client.next(), { n: 1 });
    client.send({ n: 2, wait: 0 });
    assert.deepEqual(await client.next(), { n: 2 });
    assert.equal((await client.close()).code, 1000);
  });

  test("a raw websocket is handled by the handler alone", async () => {
    const socket = new WebSocket(`${served.url.replace("http", "ws")}/raw`);
    await once(socket, "open");
    socket.send("hello");
    const [data] = (await once(socket, "message")) as [Buffer];
    assert.equal(data.toString(), "hello");
    socket.close();
    const [code] = (await once(socket, "close")) as [number];
    assert.equal(code, 1000);
    await until(() => served.app.seen.includes("raw aborted"));
  });

  test("a raw handler that fails closes its socket with 1011 and a truncated reason", async () => {
    const socket = new WebSocket(`${served.url.replace("http", "ws")}/raw-fail`);
    const [code, reason] = (await once(socket, "close")) as [number, Buffer];
    assert.equal(code, 1011);
    assert.equal(reason.toString(), "é".repeat(61));
  });

  test("a GET on a realtime path returns 404; a POST works if the path has an endpoint too", async () => {
    assert.equal((await fetch(`${served.url}/slow`)).status, 404);
    assert.equal((await served.post("/slow", {})).status, 404);
    assert.deepEqual(await (await served.post("/double", { n: 4 })).json(), { n: 4 });
  });

  test("an upgrade on an unknown path returns 404 and closes the connection", async () => {
    const socket = new WebSocket(`${served.url.replace("http", "ws")}/nope`);
    const [error] = (await once(socket, "error")) as [Error];
    assert.match(error.message, /404/);
  });

  test("a frame over the limit ends the session with 1009", async () => {
    const client = await connectTestSocket(`${served.url}/blob`);
    client.send({ bytes: new Uint8Array(1_000_001) });
    assert.equal((await client.closed).code, 1009);
  });

  for (const [path, begun] of [
    ["/slow", { n: 1, wait: 0 }],
    ["/count", { n: 1_000_000, wait: 5 }],
    ["/sum", { n: 1, wait: 0 }],
    ["/echo", { n: 1, wait: 0 }],
  ] as const) {
    test(`a client that vanishes in ${path} aborts the signal and ends the session`, async () => {
      const name = path.slice(1);
      served.app.seen.length = 0;
      const client = await connect(path);
      client.send(begun);
      await until(() => served.app.seen.includes(`${name} begun`));
      if (path === "/count" || path === "/echo") await client.next();
      (client.socket as unknown as { _socket: { resetAndDestroy(): void } })._socket.resetAndDestroy();
      await until(() => served.app.seen.includes(`${name} aborted`));
      if (path === "/count" || path === "/echo")
        await until(() => served.app.seen.includes(`${name} returned`));
    });
  }

  test("a client that vanishes before it sends anything leaves nothing behind", async () => {
    for (const path of ["/double", "/count", "/sum", "/echo", "/raw"]) {
      const client = await connect(path);
      client.socket.terminate();
    }
    await sleep(50);
    assert.equal((await fetch(`${served.url}/livez`)).status, 200);
  });

  test("a reader that stops reading pauses its producer, and delays no other session", async () => {
    served.app.seen.length = 0;
    const lazy = await connectTestSocket(`${served.url}/flood`);
    lazy.socket.pause();
    lazy.send({ n: 100_000, wait: 0 });
    await until(() => served.app.seen.length > 0);
    let last = -1;
    while (last !== parseInt(served.app.seen[0] ?? "0")) {
      last = parseInt(served.app.seen[0] ?? "0");
      await sleep(200);
    }
    assert.ok(last * 10_000 < 20_000_000, `${last} items were produced for a reader that does not read`);
    const other = await connect("/double");
    const began = performance.now();
    other.send({ n: 1, wait: 0 });
    await other.next();
    assert.ok(performance.now() - began < 1000);
    await other.close();
    lazy.socket.terminate();
  });
});

test(
  "100,000 messages arrive in order and complete, alongside slow readers",
  { timeout: 120_000 },
  async () => {
    await using served = await startTestServer(new RealtimeApp());
    const slow = await Promise.all(
      Array.from({ length: 3 }, async () => {
        const client = await connectTestSocket(`${served.url}/flood`);
        client.socket.pause();
        client.send({ n: 100_000, wait: 0 });
        return client;
      }),
    );
    const before = process.memoryUsage().rss;
    const clients = await Promise.all(
      Array.from({ length: 10 }, () => connectTestSocket(`${served.url}/echo`, SCHEMAS)),
    );
    await Promise.all(
      clients.map(async (client) => {
        for (let n = 0; n < 10_000; n++) {
          client.send({ n, wait: 0 });
          if (n - client.results.length > 500) await until(() => n - client.results.length < 250);
        }
        await until(() => client.results.length === 10_000);
        assert.ok(client.results.every(({ n }, index) => n === index));
      }),
    );
    assert.ok(process.memoryUsage().rss - before < 300_000_000);
    for (const client of slow) client.socket.terminate();
  },
);

class PatientRealtimeApp extends RealtimeApp {
  static override overloadStatus = 503 as const;
}

for (const [App, status] of [
  [RealtimeApp, 429],
  [PatientRealtimeApp, 503],
] as const) {
  test(
    `sessions beyond the limit are refused with ${status} by ${App.name}`,
    { timeout: 20_000 },
    async () => {
      await using served = await startTestServer(new App(), { maxSessions: 1 });
      const first = await connectTestSocket(`${served.url}/double`);
      const second = new WebSocket(`${served.url.replace("http", "ws")}/double`);
      const [error] = (await once(second, "error")) as [Error];
      assert.match(error.message, new RegExp(`${status}`));
      await first.close();
      await sleep(20);
      await (await connectTestSocket(`${served.url}/double`)).close();
    },
  );
}

test("a client that answers no ping is disconnected", { timeout: 20_000 }, async () => {
  await using served = await startTestServer(new RealtimeApp(), { websocketPingMs: 50 });
  const dead = await connectTestSocket(`${served.url}/slow`, {}, { autoPong: false });
  dead.send({ n: 1 });
  const living = await connectTestSocket(`${served.url}/double`, SCHEMAS);
  assert.equal((await dead.closed).code, 1006);
  await until(() => served.app.seen.includes("slow aborted"));
  living.send({ n: 1, wait: 0 });
  assert.deepEqual(await living.next(), { n: 2 });
  await living.close();
});
