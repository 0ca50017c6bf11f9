import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import {
  FalMissingDependencyError,
  FalServerlessHost,
  FalSerializationError,
  RequestCancelledException,
  RequestTimeoutException,
  UserFunctionException,
  type FalServerlessError,
  type PlatformError,
  type SpawnInfo,
} from "servable";
import { FunctionPlatform } from "../helpers/function-platform.ts";
import * as functions from "../helpers/serverless-functions.ts";
import { greet, greetSlowly, neverLoaded } from "../helpers/serverless-served.ts";

const { lines } = functions;
let platform: FunctionPlatform;
before(async () => {
  platform = await FunctionPlatform.start();
  platform.useEnvironment();
});
after(() => platform[Symbol.asyncDispose]());
beforeEach(() => void lines.splice(0));
const folder = mkdtempSync(join(tmpdir(), "servable-serverless-"));
after(() => rmSync(folder, { recursive: true, force: true }));

async function printed(line: string): Promise<void> {
  while (!lines.includes(`USER STDOUT ${line}`)) await delay(10);
}

test("a call runs the function in an app of its own, which is deleted when the call ends", async () => {
  const { pid, parent, environment, module } = await functions.describeSurroundings();
  assert.notEqual(pid, process.pid);
  assert.notEqual(parent, process.pid, "a process of its own beside the server's");
  assert.equal(environment["GIVEN"], "value");
  assert.equal(environment["A_SECRET_OF_THE_PLATFORM"], "hush", "what the platform gives is there");
  assert.equal(environment["FAL_KEY"], undefined, "what this process has is not");
  assert.equal(environment["LOG_LEVEL"], undefined, "nor what the server has for itself");
  assert.match(module, /function\/bundle\/bundle\.mjs$/);
  await platform.empty();
});

test("cloneable values are passed in both directions, also 30 MB", async () => {
  const cyclic: { self?: unknown; big: bigint } = { big: 2n ** 70n };
  cyclic.self = cyclic;
  const value = { map: new Map([["at", new Date(0)]]), bytes: new Uint8Array([1, 2, 255]), cyclic };
  assert.deepEqual(await functions.echo(value), value);
  const large = Buffer.alloc(30e6, "x");
  const back = (await functions.echo(large)) as Uint8Array;
  assert.ok(large.equals(back));
});

test("an image is built once for a function, and used by each call", async () => {
  const before = platform.plane.calls.length;
  assert.equal(await functions.print(2), 2);
  assert.equal(await functions.print(1), 1);
  const made = platform.plane.calls.slice(before).map(({ method }) => method);
  assert.deepEqual(made, ["BuildEnvironment", "Run", "Run"]);
  assert.deepEqual(lines.filter((line) => line.startsWith("USER")).sort(), [
    "USER STDERR err",
    "USER STDERR err",
    "USER STDOUT out 1",
    "USER STDOUT out 1",
    "USER STDOUT out 2",
  ]);
  assert.ok(lines.includes("BUILDER INFO installing packages"));
});

test("a run sends the settings of its options, and is private to its owner", async () => {
  const before = platform.plane.calls.length;
  const host = new FalServerlessHost({ environmentName: "staging", onLog() {} });
  const options = {
    machineType: ["GPU-A100", "GPU-H100"],
    numGpus: 1,
    keepAlive: 1,
    maxMultiplexing: 2,
    requestStartTimeout: 0,
  };
  const moved = functions.echo
    .on(host)
    .on({ ...options, secrets: ["TOKEN"], dataMounts: ["/data"], force: true });
  assert.equal(await moved("there"), "there");
  const [build, run] = platform.plane.calls.slice(before).map(({ json }) => json as Record<string, unknown>);
  const machine = {
    machineType: "GPU-A100",
    machineTypes: ["GPU-A100", "GPU-H100"],
    schedulerOptions: {},
    numGpus: 1,
  };
  assert.ok(run !== undefined);
  const [environment] = run["environments"] as { configuration: { image: Record<string, unknown> } }[];
  assert.deepEqual(build, {
    environmentName: "staging",
    environments: [{ ...environment, force: true }],
    machineRequirements: machine,
    files: run["files"],
    secrets: { names: ["TOKEN"] },
  });
  assert.deepEqual(run, {
    environmentName: "staging",
    environments: [environment],
    machineRequirements: {
      ...machine,
      keepAlive: 1,
      maxMultiplexing: 2,
      requestStartTimeout: 0,
      exposedPort: 8080,
    },
    files: build["files"],
    secrets: { names: ["TOKEN"] },
    authMode: "PRIVATE",
    buildEnvironment: false,
    dataMounts: ["/data"],
    healthCheckConfig: { path: "/health", method: "GET" },
  });
  const image = environment?.configuration.image ?? {};
  assert.deepEqual([image["use_isolate"], image["docker_context_dir"]], [false, "."]);
});

