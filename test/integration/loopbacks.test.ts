import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { describe, test } from "node:test";
import { App, endpoint, serve, type ServableClass, type ServeAddresses } from "servable";
import { silentLogger } from "../helpers/silent-logger.ts";

/** Whether this machine has the IPv6 loopback address. */
async function hasIpv6(): Promise<boolean> {
  const probe = createServer();
  probe.listen(0, "::1");
  const found = await Promise.race([
    once(probe, "listening").then(() => true),
    once(probe, "error").then(() => false),
  ]);
  probe.close();
  return found;
}

/** A class whose call lasts until it is released, and the order of what happened. */
function heldClass(): { Held: ServableClass; begun: Promise<void>; release: () => void; steps: string[] } {
  const steps: string[] = [];
  let release!: () => void;
  let begin!: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  const begun = new Promise<void>((resolve) => (begin = resolve));
  class Held extends App {
    override teardown(): void {
      steps.push("teardown");
    }

    @endpoint("/")
    async hold(): Promise<string> {
      begin();
      await released;
      steps.push("call ended");
      return "done";
    }

    @endpoint("/quick")
    quick(): number {
      return 1;
    }
  }
  return { Held, begun, release, steps };
}

describe("the host localhost", { timeout: 60_000 }, () => {
  for (const how of ["one class", "several classes"]) {
    test(`opens both loopback addresses, and a stop waits for calls on either (${how})`, async (context) => {
      if (!(await hasIpv6())) return context.skip("no IPv6 here");
      const { Held, begun, release, steps } = heldClass();
      class Other extends App {
        @endpoint("/")
        nothing(): void {}
      }
      const stop = new AbortController();
      let served: Promise<void> | undefined;
      const { port = 0, url } = await new Promise<ServeAddresses>((resolve, reject) => {
        const classes = how === "one class" ? [Held] : [{ class: Held, prefix: "/held" }, Other];
        served = serve(classes, {
          ...{ host: "localhost", port: 0, metricsPort: false, maxConnections: 3 },
          ...{ logger: silentLogger(), handleSignals: false, signal: stop.signal, onListening: resolve },
        });
        served.catch(reject);
      });
      assert.equal(url, `http://localhost:${port}`);
      const prefix = how === "one class" ? "" : "/held";
      for (const host of ["127.0.0.1", "[::1]"]) {
        const init = { method: "POST", headers: { connection: "close" } };
        const answer = await fetch(`http://${host}:${port}${prefix}/quick`, init);
        assert.equal(answer.status, 200, host);
        // The checks of hosts apply to both.
        const foreign = await fetch(`http://${host}:${port}${prefix}/quick`, { ...init, headers: { ...init.headers, origin: "https://evil.example" } }); // prettier-ignore
        assert.equal(foreign.status, 403, host);
      }
      const call = fetch(`http://[::1]:${port}${prefix}/`, { method: "POST" });
      await begun;
      const others = [connect(port, "::1"), connect(port, "::1"), connect(port, "::1")];
      for (const socket of others) socket.on("error", () => {});
      await Promise.race(others.map((socket) => once(socket, "close"))); // beyond maxConnections
      for (const socket of others) socket.destroy();
      stop.abort("the test ends");
      const late = connect(port, "::1");
      await once(late, "error"); // the port is closed
      assert.deepEqual(steps, []);
      release();
      assert.equal(await (await call).json(), "done");
      await served;
      assert.deepEqual(steps, ["call ended", "teardown"]);
    });
  }
});
