import assert from "node:assert/strict";
import { test } from "node:test";
import type { FastifyInstance } from "fastify";
import { App, endpoint } from "servable";
import { startTestServer } from "servable/testing";

test("a lifespan may add hooks and routes to the server, and runs from start to stop", async () => {
  const steps: string[] = [];
  class Extended extends App {
    override async *lifespan(server: FastifyInstance): AsyncGenerator<void, void, void> {
      steps.push("begin");
      server.addHook("onSend", async (_request, reply) => void reply.header("x-extra", "yes"));
      server.get("/own", () => ({ own: true }));
      yield;
      steps.push("end");
    }
    @endpoint("/")
    run(): string {
      steps.push("request");
      return "done";
    }
  }
  const served = await startTestServer(new Extended());
  const answer = await served.post("/");
  assert.equal(answer.headers.get("x-extra"), "yes");
  assert.deepEqual(await (await fetch(`${served.url}/own`)).json(), { own: true });
  const wrong = await served.post("/own");
  assert.equal(wrong.status, 405);
  await served.close();
  assert.deepEqual(steps, ["begin", "request", "end"]);
});

test("a setup that throws makes ready() reject with its own error", async () => {
  class Broken extends App {
    override setup(): void {
      throw new Error("no weights");
    }
    @endpoint("/")
    run(): null {
      return null;
    }
  }
  await assert.rejects(startTestServer(new Broken()), /no weights/);
});

const LATE: Readonly<Record<string, (server: FastifyInstance) => void>> = {
  "register()": (server) => void server.register(async () => {}),
  "setErrorHandler()": (server) => void server.setErrorHandler(() => "an error"),
  "setNotFoundHandler()": (server) => void server.setNotFoundHandler(() => "nothing"),
  'addHook("onRoute")': (server) => void server.addHook("onRoute", () => {}),
};
for (const [call, add] of Object.entries(LATE)) {
  test(`server.${call} in lifespan() is an error that names configure()`, async () => {
    class Late extends App {
      override async *lifespan(server: FastifyInstance): AsyncGenerator<void, void, void> {
        add(server);
        yield;
      }
      @endpoint("/")
      run(): null {
        return null;
      }
    }
    await assert.rejects(
      startTestServer(new Late()),
      (error: Error & { code?: string }) =>
        error.code === "PLUGIN_TOO_LATE" &&
        error.message.includes(`server.${call} in lifespan() or setup()`) &&
        error.message.includes("configure(server)"),
    );
  });
}

test("a server kept from configure() refuses plugins during setup(), too", async () => {
  class Late extends App {
    #server: FastifyInstance | undefined;
    override configure(server: FastifyInstance): void {
      this.#server = server;
    }
    override setup(): void {
      this.#server?.register(async () => {});
    }
    @endpoint("/")
    run(): null {
      return null;
    }
  }
  await assert.rejects(startTestServer(new Late()), /Move the call to configure\(server\)/);
});
