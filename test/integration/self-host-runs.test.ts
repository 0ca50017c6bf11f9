import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import {
  FalMissingDependencyError,
  FalServerlessHost,
  RequestCancelledException,
  RequestTimeoutException,
  UserFunctionException,
  type FalServerlessError,
} from "servable";
import { IsolateController, type RunnerInfo } from "../../src/platform/generated/controller_pb.ts";
import { installedRegistry } from "../helpers/installed-registry.ts";
import type { NpmRegistry } from "../helpers/npm-registry.ts";
import { TestPlatform } from "../helpers/self-host.ts";
import * as failures from "../helpers/serverless-failures.ts";
import * as functions from "../helpers/serverless-functions.ts";
import { greet } from "../helpers/serverless-served.ts";

const { lines } = functions;
let registry: NpmRegistry;
let host: TestPlatform;
before(async () => {
  registry = await installedRegistry(["fastest-levenshtein"]);
  Object.assign(process.env, registry.environment);
  host = await TestPlatform.start({ engine: "process" });
  Object.assign(process.env, { FAL_HOST: host.url, FAL_KEY: host.key });
});
after(async () => {
  await host?.[Symbol.asyncDispose]();
  await registry?.[Symbol.asyncDispose]();
});
beforeEach(() => void lines.splice(0));
const folder = mkdtempSync(join(tmpdir(), "servable-runs-"));
after(() => rmSync(folder, { recursive: true, force: true }));

async function runners(): Promise<RunnerInfo[]> {
  using connection = host.connection();
  return (await connection.unary(IsolateController.method.listRunners, {})).runners;
}

/** Resolves once no runner is left, and nothing that was made for one revision. */
async function nothingLeft(): Promise<void> {
  while ((await runners()).length > 0) await delay(20);
  while (readdirSync(join(host.folder, "revisions")).length > 0) await delay(20);
}

async function printed(line: string): Promise<void> {
  while (!lines.includes(`USER STDOUT ${line}`)) await delay(10);
}

test("a function runs on the platform without an image, in a runner of its own that ends with the call", async () => {
  const value = { at: new Date(0), set: new Set([1n]), bytes: new Uint8Array([1, 255]) };
  assert.deepEqual(await functions.echo(value), value);
  assert.ok(
    lines.some((line) => line.startsWith("BUILDER INFO npm install fastify@")),
    lines.join("\n"),
  );
  using connection = host.connection();
  await connection.unary(IsolateController.method.setSecret, { name: "TOKEN", value: "hush" });
  const { environment } = await functions.describeSurroundings();
  assert.equal(environment["GIVEN"], "value");
  assert.equal(environment["TOKEN"], "hush");
  for (const name of ["FAL_KEY", "FAL_HOST", "LOG_LEVEL", "SERVABLE_ANNOUNCE_TOKEN"]) {
    assert.equal(environment[name], undefined, name);
  }
  await nothingLeft();
});

test("a run is listed with its function's name while it runs, and each call has a runner of its own", async () => {
  const notes = ["one", "two"].map((name) => join(folder, name));
  const calls = notes.map((note) => failures.block(note));
  while (lines.filter((line) => line === "USER STDOUT blocking").length < 2) await delay(10);
  const names = (await runners()).map(({ alias }) => alias);
  assert.equal(names.filter((name) => /^block-run-[0-9a-f]{8}$/.test(name)).length, 2, names.join());
  const answer = await fetch(`${host.url}/platform/status`, { headers: host.headers });
  const { apps } = (await answer.json()) as { apps: { alias: string; running: number }[] };
  const listed = apps.filter(({ running }) => running === 1).map(({ alias }) => alias);
  assert.deepEqual(listed, names.toSorted());
  for (const note of notes) writeFileSync(note, "");
  assert.deepEqual(await Promise.all(calls), ["done", "done"]);
  await nothingLeft();
});

test("all output arrives before the result, from the stream that it was written to", async () => {
  assert.equal(await functions.print(3), 3);
  const seen = lines.filter((line) => line.startsWith("USER"));
  assert.deepEqual(
    seen.filter((line) => line.startsWith("USER STDOUT")),
    ["USER STDOUT out 1", "USER STDOUT out 2", "USER STDOUT out 3"],
  );
  assert.deepEqual(
    seen.filter((line) => line.startsWith("USER STDERR")),
    ["USER STDERR err"],
  );
});

