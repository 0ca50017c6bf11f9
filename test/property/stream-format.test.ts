import assert from "node:assert/strict";
import { test } from "node:test";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import fc from "fast-check";
import { event, raw } from "../../src/routes/stream-event.ts";
import { EVENTS, formatFor } from "../../src/server/streams/stream-format.ts";

function parse(text: string): EventSourceMessage[] {
  const events: EventSourceMessage[] = [];
  createParser({ onEvent: (each) => events.push(each) }).feed(text);
  return events;
}

/** Texts with all that has a meaning in a stream of events. */
const text = fc.string({
  unit: fc.constantFrom("\r", "\n", ":", " ", "data", "event", "id", "é", "😀", "\u2028", "x"),
});
const line = text.map((given) => given.replaceAll(/[\r\n]/g, ""));
const name = line.filter((given) => given !== "");

test("a parser reads back the name, id and data of each event, and nothing else", () => {
  fc.assert(
    fc.property(name, line, fc.jsonValue(), (given, id, data) => {
      // A parser removes one space, the one after the colon.
      const events = parse(EVENTS.event(event({ event: given, id, data }), JSON.stringify));
      assert.deepEqual(
        events.map((each) => [each.event, each.id, JSON.parse(each.data)]),
        [[given, id, JSON.parse(JSON.stringify(data))]],
      );
    }),
  );
});

test("a parser reads back a raw text as one event, with \\n as its line breaks", () => {
  fc.assert(
    fc.property(text, (given) => {
      const events = parse(EVENTS.event(raw(given), JSON.stringify));
      assert.deepEqual(
        events.map((each) => [each.event, each.id, each.data]),
        [[undefined, undefined, given.replaceAll(/\r\n|\r/g, "\n")]],
      );
    }),
  );
});

test("event() refuses names and ids that would begin another field", () => {
  for (const fields of [
    { event: "a\nb", data: 1 },
    { event: "", data: 1 },
    { id: "a\rb" },
    { id: "\0" },
    { retry: -1 },
    {},
  ])
    assert.throws(() => event(fields), TypeError);
  assert.throws(() => event({ event: "named" }), /has no data/);
});

test("lines are chosen by the header accept, otherwise events", () => {
  const rows: readonly (readonly [accept: string | undefined, type: string])[] = [
    [undefined, "text/event-stream; charset=utf-8"],
    ["*/*", "text/event-stream; charset=utf-8"],
    ["application/json", "text/event-stream; charset=utf-8"],
    ["application/x-ndjson", "application/x-ndjson"],
    ["Application/JSONL; q=0.5", "application/jsonl"],
    ["*/*, application/x-ndjson", "application/x-ndjson"],
    ["*/*, application/x-ndjson;q=0.5", "text/event-stream; charset=utf-8"],
    ["text/event-stream, application/x-ndjson", "text/event-stream; charset=utf-8"],
    ["application/x-ndjson, text/event-stream", "application/x-ndjson"],
    ["text/event-stream;q=0.1, application/x-ndjson;q=0.2", "application/x-ndjson"],
    ["application/x-ndjson;q=0", "text/event-stream; charset=utf-8"],
  ];
  for (const [accept, type] of rows) assert.equal(formatFor(accept).contentType, type, accept);
});