test("an error is rethrown as it was thrown, and its stack names the files of this machine", async () => {
  await assert.rejects(functions.fail(), (error: RangeError & { hint?: string }) => {
    assert.ok(error instanceof RangeError);
    assert.equal(error.message, "too far");
    assert.equal(error.hint, "less");
    assert.ok(error.cause instanceof TypeError);
    const file = new URL("../helpers/serverless-functions.ts", import.meta.url);
    assert.match(error.stack ?? "", new RegExp(`${file.pathname}:\\d+:\\d+`));
    assert.doesNotMatch(error.stack ?? "", /srv\/servable\/source/);
    return true;
  });
  await assert.rejects(functions.fail.on({ reraise: false })(), (error: UserFunctionException) => {
    assert.ok(error instanceof UserFunctionException);
    assert.ok(error.cause instanceof RangeError);
    return true;
  });
});

test("a value that can't be serialized is refused with its path, before the run or after it", async () => {
  const before = platform.plane.calls.length;
  await assert.rejects(functions.echo({ deep: [() => {}] }), (error: Error) => {
    assert.ok(error instanceof FalSerializationError);
    assert.match(error.message, /argument 1 of echo\(\).*deep\[0\]|deep\[0\].*argument 1 of echo\(\)/);
    return true;
  });
  assert.equal(platform.plane.calls.length, before);
  await assert.rejects(functions.stream(), FalSerializationError);
});

test("only required packages are installed; a missing one is reported with the requirement to add", async () => {
  assert.equal(await functions.withPackage(), 3);
  await assert.rejects(functions.missing(), (error: Error) => {
    assert.ok(error instanceof FalMissingDependencyError);
    assert.match(error.message, /a-package-nobody-requires/);
    return true;
  });
});

test("a setup's result is the first argument", async () => {
  assert.equal(await functions.withSetup("it"), "it made in setup");
});

test("requestTimeout ends a call that computes forever", async () => {
  await assert.rejects(functions.spin(), RequestTimeoutException);
  await platform.empty();
});

test("a process that exits is an error that says so, and the next call works", async () => {
  await assert.rejects(functions.exit(3), (error: FalServerlessError) => {
    assert.equal(error.code, "FUNCTION_WORKER_DIED");
    assert.match(error.message, /exit\(\).*3/);
    return true;
  });
  assert.equal(await functions.echo("next"), "next");
});

test("cancelling a call aborts the function's signal, and deletes its app", async () => {
  const note = join(folder, "note");
  const call = functions.waitForAbort.submit(note);
  await printed("started");
  call.cancel();
  await assert.rejects(call, RequestCancelledException);
  await platform.empty();
  assert.equal(readFileSync(note, "utf8"), "asked to stop");
  assert.equal(platform.plane.calls.at(-1)?.isAborted, true);
});