test("errors are those of a call on this machine", async () => {
  await assert.rejects(functions.fail(), (error: RangeError & { hint?: string }) => {
    assert.ok(error instanceof RangeError);
    assert.deepEqual([error.message, error.hint], ["too far", "less"]);
    assert.ok(error.cause instanceof TypeError);
    const file = new URL("../helpers/serverless-functions.ts", import.meta.url);
    assert.match(error.stack ?? "", new RegExp(`${file.pathname}:\\d+:\\d+`));
    return true;
  });
  await assert.rejects(failures.failsInSetup.on({ reraise: false })(), UserFunctionException);
  await assert.rejects(functions.spin(), RequestTimeoutException);
  await assert.rejects(functions.exit(3), { code: "FUNCTION_WORKER_DIED" });
  await nothingLeft();
});

test("only required packages are there", async () => {
  assert.equal(await functions.withPackage(), 3);
  await assert.rejects(functions.missing(), FalMissingDependencyError);
  const absent = functions.withPackage.on({ requirements: ["a-package-nobody-made@1.0.0"] });
  await assert.rejects(absent(), (error: FalServerlessError) => {
    assert.match(error.message, /a-package-nobody-made/);
    return true;
  });
});

test("cancelling a call aborts the function's signal and ends its runner", async () => {
  const note = join(folder, "note");
  const call = functions.waitForAbort.submit(note);
  await printed("started");
  call.cancel();
  await assert.rejects(call, RequestCancelledException);
  await nothingLeft();
  assert.equal(readFileSync(note, "utf8"), "asked to stop");
});

test("a caller that is killed ends its function", async () => {
  const module = new URL("../helpers/serverless-functions.ts", import.meta.url).href;
  const program = `const { waitForAbort } = await import(${JSON.stringify(module)}); await waitForAbort();`;
  const loader = ["--conditions=servable-source", "--import", "tsx"];
  const child = spawn(process.execPath, [...loader, "--input-type=module", "--eval", program], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const closed = once(child, "close");
  while ((await runners()).length === 0 && child.exitCode === null) await delay(20);
  child.kill("SIGKILL");
  assert.deepEqual(await closed, [null, "SIGKILL"]);
  await nothingLeft();
});

test("a runner that is killed, or uses too much memory, ends the call with the platform's reason", async () => {
  const killed = functions.waitForAbort.submit();
  const failed = assert.rejects(killed, (error: FalServerlessError) => {
    assert.equal(error.code, "RUN_FAILED");
    assert.match(error.message, /its runner was killed/);
    return true;
  });
  await printed("started");
  using connection = host.connection();
  const [{ runnerId = "" } = {}] = await runners();
  await connection.unary(IsolateController.method.killRunner, { runnerId });
  await failed;
  await assert.rejects(functions.hog(), (error: FalServerlessError) => {
    assert.match(error.message, /it used \d+ MB of the 512 MB of machine type XS/);
    return true;
  });
  await nothingLeft();
});

test("a served function answers at its address until its caller ends it", async () => {
  const info = greet.spawn();
  const url = String(await info.url);
  assert.match(url, /\/me\/greet-run-[0-9a-f]{8}$/);
  const post = (body: object, headers: object = host.headers): Promise<Response> =>
    fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  const answer = await post({ name: "you" });
  assert.deepEqual([answer.status, await answer.json()], [200, "hello you"]);
  assert.equal((await post({ name: "" })).status, 422);
  assert.equal((await post({ name: "you" }, {})).status, 401, "it is private");
  info.stream.cancel();
  await assert.rejects(info.result, RequestCancelledException);
  await nothingLeft();
  assert.equal((await post({ name: "you" })).status, 404);
});

test("a secret that does not exist, and an image of one's own without a container engine, are refused by name", async () => {
  const secret = functions.echo.on({ secrets: ["MISSING"] });
  await assert.rejects(secret(1), /The secret MISSING does not exist in main/);
  const image = functions.echo.on(new FalServerlessHost({ baseImage: "node:22", onLog() {} }));
  await assert.rejects(
    image(1),
    /has an image or a Dockerfile of its own, and needs Docker or Podman, which this platform does not use/,
  );
});

test("functions of Python, and Map, are refused by name", async () => {
  using connection = host.connection();
  const { run, map } = IsolateController.method;
  const first = async (results: AsyncIterable<unknown>): Promise<void> => {
    for await (const _ of results) return;
  };
  const callable = { case: "function" as const, value: { method: "dill", definition: new Uint8Array() } };
  const environments = [{ kind: "container", configuration: { image: { dockerfile_str: "FROM x" } } }];
  await assert.rejects(
    first(connection.stream(run, { environments, callable }, {})),
    /need an agent in Python/,
  );
  const virtualenv = [{ kind: "virtualenv", configuration: {} }];
  await assert.rejects(
    first(connection.stream(run, { environments: virtualenv }, {})),
    /need an agent in Python/,
  );
  await assert.rejects(first(connection.stream(map, {}, {})), /This platform has no Map/);
});
