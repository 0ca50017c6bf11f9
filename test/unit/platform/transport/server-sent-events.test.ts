import assert from "node:assert/strict";
import { test } from "node:test";
import {
  serverSentEvents,
  type ServerSentEvent,
} from "../../../../src/platform/transport/server-sent-events.ts";

async function* inPieces(text: string, length: number): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += length) yield bytes.slice(at, at + length);
}

async function eventsOf(text: string, length: number): Promise<ServerSentEvent[]> {
  const events: ServerSentEvent[] = [];
  for await (const event of serverSentEvents(inPieces(text, length))) events.push(event);
  return events;
}

test("events are parsed however the stream is divided into chunks, and with any line endings", async () => {
  const text =
    ': hello\n\ndata: {"a": "é"}\n\nevent: error\r\ndata:one\r\ndata: two: 2\r\nid: 7\r\n\r\nevent: ping\r\rdata\r\r' +
    "data:  spaced\nretry: 5\n\ndata: cut";
  const expected = [
    { event: "message", data: '{"a": "é"}' },
    { event: "error", data: "one\ntwo: 2" },
    { event: "message", data: "" },
    { event: "message", data: " spaced" },
  ];
  for (const length of [1, 2, 3, 7, 1_000])
    assert.deepEqual(await eventsOf(text, length), expected, `${length}`);
});

test("a line without an end is not buffered without limit", async () => {
  async function* endless(): AsyncGenerator<Uint8Array> {
    const chunk = new Uint8Array(2 ** 22).fill(97);
    for (;;) yield chunk;
  }
  await assert.rejects(async () => {
    for await (const _ of serverSentEvents(endless())) assert.fail();
  }, /is too long/);
});
