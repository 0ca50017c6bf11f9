import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { WebSocket } from "ws";
import { connectTestSocket, startTestServer } from "servable/testing";
import { CallersInWorker, CallersOfAll } from "../fixtures/callers-app.ts";
import { captureLogs } from "../helpers/captured-logs.ts";

const ADA = { "x-user": "ada", cookie: "theme=dark; lang=en" };
const SEEN = { caller: { user: "ada" }, cookies: { theme: "dark", lang: "en" } };

describe("a caller that can't be sent to a worker", { timeout: 60_000 }, () => {
  const unsendable =
    "authenticate() returned a caller that can't be sent to a worker: load is a function. Return plain data.";

  for (const [path, body] of [["/who"], ["/stream"], ["/batch", { name: "x" }]] as const) {
    test(`is an error of ${path} that says so, and the only worker serves the next call`, async () => {
      const { logger, lines } = captureLogs();
      await using served = await startTestServer(new CallersInWorker(), { logger });
      const answers = [1, 2, 3].map(() => served.post(path, body, { "x-user": "live" }));
      for (const answer of await Promise.all(answers)) {
        assert.equal(answer.status, 500);
        assert.deepEqual(await answer.json(), { detail: "Internal Server Error" });
      }
      const faults = lines.filter(({ level }) => level === 50).map(({ err }) => (err as Error).message);
      assert.deepEqual(new Set(faults), new Set([unsendable]));
      const { caller } = (await (await served.post("/who", undefined, ADA)).json()) as { caller: unknown };
      assert.deepEqual(caller, { user: "ada" });
    });
  }
});

describe("the caller and the cookies of a request", { timeout: 60_000 }, () => {
  test("are seen in each call of a batch, in the server's process and in a worker", async () => {
    for (const app of [new CallersOfAll(), new CallersInWorker()]) {
      await using served = await startTestServer(app);
      const answers = await Promise.all(
        ["ada", "bob", "cy"].map(async (user) => {
          const headers = { "x-user": user, cookie: `name=${user}` };
          return (await served.post("/batch", { name: user }, headers)).json();
        }),
      );
      assert.deepEqual(
        answers,
        ["ada", "bob", "cy"].map((user) => ({ caller: { user }, cookies: { name: user } })),
      );
    }
  });

  for (const path of ["/live", "/shared"]) {
    test(`are seen in each turn of ${path}`, async () => {
      await using served = await startTestServer(new CallersOfAll());
      const one = await connectTestSocket(served.url + path, {}, { headers: ADA });
      const two = await connectTestSocket(served.url + path, {}, { headers: { "x-user": "bob" } });
      for (let turn = 0; turn < 2; turn++) {
        one.send({ name: "x" });
        two.send({ name: "y" });
        assert.deepEqual(await one.next(), SEEN);
        assert.deepEqual(await two.next(), { caller: { user: "bob" }, cookies: {} });
      }
      await Promise.all([one.close(), two.close()]);
    });
  }

  test("are seen in the handler of a websocket", async () => {
    await using served = await startTestServer(new CallersOfAll());
    const socket = new WebSocket(`${served.url.replace("http", "ws")}/socket`, { headers: ADA });
    const [data] = (await once(socket, "message")) as [Buffer];
    assert.deepEqual(JSON.parse(data.toString()), SEEN);
    socket.terminate();
  });
});

test("a GET that is the health check is open to everyone, and names no caller even to one with credentials", async () => {
  await using served = await startTestServer(new CallersOfAll());
  for (const method of ["GET", "HEAD"]) {
    assert.equal((await served.request(method, "/probe")).status, 200, method);
  }
  const answer = await served.request("GET", "/probe", { headers: ADA });
  assert.deepEqual(await answer.json(), { ...SEEN, caller: null });
  assert.equal((await served.request("POST", "/probe")).status, 401);
  const { paths } = await served.app.openapi();
  const { get } = paths["/probe"] as { get: { security: unknown; requestBody?: unknown } };
  assert.deepEqual([get.security, get.requestBody], [[], undefined]);
});
