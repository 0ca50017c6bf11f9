import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Type } from "typebox";
import { App, AppException, endpoint, type RequestContext } from "servable";
import { currentRequest } from "servable/current";
import { FakeClock, startTestServer, type TestServer } from "servable/testing";
import { openSocket, rawRequest } from "../helpers/sockets.ts";
import { readStreamed } from "../helpers/streamed-text.ts";

const Item = Type.Object({ n: Type.Integer(), id: Type.Optional(Type.String()) });
type Item = { n: number; id?: string };
const Count = Type.Object({ count: Type.Integer(), size: Type.Integer({ default: 0 }) });
type Count = { count: number; size: number };

class Streams extends App {
  readonly events: string[] = [];
  produced = 0;

  @endpoint("/count", { input: Count, output: Item, stream: true })
  async *count({ count }: Count): AsyncGenerator<Item> {
    for (let n = 0; n < count; n++) {
      await sleep(1);
      yield { n, id: currentRequest()?.requestId ?? "none" };
    }
  }

  @endpoint("/sync", { input: Count, output: Item, stream: true })
  *sync({ count }: Count): Generator<Item> {
    for (let n = 0; n < count; n++) yield { n };
  }

  @endpoint("/fail-first", { output: Item, stream: true })
  async *failFirst(): AsyncGenerator<Item> {
    throw new AppException("not today", 409);
  }

  @endpoint("/fail-later", { output: Item, stream: true })
  async *failLater(): AsyncGenerator<Item> {
    yield { n: 1 };
    throw new Error("secret");
  }

  @endpoint("/wrong-later", { output: Item, stream: true })
  async *wrongLater(): AsyncGenerator<Item> {
    try {
      yield { n: 1 };
      yield { n: "two" } as unknown as Item;
    } finally {
      this.events.push("wrong-later closed");
    }
  }

  @endpoint("/forever", { output: Item, stream: true })
  async *forever(ctx: RequestContext): AsyncGenerator<Item> {
    ctx.signal.addEventListener("abort", () => this.events.push("signal"));
    try {
      for (let n = 0; ; n++) {
        await sleep(5);
        yield { n };
      }
    } finally {
      this.events.push("returned");
    }
  }

  @endpoint("/silent", { output: Item, stream: true })
  async *silent(ctx: RequestContext): AsyncGenerator<Item> {
    this.events.push("silent begun");
    await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
    this.events.push("silent ended");
  }

  @endpoint("/large", { output: Type.Object({ text: Type.String() }), stream: true })
  async *large(): AsyncGenerator<{ text: string }> {
    for (;;) {
      this.produced++;
      yield { text: "x".repeat(10_000) };
    }
  }

  @endpoint("/stalls", { output: Item, stream: true, timeoutMs: 50 })
  async *stalls(): AsyncGenerator<Item> {
    yield { n: 1 };
    await new Promise(() => {});
  }

  @endpoint("/never-starts", { output: Item, stream: true, timeoutMs: 50 })
  async *neverStarts(): AsyncGenerator<Item> {
    await new Promise(() => {});
  }

