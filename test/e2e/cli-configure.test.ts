import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ANY_PORT, createProject, runCli, startCli } from "../helpers/cli.ts";

const APP = `import { App, endpoint } from "servable";
export class Keyed extends App {
  static override workers = 1;
  override configure(server: Parameters<App["configure"]>[0]): void {
    console.log("configured in " + process.pid);
    server.addHook("onRequest", async (request, reply) => {
      if (request.headers["x-key"] !== "a-key") return reply.code(401).send({ detail: "No key" });
    });
    server.get("/main", () => ({ pid: process.pid }));
  }
  override setup(): void { console.log("setup in " + process.pid); }
  @endpoint("/")
  ask(): { pid: number } { return { pid: process.pid }; }
}
`;

const LATE = `import { App, endpoint } from "servable";
export class Late extends App {
  override async *lifespan(server: Parameters<App["configure"]>[0]): AsyncGenerator<void, void, void> {
    server.register(async () => {});
    yield;
  }
  @endpoint("/")
  ask(): null { return null; }
}
`;

const HEADERS = { "x-key": "a-key" };

async function pidOf(answer: Promise<Response>): Promise<number> {
  return ((await (await answer).json()) as { pid: number }).pid;
}

describe("servable run of a class with configure()", { timeout: 120_000 }, () => {
  const folder = createProject({ "app.ts": APP, "late.ts": LATE });

  for (const flags of [[], ["--watch"]]) {
    test(`runs it in the server's process and not in workers: ${flags.join(" ") || "no flags"}`, async () => {
      const app = startCli(["run", "app.ts", ...flags, ...ANY_PORT], folder);
      const url = await app.listening();
      assert.equal((await fetch(url, { method: "POST" })).status, 401);
      assert.equal((await fetch(`${url}/docs`)).status, 401);
      const server = await pidOf(fetch(`${url}/main`, { headers: HEADERS }));
      const worker = await pidOf(fetch(url, { method: "POST", headers: HEADERS }));
      assert.notEqual(server, worker);
      assert.deepEqual(app.stdout.match(/^configured in \d+$/gm), [`configured in ${server}`]);
      assert.deepEqual(app.stdout.match(/^setup in \d+$/gm), [`setup in ${worker}`]);
      app.kill("SIGTERM");
      await app.ended;
    });
  }

  test("a plugin that lifespan() registers ends the start with the place where it belongs", async () => {
    const { exitCode, stdout, stderr } = await runCli(["run", "late.ts", ...ANY_PORT], folder);
    assert.equal(exitCode, 1);
    assert.match(
      stdout + stderr,
      /Late calls server\.register\(\) in lifespan\(\).*Move the call to configure\(server\)/s,
    );
  });
});
