import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { createFalClient, type FalClient, type QueueStatus } from "@fal-ai/client";
import { ROOT } from "../../benchmarks/lib/staged-package.ts";
import { appProject, removePlatformFolder, TestPlatform } from "../helpers/self-host.ts";

const typebox = pathToFileURL(join(ROOT, "node_modules/typebox/build/index.mjs")).href;

/** An app whose requests end when a file is there, so that a test decides how long they run. */
const APP = `
import { existsSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { Type } from "${typebox}";
import { App, AppException, endpoint } from "servable";
const In = Type.Object({ name: Type.String(), gate: Type.Optional(Type.String()), status: Type.Optional(Type.Integer()) });
const Out = Type.Object({ text: Type.String(), attempt: Type.String() });
const order = [];
const cancelled = new Set();
export default class Worker extends App {
  static maxConcurrency = 1;
  static minConcurrency = 1;
  @endpoint("/", { input: In, output: Out })
  async work({ name, gate, status }, { headers }) {
    order.push(name);
    while (gate !== undefined && !existsSync(gate)) {
      if (cancelled.has(headers["x-fal-request-id"])) throw new AppException("Stopped.", 499);
      await pause(10);
    }
    if (status !== undefined) throw new AppException("As wished.", status);
    return { text: "Hello " + name, attempt: headers["x-fal-attempt"] };
  }
  @endpoint("/slow", { input: In, output: Out })
  async slow(input, context) { return this.work(input, context); }
  @endpoint("/slow/cancel", { input: Type.Any(), output: Type.Any() })
  async cancel(_input, { headers }) {
    cancelled.add(headers["x-fal-request-id"]);
    return {};
  }
  @endpoint("/order", { input: Type.Any(), output: Type.Any() })
  async order() { return order; }
}
`;

let host: TestPlatform;
let project: string;
before(async () => {
  project = appProject({ "app.ts": APP });
  host = await TestPlatform.start();
  await host.deploy(join(project, "app.ts"), { appName: "worker", environment: "main" });
});
after(async () => {
  await host?.[Symbol.asyncDispose]();
  if (project !== undefined) removePlatformFolder(project);
});

/** The official JavaScript client, whose hosts are fixed; its requests are redirected to the platform. */
function falClient(key = host.key): FalClient {
  return createFalClient({
    credentials: key,
    fetch: (url, init) =>
      fetch(
        String(url)
          .replace(/^https:\/\/queue\.fal\.run/, `${host.url}/queue`)
          .replace(/^https:\/\/(?:fal\.run|rest\.fal\.ai)/, host.url),
        init,
      ),
  });
}

/** A gate that the app waits for. */
function newGate(): { readonly path: string; open(): void } {
  const path = join(project, `gate-${randomUUID()}`);
  return { path, open: () => writeFileSync(path, "") };
}

describe("the official JavaScript client, unchanged, uses the queue", () => {
  test("subscribes by polling and by streaming", async () => {
    const fal = falClient();
    for (const mode of ["polling", "streaming"] as const) {
      const seen: QueueStatus["status"][] = [];
      const { data, requestId } = await fal.subscribe("me/worker", {
        input: { name: mode },
        mode,
        onQueueUpdate: ({ status }) => seen.push(status),
      });
      assert.deepEqual(data, { text: `Hello ${mode}`, attempt: "1" });
      assert.match(requestId, /^[0-9a-f-]{36}$/);
      assert.equal(seen.at(-1), "COMPLETED");
    }
  });
});
