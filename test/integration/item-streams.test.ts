import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { startTestServer, type TestServer } from "servable/testing";
import { ItemStreams, ItemStreamsInWorker } from "../fixtures/item-streams-app.ts";
import { readStreamed } from "../helpers/streamed-text.ts";

interface Seen {
  asked: number;
  closed: string[];
  process: number;
}

const LINES = { accept: "application/x-ndjson" };

function eventsOf(text: string): EventSourceMessage[] {
  const events: EventSourceMessage[] = [];
  createParser({ onEvent: (each) => events.push(each) }).feed(text);
  return events;
}

for (const App of [ItemStreams, ItemStreamsInWorker]) {
  const isWorker = App === ItemStreamsInWorker;
  describe(
    `streams of items ${isWorker ? "in a worker" : "in the server's process"}`,
    { timeout: 60_000 },
    () => {
      let served: TestServer<ItemStreams>;
      before(async () => {
        served = await startTestServer(new App());
      });
      after(() => served.close());

      const seen = async (): Promise<Seen> => (await (await served.post("/seen")).json()) as Seen;
      const untilClosed = async (name: string): Promise<void> => {
        while (!(await seen()).closed.includes(name)) await sleep(5);
      };

      test("methods run where the class says", async () => {
        assert.equal((await seen()).process === process.pid, !isWorker);
      });

      test("event() and raw() become the fields and lines of events, and line breaks can't forge fields", async () => {
        const answer = await served.post("/events");
        assert.deepEqual(
          eventsOf(await answer.text()).map(({ event, id, data }) => [event, id, data]),
          [
            [undefined, undefined, '{"n":1}'],
            ["step", "a", '{"n":2}'],
            ["text", undefined, "one\ntwo\nevent: forged"],
            [undefined, undefined, "[DONE]"],
          ],
        );
      });

      test("the data of an event is checked by the schema", async () => {
        const { text, isWhole } = await readStreamed(await served.post("/wrong-data"));
        assert.match(text, /^data: \{"n":1\}\n\nevent: error\ndata: \{"detail":.*"status":500\}\n\n$/);
        assert.ok(!isWhole, "the connection is broken");
      });

      test("lines of JSON are sent to requests that accept them, and text that is not JSON is left out", async () => {
        const answer = await fetch(`${served.url}/events`, { method: "POST", headers: LINES });
        assert.equal(answer.headers.get("content-type"), "application/x-ndjson");
        assert.equal(await answer.text(), '{"n":1}\n{"n":2}\n');
      });

      test("a failed stream of lines ends with a line of the error and a broken connection", async () => {
        const answer = await served.post("/wrong-data", undefined, LINES);
        const { text, isWhole } = await readStreamed(answer);
        assert.match(text, /^\{"n":1\}\n\{"error":\{"detail":.*"status":500\}\}\n$/);
        assert.ok(!isWhole);
      });

      test("an optional stream answers with one result of JSON, with status and headers", async () => {
        const answer = await served.post("/optional", { count: 3 });
        assert.equal(answer.status, 201);
        assert.equal(answer.headers.get("x-kind"), "single");
        assert.match(answer.headers.get("content-type") ?? "", /^application\/json/);
        assert.equal(((await answer.json()) as { total: number }).total, 3);
      });

      test("an optional stream answers with items, with status and headers", async () => {
        const answer = await served.post("/optional", { count: 20, stream: true });
        assert.equal(answer.status, 202);
        assert.equal(answer.headers.get("x-kind"), "stream");
        assert.match(answer.headers.get("content-type") ?? "", /^text\/event-stream/);
        const items = eventsOf(await answer.text()).map(({ data }) => (JSON.parse(data) as { n: number }).n);
        assert.deepEqual(
          items,
          Array.from({ length: 20 }, (_, n) => n),
        );
        await untilClosed("items");
      });

      test("an error of either form of an optional stream is answered as usual", async () => {
        for (const stream of [false, true]) {
          const answer = await served.post("/optional", { count: -1, stream });
          assert.equal(answer.status, 409);
          assert.deepEqual(await answer.json(), { detail: "fewer than none" });
        }
        assert.equal((await served.post("/optional", { count: "x" })).status, 422);
      });

      test("an optional stream that decides nothing in time is answered with 504", async () => {
        const answer = await served.post("/never");
        assert.equal(answer.status, 504);
      });

      test("the time limit applies to each item", async () => {
        const { text } = await readStreamed(await served.post("/stalls", { count: 2 }));
        assert.match(
          text,
          /^data: \{"n":0\}\n\ndata: \{"n":1\}\n\nevent: error\ndata: \{.*"status":504\}\n\n$/,
        );
        assert.equal((await served.post("/stalls", { count: 0 })).status, 504);
      });

      test("a method cleans up when its client disconnects", async () => {
        const stop = new AbortController();
        const answer = await fetch(`${served.url}/endless`, {
          method: "POST",
          signal: stop.signal,
        });
        await answer.body?.getReader().read();
        stop.abort();
        await untilClosed("endless");
      });

      test("cookies are read from the header", async () => {
        const headers = { cookie: 'a=1; b="two"; c=%C3%A9; a=3; d=%zz; constructor=x' };
        const answer = await served.post("/cookies", undefined, headers);
        assert.deepEqual(await answer.json(), { a: "1", b: "two", c: "é", d: "%zz", constructor: "x" });
      });
    },
  );
}

test(
  "the death of a worker ends its stream with an error, and another worker serves the next",
  { timeout: 60_000 },
  async () => {
    await using served = await startTestServer(new ItemStreamsInWorker());
    const { text, isWhole } = await readStreamed(await served.post("/dies"));
    assert.match(text, /^data: \{"n":1\}\n\ndata: \{"n":2\}\n\nevent: error\ndata: \{.*"status":500\}\n\n$/);
    assert.ok(!isWhole);
    assert.equal((await served.post("/optional", { count: 1 })).status, 201);
  },
);
