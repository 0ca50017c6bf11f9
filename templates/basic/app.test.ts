import assert from "node:assert/strict";
import { after, test } from "node:test";
import TextSummary from "./app.ts";

const server = new TextSummary().buildServer();
after(() => server.close());

const text = "The cat sat. The cat ran, and the dog ran too!";

test("a text is summarised by its most frequent words", async () => {
  const answer = await server.inject({ method: "POST", url: "/", payload: { text, top: 2 } });
  assert.equal(answer.statusCode, 200);
  assert.deepEqual(answer.json(), {
    words: 11,
    sentences: 2,
    frequent: [
      { word: "cat", count: 2 },
      { word: "ran", count: 2 },
    ],
  });
});

test("a stream sends one item for each sentence", async () => {
  const answer = await server.inject({ method: "POST", url: "/sentences", payload: { text, top: 1 } });
  const items = [...answer.body.matchAll(/^data: (.+)$/gm)].map(([, data]) => JSON.parse(data ?? ""));
  assert.deepEqual(
    items.map(({ words }) => words),
    [3, 8],
  );
});

test("an empty text is refused, and the answer says why", async () => {
  const answer = await server.inject({ method: "POST", url: "/", payload: { text: "" } });
  assert.equal(answer.statusCode, 422);
  assert.equal(answer.json().detail[0].type, "string_too_short");
});
