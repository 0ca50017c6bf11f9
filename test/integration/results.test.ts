import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { WebSocket } from "ws";
import { connectTestSocket, startTestServer } from "servable/testing";
import { captureLogs, type LogLine } from "../helpers/captured-logs.ts";
import { CONVERTED, PooledResultsApp, REFUSED, ResultsApp, WRITTEN } from "../fixtures/results-app.ts";

const INTERNAL = { detail: "Internal Server Error" };

/** Sends one JSON message, and returns the first response. */
async function askJson(url: string, message: object): Promise<Record<string, unknown>> {
  const socket = new WebSocket(url.replace(/^http/, "ws"));
  await once(socket, "open");
  socket.send(JSON.stringify(message));
  const [data] = (await once(socket, "message")) as [Buffer];
  socket.close();
  await once(socket, "close");
  return JSON.parse(data.toString()) as Record<string, unknown>;
}

/** The message of the last logged error. */
function loggedMessage(lines: readonly LogLine[]): string {
  const err = lines.findLast(({ level }) => level === 50)?.["err"];
  return (err as { message?: string } | undefined)?.message ?? "nothing";
}

/** As the whole result of an endpoint without an output schema, these are no JSON. */
const SENT_AS_BYTES: ReadonlySet<string> = new Set([
  "bytes",
  "buffer",
  "arrayBuffer",
  "blob",
  "response",
  "webStream",
]);

describe("results that JSON would change silently", { timeout: 120_000 }, () => {
  for (const [path, location] of [
    ["/plain", "the result"],
    ["/nested", "list.1.deep"],
    ["/typed", "list.0"],
    ["/stream", "list.0"],
    ["/batch", "list.0"],
  ] as const) {
    test(`${path}: each returns 500, and the log has its path and type`, async () => {
      const { logger, lines } = captureLogs();
      await using server = await startTestServer(new ResultsApp(), { logger });
      for (const [name, [make, words]] of Object.entries(REFUSED)) {
        // A promise that a handler returns is awaited.
        if (path === "/plain" && (["promise", "thenable"].includes(name) || SENT_AS_BYTES.has(name)))
          continue;
        lines.length = 0;
        const answer = await server.post(path, { name });
        assert.equal(answer.status, 500, `${name}: ${JSON.stringify(make() instanceof Object)}`);
        assert.deepEqual(await answer.json(), INTERNAL);
        assert.match(loggedMessage(lines), words, name);
        if (name !== "cycle" && name !== "thenable")
          assert.match(loggedMessage(lines), new RegExp(` ${location} is `), name);
        assert.match(
          loggedMessage(lines),
          new RegExp(`^${path.slice(1)}\\(\\) returned what JSON can't carry: `),
        );
      }
    });
  }

  test("/json: each ends the session, and the log has the reason", async () => {
    const { logger, lines } = captureLogs();
    await using server = await startTestServer(new ResultsApp(), { logger });
    for (const [name, [, words]] of Object.entries(REFUSED)) {
      lines.length = 0;
      const { reason } = await askJson(`${server.url}/json`, { name });
      assert.equal(reason, "Internal Server Error", name);
      assert.match(loggedMessage(lines), words, name);
    }
  });

  test("/msgpack: each ends the session, except values that MessagePack can encode", async () => {
    const carried: Record<string, unknown> = { nan: NaN, infinity: -Infinity };
    const { logger, lines } = captureLogs();
    await using server = await startTestServer(new ResultsApp(), { logger });
    for (const [name, [, words]] of Object.entries(REFUSED)) {
      lines.length = 0;
      const socket = await connectTestSocket(`${server.url}/msgpack`);
      socket.send({ name });
      if (["bytes", "buffer", "floats"].includes(name) || name in carried) {
        const { list } = (await socket.next()) as { list: unknown[] };
        if (name in carried) assert.deepEqual(list, [carried[name]]);
        else assert.ok(list[0] instanceof Uint8Array, name);
        await socket.close();
        continue;
      }
      await socket.closed;
      assert.match(loggedMessage(lines), words, name);
    }
  });

  test("from a worker too", async () => {
    const { logger, lines } = captureLogs();
    await using server = await startTestServer(new PooledResultsApp(), { logger });
    for (const path of ["/nested", "/batch"]) {
      for (const [name, [, words]] of Object.entries(REFUSED)) {
        lines.length = 0;
        const answer = await server.post(path, { name });
        assert.equal(answer.status, 500, `${path} ${name}: ${await answer.text()}`);
        // A value that can't be cloned is refused by the worker, with the worker's message.
        assert.match(
          loggedMessage(lines),
          new RegExp(`${words.source}|can't be sent from its worker: .*`),
          name,
        );
      }
    }
  });
});

describe("results that have a toJSON()", { timeout: 120_000 }, () => {
  for (const path of ["/plain", "/nested", "/typed", "/batch"]) {
    test(`${path}: each is sent as its result`, async () => {
      await using server = await startTestServer(new ResultsApp());
      for (const [name, [, sent]] of Object.entries(CONVERTED)) {
        const answer = await server.post(path, { name });
        const expected = { "/plain": sent, "/nested": { list: [1, { deep: sent }] } }[path] ?? {
          list: [sent],
        };
        assert.deepEqual(await answer.json(), expected, name);
      }
    });
  }

  test("a Date and a URL are strings where the output schema has a string, on every transport", async () => {
    await using server = await startTestServer(new ResultsApp());
    assert.deepEqual(await (await server.post("/converted")).json(), WRITTEN);
    assert.equal(
      await (await server.post("/converted-stream")).text(),
      `data: ${JSON.stringify(WRITTEN)}\n\n`,
    );
    assert.deepEqual(await askJson(`${server.url}/converted-json`, {}), WRITTEN);
    const packed = await connectTestSocket(`${server.url}/converted-msgpack`);
    packed.send({});
    assert.deepEqual(await packed.next(), WRITTEN);
    await packed.close();
    await using pooled = await startTestServer(new PooledResultsApp());
    assert.deepEqual(await (await pooled.post("/converted")).json(), WRITTEN);
    assert.deepEqual(await (await pooled.post("/nested", { name: "url" })).json(), {
      list: [1, { deep: "https://a.example/b?c" }],
    });
  });

  test("their strings are validated, formats included", async () => {
    const { logger, lines } = captureLogs();
    await using server = await startTestServer(new ResultsApp(), { logger });
    assert.equal((await server.post("/invalid")).status, 500);
    assert.match(
      loggedMessage(lines),
      /invalid\(\) returned a result that does not fit its output schema: at: /,
    );
    assert.equal((await server.post("/misfit")).status, 500);
    assert.match(loggedMessage(lines), /misfit\(\) .*: at: String should be a valid date-time/);
  });
});
