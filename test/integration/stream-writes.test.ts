import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { Type } from "typebox";
import { App, endpoint } from "servable";
import { FakeClock, startTestServer, type TestServer } from "servable/testing";
import { exchange, openSocket, rawRequest } from "../helpers/sockets.ts";
import { readStreamed } from "../helpers/streamed-text.ts";

const Count = Type.Object({ count: Type.Integer() });
const COUNT_HEADERS = { "content-type": "application/json" };
const LARGE_ITEMS = 10_000;

/** A streaming method's iterator that counts its calls. */
class Counted implements AsyncIterableIterator<unknown> {
  readonly returned: string[];
  asked = 0;
  readonly #name: string;
  readonly #items: readonly unknown[];

  constructor(name: string, returned: string[], items: readonly unknown[]) {
    this.#name = name;
    this.returned = returned;
    this.#items = items;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<unknown>> {
    const index = this.asked++;
    if (index >= this.#items.length) return { done: true, value: undefined };
    return { done: false, value: await this.#items[index] };
  }

  async return(): Promise<IteratorResult<unknown>> {
    this.returned.push(this.#name);
    return { done: true, value: undefined };
  }
}

class Writes extends App {
  readonly returned: string[] = [];
  produced = 0;
  late: Counted | undefined;
  #open: (() => void) | undefined;

  @endpoint("/sync", { input: Count, stream: true })
  *sync({ count }: { count: number }): Generator<string> {
    for (let n = 0; n < count; n++) yield textOf(n);
  }

  @endpoint("/async", { input: Count, stream: true })
  async *async({ count }: { count: number }): AsyncGenerator<string> {
    for (let n = 0; n < count; n++) yield textOf(n);
  }

  /** Yields items that are not ready together. */
  @endpoint("/turns", { stream: true })
  async *turns(): AsyncGenerator<string> {
    for (let n = 0; n < 3; n++) {
      yield textOf(n);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  @endpoint("/open")
  open(): boolean {
    this.#open?.();
    return true;
  }

  /** Yields an item, waits for /open, then yields two at once and waits again, and so on. */
  @endpoint("/gated", { stream: true })
  async *gated(): AsyncGenerator<string> {
    for (let step = 1; step <= 3; step++) {
      for (let n = 0; n < step; n++) yield `${step}.${n}`;
      await new Promise<void>((resolve) => (this.#open = resolve));
    }
  }

  @endpoint("/large", { stream: true })
  *large(): Generator<string> {
    for (; this.produced < LARGE_ITEMS; this.produced++) yield "x".repeat(10_000);
  }

  @endpoint("/counted-to-the-end", { stream: true })
  countedToTheEnd(): AsyncIterableIterator<unknown> {
    return new Counted("to the end", this.returned, [1, 2]);
  }

  @endpoint("/counted-unsendable", { stream: true })
  countedUnsendable(): AsyncIterableIterator<unknown> {
    return new Counted("unsendable", this.returned, [1, 2n, 3]);
  }

  @endpoint("/counted-failing", { stream: true })
  countedFailing(): AsyncIterableIterator<unknown> {
    const failure = Promise.reject(new Error("no more"));
    failure.catch(() => {});
    return new Counted("failing", this.returned, [1, failure, 3]);
  }

  @endpoint("/counted-left", { stream: true })
  countedLeft(): AsyncIterableIterator<unknown> {
    return new Counted("left", this.returned, [1, new Promise(() => {})]);
  }

  @endpoint("/counted-late", { stream: true, timeoutMs: 1000 })
  countedLate(): AsyncIterableIterator<unknown> {
    const late = new Promise<void>((resolve) => (this.#open = resolve)).then(() => "late");
    return (this.late = new Counted("late", this.returned, [1, late, 3]));
  }
}

/** Items of characters of one to four bytes. */
function textOf(n: number): string {
  return `${n} a é € 😀`;
}

function eventOf(text: string): string {
  return `data: ${JSON.stringify(text)}\n\n`;
}

/** The chunks of the first answer, and the position after it. */
function readChunks(answer: Buffer, from = 0): { chunks: string[]; end: number } {
  const chunks: string[] = [];
  let at = answer.indexOf("\r\n\r\n", from) + 4;
  for (;;) {
    const lineEnd = answer.indexOf("\r\n", at);
    const size = Number.parseInt(answer.toString("latin1", at, lineEnd), 16);
    const end = lineEnd + 2 + size;
    assert.equal(answer.toString("latin1", end, end + 2), "\r\n", "a chunk is as long as it says");
    if (size === 0) return { chunks, end: end + 2 };
    chunks.push(answer.toString("utf8", lineEnd + 2, end));
    at = end + 2;
  }
}

async function receive(socket: Socket, isEnough: (received: string) => boolean): Promise<void> {
  let received = "";
  while (!isEnough(received)) received += String((await once(socket, "data"))[0]);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe("the writes of a stream", { timeout: 60_000 }, () => {
  let served: TestServer<Writes>;
  before(async () => {
    served = await startTestServer(new Writes());
  });
  after(() => served.close());

  for (const kind of ["sync", "async"]) {
    test(`items that are ready together leave together (${kind})`, async () => {
      const request = rawRequest("POST", `/${kind}`, COUNT_HEADERS, '{"count":10}');
      const answer = Buffer.from(await exchange(served.port, request), "latin1");
      const events = Array.from({ length: 10 }, (_, n) => eventOf(textOf(n)));
      const { chunks } = readChunks(answer);
      assert.equal(chunks.join(""), events.join(""));
      // The first leaves at once, the others together; newer versions of Node join both.
      assert.ok(chunks.length <= 2, `${chunks.length} chunks`);
    });
  }

  test("every chunk of a long stream is whole, and no item is lost", async () => {
    const request = rawRequest("POST", "/async", COUNT_HEADERS, '{"count":5000}');
    const { chunks } = readChunks(Buffer.from(await exchange(served.port, request), "latin1"));
    const expected = Array.from({ length: 5000 }, (_, n) => eventOf(textOf(n))).join("");
    assert.ok(chunks.length > 10, "more than the connection accepts at once");
    assert.equal(chunks.join(""), expected);
  });

  test("an item leaves at once, though the generator waits for the next", async () => {
    const socket = await openSocket(served.port);
    socket.write(rawRequest("POST", "/gated"));
    await receive(socket, (text) => text.endsWith('data: "1.0"\n\n\r\n'));
    await served.post("/open");
    await receive(socket, (text) => text.endsWith('data: "2.1"\n\n\r\n'));
    await served.post("/open");
    await receive(socket, (text) => text.endsWith('data: "3.2"\n\n\r\n'));
    await served.post("/open");
    await once(socket, "close");
  });

  test("a reader that stops reading pauses a generator that never waits", async () => {
    const socket = await openSocket(served.port);
    socket.pause();
    socket.write(rawRequest("POST", "/large"));
    let before = -1;
    while (before !== served.app.produced || before === 0) {
      before = served.app.produced;
      await served.post("/open"); // takes longer than an item
    }
    assert.ok(before < LARGE_ITEMS / 5, `${before} items of 10 kB were produced`);
    socket.resume();
    await once(socket, "close");
    assert.equal(served.app.produced, LARGE_ITEMS, "it continues with the reader");
  });

  test("streams whose requests were sent together do not mix", async () => {
    const request = rawRequest(
      "POST",
      "/async",
      { ...COUNT_HEADERS, connection: "keep-alive" },
      '{"count":200}',
    );
    const last = rawRequest("POST", "/sync", COUNT_HEADERS, '{"count":3}');
    const text = await exchange(served.port, Buffer.concat([request, request, last]));
    const answer = Buffer.from(text, "latin1");
    let at = 0;
    for (const count of [200, 200, 3]) {
      const { chunks, end } = readChunks(answer, at);
      assert.equal(chunks.join(""), Array.from({ length: count }, (_, n) => eventOf(textOf(n))).join(""));
      at = end;
    }
    assert.equal(at, answer.length);
  });

  test("a client of HTTP/1.0, and inject(), get the items without the lengths of chunks", async () => {
    const expected = [0, 1, 2].map((n) => eventOf(textOf(n))).join("");
    const old = await exchange(
      served.port,
      rawRequest("POST", "/turns").toString().replace("HTTP/1.1", "HTTP/1.0"),
    );
    assert.equal(Buffer.from(old, "latin1").toString().split("\r\n\r\n")[1], expected);
    const { payload } = await served.server.inject({ method: "POST", url: "/turns" });
    assert.equal(payload, expected);
  });
});

describe("the end of a stream", { timeout: 60_000 }, () => {
  test("closes an iterator once if it has not ended by itself, whatever the reason", async () => {
    const clock = new FakeClock();
    await using served = await startTestServer(new Writes(), { clock });
    const { app } = served;
    assert.equal(await (await served.post("/counted-to-the-end")).text(), "data: 1\n\ndata: 2\n\n");
    assert.deepEqual(app.returned, []);

    for (const name of ["unsendable", "failing"]) {
      const { text, isWhole } = await readStreamed(await served.post(`/counted-${name}`));
      assert.match(text, /^data: 1\n\nevent: error\ndata: .*"status":500\}\n\n$/);
      assert.ok(!isWhole);
    }
    const socket = await openSocket(served.port);
    socket.write(rawRequest("POST", "/counted-left"));
    await once(socket, "data");
    socket.resetAndDestroy();
    await until(() => app.returned.length >= 3);

    const late = await served.post("/counted-late");
    clock.advance(1000);
    const { text } = await readStreamed(late);
    assert.match(text, /^data: 1\n\nevent: error\ndata: .*"status":504\}\n\n$/);
    await served.post("/open"); // the item comes after the end
    assert.deepEqual(app.returned, ["unsendable", "failing", "left", "late"]);
    assert.equal(app.late?.asked, 2, "it is not asked for more");
  });
});
