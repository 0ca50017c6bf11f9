import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { createFalClient, type FalClient } from "@fal-ai/client";
import { WebSocket } from "ws";
import { ROOT } from "../../benchmarks/lib/staged-package.ts";
import { pythonEnvironment } from "../helpers/python-packages.ts";
import { appProject, removePlatformFolder, TestPlatform } from "../helpers/self-host.ts";

// Before the tests: hooks of the file would run when those before this line have ended.
const python = await pythonEnvironment("fal-1.83.0", "fal==1.83.0");

const typebox = pathToFileURL(join(ROOT, "node_modules/typebox/build/index.mjs")).href;
const APP = `
import { Type } from "${typebox}";
import { App, AppException, endpoint, realtime } from "servable";
const In = Type.Object({ name: Type.String() });
const Out = Type.Object({ text: Type.String() });
export default class Greeter extends App {
  static maxMultiplexing = 8;
  static minConcurrency = 1;
  @endpoint("/", { input: In, output: Out })
  async greet({ name }) {
    if (name === "nobody") throw new AppException("There is nobody.", 409);
    return { text: "Hello " + name };
  }
  @endpoint("/stream", { input: In, output: Out, stream: true })
  async *steps({ name }) { for (let n = 0; n < 3; n++) yield { text: name + n }; }
  @realtime("/realtime", { input: In, output: Out })
  async live({ name }) { return { text: "Live " + name }; }
}
`;

let host: TestPlatform;
let project: string;
before(async () => {
  project = appProject({ "app.ts": APP });
  host = await TestPlatform.start();
  await host.deploy(join(project, "app.ts"), { appName: "greeter", environment: "main" });
});
after(async () => {
  await host?.[Symbol.asyncDispose]();
  if (project !== undefined) removePlatformFolder(project);
});

/** The official JavaScript client, whose hosts are fixed; its requests are redirected to the platform. */
function falClient(): FalClient {
  return createFalClient({
    credentials: host.key,
    fetch: (url, init) => fetch(String(url).replace(/^https:\/\/(?:fal\.run|rest\.fal\.ai)/, host.url), init),
  });
}

describe("the official JavaScript client, unchanged but for where it looks", () => {
  test("runs, and reads the platform's errors and those of the app", async () => {
    const fal = falClient();
    const { data, requestId } = await fal.run("me/greeter", { input: { name: "Ada" } });
    assert.deepEqual(data, { text: "Hello Ada" });
    assert.match(requestId, /^[0-9a-f-]{36}$/);
    await assert.rejects(fal.run("me/nothing", { input: {} }), {
      status: 404,
      message: /There is no app me\/nothing/,
    });
    await assert.rejects(fal.run("me/greeter", { input: { name: "nobody" } }), { status: 409 });
    await assert.rejects(fal.run("me/greeter", { input: {} }), { status: 422, name: "ValidationError" });
  });

  test("streams", async () => {
    const stream = await falClient().stream("me/greeter", { input: { name: "n" } });
    const texts: string[] = [];
    for await (const item of stream) texts.push((item as { text: string }).text);
    assert.deepEqual(texts, ["n0", "n1", "n2"]);
  });

  test("holds a realtime session with a token of the platform", async () => {
    const globals = globalThis as { WebSocket?: unknown };
    const original = globals.WebSocket;
    globals.WebSocket = class extends WebSocket {
      constructor(address: string | URL) {
        const { pathname, search } = new URL(address);
        super(host.url.replace("http", "ws") + pathname + search);
      }
    };
    try {
      const errors: unknown[] = [];
      const answered = new Promise<{ text: string }>((resolve, reject) => {
        const connection = falClient().realtime.connect<{ name: string }, { text: string }>("me/greeter", {
          onResult: (result) => {
            connection.close();
            resolve(result);
          },
          onError: (error) => {
            errors.push(error);
            reject(error);
          },
        });
        connection.send({ name: "Ada" });
      });
      const { text } = await answered;
      assert.equal(text, "Live Ada");
    } finally {
      globals.WebSocket = original;
    }
  });
});

describe(
  "the original's command line, unchanged",
  { skip: "missing" in python ? python.missing : false },
  () => {
    const folder = "folder" in python ? python.folder : "";
    async function fal(...args: string[]): Promise<string> {
      const at = new URL(host.url).host;
      const { stdout } = await promisify(execFile)(join(folder, "bin/fal"), args, {
        cwd: project,
        env: {
          ...{ PATH: process.env["PATH"], HOME: project, COLUMNS: "400", ISOLATE_TEST_MODE: "1" },
          ...{ FAL_GRPC_HOST: at, FAL_REST_HOST: at, FAL_RUN_HOST: at, FAL_KEY: host.key },
        },
      });
      return stdout;
    }

    test("lists apps, revisions and runners, and scales", async () => {
      assert.match(await fal("apps", "list", "--output", "json"), /"greeter"/);
      assert.match(
        await fal("apps", "scale", "greeter", "--keep-alive", "33", "--max-concurrency", "3"),
        /greeter.*33/,
      );
      assert.match(await fal("apps", "list-rev", "greeter"), /[0-9a-f-]{36}/);
      assert.match(await fal("apps", "runners", "greeter"), /Runners: 1/);
      assert.match(await fal("runners", "list"), /greeter/);
    });

    test("sets and lists secrets, keys and environments", async () => {
      await fal("secrets", "set", "TOKEN=hidden");
      const secrets = await fal("secrets", "list");
      assert.match(secrets, /TOKEN/);
      assert.doesNotMatch(secrets, /hidden/);
      assert.match(
        await fal("keys", "create", "--preset", "API", "--desc", "mine"),
        /FAL_KEY='[\w-]+:[0-9a-f]{64}'/,
      );
      assert.match(await fal("keys", "list"), /mine/);
      await fal("environments", "create", "staging");
      assert.match(await fal("environments", "list"), /staging/);
    });

    test("reads the log of a runner, and runs a program beside it", async () => {
      const id = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(await fal("apps", "runners", "greeter"))?.[0] ?? "";
      assert.match(await fal("runners", "logs", id), /listening/);
      assert.match(
        await fal("runners", "exec", id, "--", "sh", "-c", "echo beside $SERVABLE_RUNNER_ID"),
        new RegExp(`beside ${id}`),
      );
    });
  },
);