  @endpoint("/no-iterable", { stream: true })
  noIterable(): Promise<Iterable<Item>> {
    return Promise.resolve(5 as unknown as Iterable<Item>);
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

describe("server-sent events", { timeout: 30_000 }, () => {
  let served: TestServer<Streams>;
  before(async () => {
    served = await startTestServer(new Streams());
  });
  after(() => served.close());

  test("each item is one JSON event, in order, and then the response ends", async () => {
    const answer = await served.post("/count", { count: 3 }, { "x-fal-request-id": "s1" });
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("content-type") ?? "", /^text\/event-stream/);
    assert.equal(
      await answer.text(),
      'data: {"n":0,"id":"s1"}\n\ndata: {"n":1,"id":"s1"}\n\ndata: {"n":2,"id":"s1"}\n\n',
    );
  });

  test("the common headers are on a stream too", async () => {
    const answer = await served.post("/count", { count: 1 }, { origin: "https://page.localhost" });
    assert.equal(answer.headers.get("access-control-allow-origin"), "https://page.localhost");
    await answer.text();
  });

  test("a stream without items is an empty response", async () => {
    const answer = await served.post("/count", { count: 0 });
    assert.equal(answer.status, 200);
    assert.equal(await answer.text(), "");
  });

  test("an invalid input is a plain 422", async () => {
    assert.equal((await served.post("/count", { count: "x" })).status, 422);
  });

  test("an error before the first item has its own status", async () => {
    const answer = await served.post("/fail-first");
    assert.equal(answer.status, 409);
    assert.deepEqual(await answer.json(), { detail: "not today" });
    assert.equal((await served.post("/no-iterable")).status, 500);
  });

  test("an error after the first item is an error event that reveals no more than a response would, and breaks the connection", async () => {
    assert.deepEqual(await readStreamed(await served.post("/fail-later")), {
      text: 'data: {"n":1}\n\nevent: error\ndata: {"detail":"Internal Server Error","status":500}\n\n',
      isWhole: false,
    });
  });

  test("an item that does not match the schema ends the stream, and closes the generator", async () => {
    const { text } = await readStreamed(await served.post("/wrong-later"));
    assert.match(text, /^data: \{"n":1\}\n\nevent: error\n/);
    await until(() => served.app.events.includes("wrong-later closed"));
  });

  test("a caller that disconnects between items aborts the signal, and the generator returns", async () => {
    const stop = new AbortController();
    const answer = await fetch(`${served.url}/forever`, { method: "POST", signal: stop.signal });
    await answer.body?.getReader().read();
    stop.abort();
    await until(() => served.app.events.includes("returned"));
    assert.ok(served.app.events.includes("signal"));
  });

  test("a caller that disconnects before the first item aborts the signal", async () => {
    const socket = await openSocket(served.port);
    socket.write(rawRequest("POST", "/silent"));
    await until(() => served.app.events.includes("silent begun"));
    socket.resetAndDestroy();
    await until(() => served.app.events.includes("silent ended"));
  });

  test("a reader that stops reading pauses the generator instead of filling the server's memory", async () => {
    const socket = await openSocket(served.port);
    socket.pause();
    socket.write(rawRequest("POST", "/large"));
    await until(() => served.app.produced > 0);
    let before = -1;
    while (before !== served.app.produced) {
      before = served.app.produced;
      await sleep(200);
    }
    assert.ok(served.app.produced * 10_000 < 20_000_000, `${served.app.produced} items were produced`);
    assert.equal((await served.post("/count", { count: 1 })).status, 200);
    socket.destroy();
  });

  test("a generator that never waits does not block other requests", async () => {
    const long = served.post("/sync", { count: 50_000 }).then((answer) => answer.text());
    const began = performance.now();
    const quick = await fetch(`${served.url}/livez`);
    assert.equal(quick.status, 200);
    const share = performance.now() - began;
    const all = await long;
    assert.equal(all.match(/^data: /gm)?.length, 50_000);
    assert.ok(share < performance.now() - began, "the other answer came first");
  });

  test("timeoutMs limits the wait for each item: 504 before the first, an event after it", async () => {
    const none = await served.post("/never-starts");
    assert.equal(none.status, 504);
    const { text } = await readStreamed(await served.post("/stalls"));
    assert.match(
      text,
      /^data: \{"n":1\}\n\nevent: error\ndata: \{"detail":"The stream gave no item for 50 ms\.","status":504\}\n\n$/,
    );
  });
});

test(
  "an idle stream sends heartbeat comments; the head is delayed by one heartbeat at most",
  { timeout: 10_000 },
  async () => {
    const clock = new FakeClock();
    await using served = await startTestServer(new Streams(), { clock, heartbeatMs: 1000 });
    const socket = await openSocket(served.port);
    socket.write(rawRequest("POST", "/silent"));
    await until(() => served.app.events.includes("silent begun"));
    let received = "";
    socket.on("data", (chunk: Buffer) => (received += chunk.toString()));
    clock.advance(999);
    await sleep(20);
    assert.equal(received, "");
    clock.advance(1);
    await until(() => received.includes(": heartbeat"));
    assert.match(received, /^HTTP\/1\.1 200 OK[^]*text\/event-stream/);
    clock.advance(3000);
    await until(() => received.split(": heartbeat").length - 1 === 4);
    socket.destroy();
    await once(socket, "close");
    await until(() => served.app.events.includes("silent ended"));
    await until(() => clock.pending === 0);
  },
);
