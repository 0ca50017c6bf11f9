import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { App, endpoint } from "servable";
import { FakeClock, startTestServer, type TestServer } from "servable/testing";
import { Type } from "typebox";
import { SingleStuckApp, StuckApp } from "../fixtures/stuck-app.ts";
import { captureLogs } from "../helpers/captured-logs.ts";
import { ended } from "../helpers/processes.ts";

async function probe(server: TestServer<App>, path: string): Promise<[number, string]> {
  const answer = await fetch(server.url + path);
  return [answer.status, ((await answer.json()) as { status: string }).status];
}

async function pid(server: TestServer<App>): Promise<number> {
  const answer = await server.post("/pid");
  assert.equal(answer.status, 200);
  return (await answer.json()) as number;
}

/** Requests the probe until it returns the expected response. */
async function until(server: TestServer<App>, path: string, expected: [number, string]): Promise<void> {
  for (;;) {
    const [status, text] = await probe(server, path);
    if (status === expected[0] && text === expected[1]) return;
    await delay(20);
  }
}

describe("a stuck worker is killed and replaced, and readiness reports it:", { timeout: 120_000 }, () => {
  test("in a call of any kind that exceeds its deadline by the grace period", async () => {
    const { logger, lines } = captureLogs();
    await using server = await startTestServer(new SingleStuckApp(), { logger });
    for (const path of ["/loop", "/sleep", "/never", "/batch", "/stop"]) {
      const first = await pid(server);
      const answer = await server.post(path, {});
      assert.equal(answer.status, 504, path);
      await until(server, "/readyz", [503, "no workers"]);
      assert.deepEqual(await probe(server, "/livez"), [200, "alive"]);
      assert.notEqual(await pid(server), first, path);
      await ended(first);
      await until(server, "/readyz", [200, "ready"]);
      const said = lines.find(({ msg, route }) => /is stuck/.test(msg) && route === `POST ${path}`);
      assert.match(
        said?.msg ?? "",
        /^a worker of SingleStuckApp is stuck \(its call is .* past its deadline\)/,
      );
    }
  });

  test("stopped by a signal while idle", async () => {
    await using server = await startTestServer(new SingleStuckApp());
    const first = await pid(server);
    process.kill(first, "SIGSTOP");
    await ended(first, 60_000);
    assert.notEqual(await pid(server), first);
  });

  test(
    "stopped by a signal in a call without a deadline",
    { skip: process.platform !== "linux" },
    async () => {
      await using server = await startTestServer(new SingleStuckApp());
      const first = await pid(server);
      const answer = await server.post("/stop-without-deadline");
      assert.equal(answer.status, 500);
      assert.match(await answer.text(), /killed by SIGKILL/);
      assert.notEqual(await pid(server), first);
    },
  );

  test("but the server is ready while another worker takes calls", async () => {
    await using server = await startTestServer(new StuckApp());
    const answer = await server.post("/loop");
    assert.equal(answer.status, 504);
    assert.deepEqual(await probe(server, "/readyz"), [200, "ready"]);
  });

  test("but a worker whose handler ends within the grace period is kept", async () => {
    await using server = await startTestServer(new SingleStuckApp(), { stuckGracePeriodSeconds: 60 });
    const first = await pid(server);
    assert.equal((await server.post("/slow")).status, 504);
    assert.equal(await pid(server), first);
  });

  test("and a stop does not wait for it", async () => {
    const server = await startTestServer(new SingleStuckApp());
    const worker = await pid(server);
    assert.equal((await server.post("/loop")).status, 504);
    await server.close();
    await ended(worker, 100);
  });
});

/** Handlers in this process that never end. */
class Endless extends App {
  static override requestTimeout = 5;
  static override stuckGracePeriodSeconds = 20;
  readonly pending: ((value: string) => void)[] = [];

  #wait(): Promise<string> {
    return new Promise((resolve) => this.pending.push(resolve));
  }

  @endpoint("/one", { maxConcurrency: 1 })
  one(): Promise<string> {
    return this.#wait();
  }

  @endpoint("/two", { maxConcurrency: 2 })
  two(): Promise<string> {
    return this.#wait();
  }

  @endpoint("/own", { maxConcurrency: 1, timeoutMs: 2_000 })
  own(): Promise<string> {
    return this.#wait();
  }

  @endpoint("/batch", { input: Type.Object({}), batch: { maxSize: 1 } })
  async batch(_inputs: object[]): Promise<string[]> {
    return [await this.#wait()];
  }

  @endpoint("/free")
  free(): Promise<string> {
    return this.#wait();
  }
}

/** Limits all endpoints of the class together. */
class Limited extends Endless {
  static override maxMultiplexing = 1;
}

class Unlimited extends App {
  @endpoint("/free", { maxConcurrency: 1 })
  free(): Promise<never> {
    return new Promise(() => {});
  }
}

describe(
  "calls in the server's process that exceed their deadline by the grace period",
  { timeout: 60_000 },
  () => {
    const members: readonly (readonly [app: typeof Endless, path: string, slots: number, limitMs: number])[] =
      [
        [Endless, "/one", 1, 5_000],
        [Endless, "/two", 2, 5_000],
        [Endless, "/own", 1, 2_000],
        [Endless, "/batch", 1, 5_000],
        [Limited, "/free", 1, 5_000],
      ];
    for (const [Served, path, slots, limitMs] of members) {
      test(`make both probes red when they hold all of the ${slots} for ${path} of ${Served.name}, until one ends`, async () => {
        const clock = new FakeClock();
        await using server = await startTestServer(new Served(), { clock });
        const answers = Array.from({ length: slots }, () => server.post(path, {}));
        while (server.app.pending.length < slots) {
          clock.advance(0); // lets the server process received data
          await delay(5);
        }
        clock.advance(limitMs + 19_999);
        for (const answer of await Promise.all(answers)) assert.equal(answer.status, 504);
        assert.deepEqual(await probe(server, "/livez"), [200, "alive"]);
        assert.deepEqual(await probe(server, "/readyz"), [200, "ready"]);
        clock.advance(1);
        assert.deepEqual(await probe(server, "/livez"), [503, "stuck"]);
        assert.deepEqual(await probe(server, "/readyz"), [503, "stuck"]);
        server.app.pending[0]?.("at last");
        await until(server, "/livez", [200, "alive"]);
        assert.deepEqual(await probe(server, "/readyz"), [200, "ready"]);
      });
    }

    test("leave liveness green while a slot is free, or if calls are not limited", async () => {
      const clock = new FakeClock();
      await using server = await startTestServer(new Endless(), { clock });
      const answers = [server.post("/two"), server.post("/free")];
      while (server.app.pending.length < 2) {
        clock.advance(0);
        await delay(5);
      }
      clock.advance(100_000);
      for (const answer of await Promise.all(answers)) assert.equal(answer.status, 504);
      assert.deepEqual(await probe(server, "/livez"), [200, "alive"]);
    });

    test("never include a call without a deadline", async () => {
      const clock = new FakeClock();
      const server = await startTestServer(new Unlimited(), { clock });
      const answer = server.post("/free").catch(() => {});
      await delay(20);
      clock.advance(10_000_000);
      assert.deepEqual(await probe(server, "/livez"), [200, "alive"]);
      await server.close();
      await answer;
    });
  },
);
