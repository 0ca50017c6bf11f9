import assert from "node:assert/strict";
import { after, test } from "node:test";
import { connectTestSocket, startTestServer } from "servable/testing";
import Typist from "./app.ts";

const server = await startTestServer(new Typist());
after(() => server.close());

test("each draft is answered with the likely next words, in order", async () => {
  const session = await connectTestSocket(`${server.url}/suggest`);
  session.send({ text: "the rabbit ", top: 2 });
  session.send({ text: "she w", top: 1 });
  assert.deepEqual(await session.next(), { words: ["with", "actually"] });
  assert.deepEqual(await session.next(), { words: ["was"] });
  assert.equal((await session.close()).code, 1000);
  assert.equal(session.control[0]?.action, "timings");
});

test("a start word is continued word by word, until the app ends the session", async () => {
  const session = await connectTestSocket(`${server.url}/write`);
  session.send({ start: "White", length: 4 });
  assert.equal((await session.closed).code, 1000);
  assert.deepEqual(session.results, [
    { index: 0, word: "White" },
    { index: 1, word: "rabbit" },
    { index: 2, word: "actually" },
    { index: 3, word: "took" },
  ]);
  assert.equal(session.control.at(-1)?.action, "end");
});

test("an invalid message ends the session, and the control message has the reason", async () => {
  const session = await connectTestSocket(`${server.url}/suggest`);
  session.send({ text: 5 });
  await session.closed;
  assert.deepEqual(session.results, []);
  assert.equal(session.control[0]?.reason, "text: Input should be a valid string");
});
