import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { App, endpoint, type RequestContext } from "servable";
import { startTestServer, type TestServer } from "servable/testing";
import { openSocket, rawRequest } from "../helpers/sockets.ts";
import { WireApp } from "../helpers/wire-app.ts";

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

describe("a caller that disconnects", { timeout: 20_000 }, () => {
  let served: TestServer<WireApp>;
  before(async () => {
    served = await startTestServer(new WireApp());
  });
  after(() => served.close());

  for (const how of ["end", "reset"] as const) {
    test(`by ${how} aborts the handler's signal`, async () => {
      const socket = await openSocket(served.port);
      const body = JSON.stringify({ ms: 60_000, tag: how });
      socket.write(rawRequest("POST", "/slow", { "content-type": "application/json" }, body));
      await until(() => served.app.seen.includes(`start ${how}`));
      if (how === "end") socket.destroy();
      else socket.resetAndDestroy();
      await until(() => served.app.seen.includes(`abort ${how}`));
    });
  }

  test("in the middle of its body calls no handler and breaks nothing", async () => {
    const socket = await openSocket(served.port);
    socket.write(
      'POST /slow HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"ms":',
    );
    await sleep(20);
    socket.resetAndDestroy();
    assert.equal((await served.post("/nothing")).status, 200);
  });

  test("the signal is not aborted by a successful response", async () => {
    class Keeper extends App {
      signal: AbortSignal | undefined;
      @endpoint("/")
      run(ctx: RequestContext): null {
        this.signal = ctx.signal;
        return null;
      }
    }
    await using kept = await startTestServer(new Keeper());
    await (await kept.post("/")).text();
    await sleep(20);
    assert.equal(kept.app.signal?.aborted, false);
  });

  test("a signal that is first read after the disconnect is already aborted", async () => {
    class Late extends App {
      aborted: boolean | undefined;
      started = false;
      release!: () => void;
      @endpoint("/")
      async run(ctx: RequestContext): Promise<null> {
        this.started = true;
        await new Promise<void>((resolve) => (this.release = resolve));
        this.aborted = ctx.signal.aborted;
        return null;
      }
    }
    await using late = await startTestServer(new Late());
    const socket = await openSocket(late.port);
    socket.write(rawRequest("POST", "/"));
    await until(() => late.app.started);
    socket.destroy();
    await sleep(50);
    late.app.release();
    await until(() => late.app.aborted !== undefined);
    assert.equal(late.app.aborted, true);
  });
});