test("cancelling a call while its image is built runs nothing", async () => {
  await using slow = await FunctionPlatform.start({
    async *buildEnvironment(_request, { signal }) {
      yield { logs: [] };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  });
  slow.useEnvironment();
  try {
    const call = functions.echo.on({ requestTimeout: 9 }).submit("never");
    while (slow.plane.calls.length === 0) await delay(10);
    call.cancel();
    await assert.rejects(call, RequestCancelledException);
    assert.deepEqual(slow.plane.methods(), ["BuildEnvironment"]);
  } finally {
    platform.useEnvironment();
  }
});

test("spawn returns logs and result separately from this process's own output", async () => {
  const info = functions.print.spawn(2);
  const read: string[] = [];
  for await (const { source, message } of info.logs) if (source === "USER") read.push(message);
  assert.deepEqual(read.sort(), ["err", "out 1", "out 2"]);
  assert.equal(await info.result, 2);
  assert.equal(await info.url, undefined);
  assert.deepEqual(lines, []);
});

test("a served function responds at its url until it is cancelled", async () => {
  const info = greet.spawn();
  const url = String(await info.url);
  const answer = await post(url, { name: "you" });
  assert.equal(answer.status, 200);
  assert.equal(await answer.json(), "hello you");
  assert.equal((await post(url, { name: "" })).status, 422);
  info.stream.cancel();
  await assert.rejects(info.result, RequestCancelledException);
  await platform.empty();
});

function post(url: string, body: object): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Key ${platform.plane.key}` },
    body: JSON.stringify(body),
  });
}

/** Resolves once a run has printed a line. */
async function lineOf({ logs }: SpawnInfo, line: string): Promise<void> {
  for await (const { message } of logs) if (message === line) return;
}

test("stopping a served function's container completes its running requests, and exits with 0", async () => {
  const info = greetSlowly.spawn();
  const failed = assert.rejects(info.result, /the runner ended/);
  const answer = post(String(await info.url), { name: "you" });
  await lineOf(info, "begun");
  const [{ process: server } = never()] = platform.apps.values();
  server.kill("SIGTERM");
  assert.deepEqual(await once(server, "exit"), [0, null]);
  assert.equal(await (await answer).json(), "hello you");
  await failed;
});

test("stopping one while its module is loading exits with 0 too", async () => {
  const info = neverLoaded.spawn();
  const failed = assert.rejects(info.result, /the runner ended/);
  await lineOf(info, "loading");
  const [{ process: server } = never()] = platform.apps.values();
  server.kill("SIGTERM");
  assert.deepEqual(await once(server, "exit"), [0, null]);
  await failed;
});

function never(): never {
  throw new Error("No app runs.");
}

test("a URL that is unknown or not ready is retried; the call runs once", async () => {
  platform.refusals.push(404, 503);
  const before = platform.calls.length;
  assert.equal(await functions.echo("at last"), "at last");
  const statuses = platform.calls.slice(before).map((call) => call.split(" ").at(-1));
  assert.deepEqual(statuses, ["404", "503", "200"]);
});

test("a call that a gateway times out is not retried: the function may have run", async () => {
  platform.refusals.push(504);
  const before = platform.calls.length;
  await assert.rejects(functions.echo("lost"), (error: FalServerlessError) => {
    assert.equal(error.code, "RUN_FAILED");
    assert.match(
      error.message,
      /^The call of echo\(\) was answered with HTTP 504 by 127\.0\.0\.1:\d+\. Not now\.$/,
    );
    return true;
  });
  assert.equal(platform.calls.length, before + 1);
  await platform.empty();
});

test("a runner that dies is reported with the platform's own message", async () => {
  const call = functions.waitForAbort.submit();
  const failed = assert.rejects(call, (error: FalServerlessError) => {
    assert.equal(error.code, "RUN_FAILED");
    assert.match(error.message, /^The platform ended the run of waitForAbort\(\): the runner ended\.$/);
    return true;
  });
  await printed("started");
  for (const { process: server } of platform.apps.values()) server.kill("SIGKILL");
  await failed;
});

test("no key is sent to a plain-text URL from a control plane behind TLS, or to an invalid URL", async () => {
  await using odd = await FunctionPlatform.start({
    async *run() {
      yield { runId: "odd", serviceUrls: { run: "ftp://elsewhere" } };
    },
  });
  odd.useEnvironment();
  try {
    await assert.rejects(functions.echo.on({ requestTimeout: 8 })(1), (error: PlatformError) => {
      assert.equal(error.code, "PLATFORM_REFUSED");
      return true;
    });
  } finally {
    platform.useEnvironment();
  }
});

test("a failed image build and a rejected key are clear one-line errors: nothing runs, and no file is left", async (context) => {
  await using broken = await FunctionPlatform.start({
    async *buildEnvironment() {
      yield { status: { state: 2 }, logs: [{ message: "npm error 404", source: 0, level: 4 }] };
    },
  });
  broken.useEnvironment();
  try {
    const temporary = mkdtempSync(join(folder, "tmp-"));
    const before = process.env["TMPDIR"];
    context.after(() => {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
    });
    process.env["TMPDIR"] = temporary;
    const moved = functions.echo.on({ requestTimeout: 7 });
    await assert.rejects(moved(1), /^.*The image of echo\(\) could not be built: npm error 404\.$/);
    process.env["FAL_KEY"] = "some:other";
    await assert.rejects(moved(1), (error: FalServerlessError) => error.code === "CREDENTIALS_INVALID");
    assert.ok(!broken.plane.methods().includes("Run"));
    const left = readdirSync(temporary).filter((name) => name.startsWith("servable-function-"));
    assert.deepEqual(left, []);
  } finally {
    platform.useEnvironment();
  }
});

test("a program ends by itself once its calls have ended", async () => {
  const module = new URL("../helpers/serverless-functions.ts", import.meta.url).href;
  const program = `const { echo } = await import(${JSON.stringify(module)}); console.log(await echo(5));`;
  const loader = ["--conditions=servable-source", "--import", "tsx"];
  const child = spawn(process.execPath, [...loader, "--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  child.stdout.on("data", (chunk: Buffer) => (printed += String(chunk)));
  assert.deepEqual(await once(child, "close"), [0, null]);
  assert.equal(printed, "5\n");
});

test("a function that runs on a platform can't call another one there, and the error says what to do", async () => {
  await assert.rejects(functions.nested(), /Call it from the program, or call its runLocal\(\)/);
});
