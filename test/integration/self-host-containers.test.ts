import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ROOT } from "../../benchmarks/lib/staged-package.ts";
import { ContainerImage } from "../../src/packaging/container-image.ts";
import type { ContainerEngine } from "../../src/packaging/container-engine.ts";
import { IsolateController, type RunnerInfo } from "../../src/platform/generated/controller_pb.ts";
import { prepareContainers, withoutContainers } from "../helpers/container-base.ts";
import { TEST_IMAGE } from "../helpers/container-image.ts";
import { runEngineProgram } from "../helpers/engine-program.ts";
import { platformFolder, removePlatformFolder, TestPlatform } from "../helpers/self-host.ts";

/** A server of one's own, without this package. */
const SERVER = `
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
const held = [];
let count = 0;
const routes = {
  "/": () => ({ count: ++count, text: readFileSync("/app/text", "utf8"), uid: process.getuid() }),
  "/env": () => process.env,
  "/say": () => console.log("said " + ++count),
  "/hog": () => { setInterval(() => held.push(Buffer.alloc(20_000_000, 1)), 5); },
};
process.on("SIGTERM", () => { console.log("asked to end"); process.exit(0); });
createServer((request, response) => {
  const handle = routes[request.url];
  response.statusCode = handle === undefined ? 404 : 200;
  response.end(JSON.stringify(handle?.() ?? {}));
}).listen(8000, "0.0.0.0");
`;
const DOCKERFILE = `
# Not that of an earlier run: ${process.pid} ${Date.now()}
FROM ${TEST_IMAGE}
ARG GREETING=none
WORKDIR /app
COPY server.mjs ./
RUN --mount=type=secret,id=spice echo "$GREETING $(cat /run/secrets/spice)" > text
CMD ["node", "server.mjs"]
`;

describe("apps with an image of their own", { skip: withoutContainers }, () => {
  let engine: ContainerEngine;
  let host: TestPlatform;
  let context: string;
  const machine = { exposedPort: 8000, machineType: "XS" };

  const image = (
    options: { readonly greeting?: string; readonly cmd?: readonly string[] } = {},
  ): ContainerImage =>
    ContainerImage.fromDockerfileString(DOCKERFILE, {
      contextDirectory: context,
      buildArgs: { GREETING: options.greeting ?? "hello" },
      secrets: { spice: "pepper" },
      ...(options.cmd === undefined ? {} : { cmd: options.cmd }),
    });

  before(async () => {
    engine = await prepareContainers();
    context = mkdtempSync(join(tmpdir(), "servable-context-"));
    writeFileSync(join(context, "server.mjs"), SERVER);
    host = await TestPlatform.start();
  });
  after(async () => {
    await host?.[Symbol.asyncDispose]();
    if (context !== undefined) rmSync(context, { recursive: true, force: true });
    const { stdout } = await runEngineProgram(engine.command, [
      "images",
      "--format",
      "{{.Repository}}:{{.Tag}}",
    ]);
    const ours = stdout.split("\n").filter((name) => /^localhost\/servable-(?:revision|image):/.test(name));
    if (ours.length > 0) await runEngineProgram(engine.command, ["rmi", "--force", ...ours]);
  });

  async function json(path: string): Promise<Record<string, unknown>> {
    const answer = await fetch(`${host.url}${path}`, { headers: host.headers });
    assert.equal(answer.status, 200, await answer.clone().text());
    return (await answer.json()) as Record<string, unknown>;
  }

  async function runnersOf(alias: string): Promise<RunnerInfo[]> {
    using connection = host.connection();
    const startTime = { seconds: 0n, nanos: 0 };
    const { runners } = await connection.unary(IsolateController.method.listAliasRunners, {
      alias,
      startTime,
    });
    return runners;
  }

  async function containers(): Promise<string[]> {
    const { stdout } = await runEngineProgram(engine.command, [
      ...["ps", "--all", "--filter", "label=servable.platform", "--format", "{{.Names}}"],
    ]);
    return stdout.split("\n").filter((name) => name !== "");
  }

  test("a Dockerfile is built from the uploaded files, with arguments, secrets and its output, and answers", async () => {
    const lines: string[] = [];
    await host.deployImage({
      ...{ appName: "own", image: image(), machine, auth: "public" },
      onLog: ({ message }) => lines.push(message),
    });
    assert.ok(
      lines.some((line) => /RUN --mount/.test(line)),
      lines.join("\n"),
    );
    assert.ok(!lines.join("\n").includes("pepper"));
    const { text } = await json("/me/own/");
    assert.equal(text, "hello pepper\n");
  });

  test("the same content is built once; other arguments make another image", async () => {
    const lines: string[] = [];
    const onLog = ({ message }: { readonly message: string }): void => void lines.push(message);
    await host.deployImage({ appName: "again", image: image(), machine, onLog });
    assert.ok(!lines.some((line) => /RUN|building/.test(line)), lines.join("\n"));
    await host.deployImage({ appName: "again", image: image({ greeting: "good day" }), machine, onLog });
    assert.equal((await json("/me/again/"))["text"], "good day pepper\n");
    assert.ok(lines.some((line) => /building/.test(line)));
  });

  test("a runner gets its secrets and the image's variables, and none of the platform's", async () => {
    process.env["PLATFORM_PRIVATE"] = "hidden";
    try {
      using connection = host.connection();
      const value = 'two\nlines, "quoted"';
      await connection.unary(IsolateController.method.setSecret, { name: "OWN_TOKEN", value });
      await connection.unary(IsolateController.method.setSecret, {
        name: "DOCKER_HOST",
        value: "tcp://nowhere",
      });
      await host.deployImage({
        ...{ appName: "env", image: image(), machine, secrets: ["OWN_TOKEN", "DOCKER_HOST"] },
      });
      const env = await json("/me/env/env");
      assert.equal(env["OWN_TOKEN"], value);
      assert.equal(env["DOCKER_HOST"], "tcp://nowhere");
      assert.equal(env["FAL_APP_NAME"], "env");
      assert.equal(env["PLATFORM_PRIVATE"], undefined);
      assert.equal(env["NODE_ENV"], undefined);
    } finally {
      delete process.env["PLATFORM_PRIVATE"];
    }
  });

  test("a runner that ends while it starts fails the deployment with its exit code and its last lines", async () => {
    const broken = image({ cmd: ["node", "-e", "console.error('no model here'); process.exit(3)"] });
    await assert.rejects(
      host.deployImage({ appName: "broken", image: broken, machine }),
      /exit code 3[^]*no model here/,
    );
    const missing = image({ cmd: ["nothing-like-this"] });
    await assert.rejects(
      host.deployImage({ appName: "broken", image: missing, machine }),
      /nothing-like-this/,
    );
  });

  test("a Dockerfile that can't be built fails the deployment with the builder's last lines", async () => {
    const wrong = ContainerImage.fromDockerfileString(`FROM ${TEST_IMAGE}\nRUN echo unlucky && exit 7\n`);
    await assert.rejects(host.deployImage({ appName: "wrong", image: wrong, machine }), /unlucky/);
  });

  test("a deployment without a port is refused by name", async () => {
    await assert.rejects(
      host.deployImage({ appName: "portless", image: image(), machine: { machineType: "XS" } }),
      /exposed_port/,
    );
  });

  test("an image of a registry or of this machine runs with another command, and keeps its content when the name moves", async () => {
    const name = "localhost/servable-test-moving:1";
    const tag = async (source: string): Promise<void> => {
      assert.equal((await runEngineProgram(engine.command, ["tag", source, name])).code, 0);
    };
    await tag(TEST_IMAGE);
    const server = `require("http").createServer((q, r) => r.end(JSON.stringify({ at: q.url }))).listen(8000)`;
    const image = ContainerImage.fromImage(name, { entrypoint: ["node", "-e"], cmd: [server] });
    try {
      const { revision } = await host.deployImage({ appName: "named", image, machine });
      await runEngineProgram(engine.command, ["rmi", name]);
      using connection = host.connection();
      const [first] = await runnersOf("named");
      await connection.unary(IsolateController.method.killRunner, { runnerId: first?.runnerId ?? "" });
      assert.equal((await json("/me/named/here"))["at"], "/here");
      assert.ok((await runnersOf("named")).every((runner) => runner.revision === revision));
    } finally {
      await runEngineProgram(engine.command, ["rmi", name]);
    }
  });

  test("a runner that uses more memory than its machine type has ends, and its ending says so", async () => {
    await host.deployImage({ appName: "hog", image: image(), machine });
    await json("/me/hog/hog");
    let ending: unknown;
    while (ending === undefined) {
      await delay(50);
      ending = (await runnersOf("hog"))
        .map(({ externalMetadata }) => externalMetadata?.["ending"])
        .find(Boolean);
    }
    assert.match(String(ending), /^out of memory: it reached the limit of 512 MB of machine type XS/);
  });

  test("a runner that is stopped gets SIGTERM, and leaves its output and no container", async () => {
    await host.deployImage({ appName: "stopped", image: image(), machine });
    await json("/me/stopped/say");
    const [runner] = await runnersOf("stopped");
    const id = runner?.runnerId ?? "";
    using connection = host.connection();
    const followed = await fetch(`${host.url}/logs/stream?job_id=${id}`, {
      method: "POST",
      headers: host.headers,
    });
    await connection.unary(IsolateController.method.stopRunner, { runnerId: id });
    const text = await followed.text();
    assert.match(text, /said 1/);
    assert.match(text, /asked to end/);
    while ((await containers()).some((name) => name.includes(id))) await delay(50);
    const ended = (await runnersOf("stopped")).find(({ runnerId }) => runnerId === id);
    assert.match(String(ended?.externalMetadata?.["ending"]), /^exit code 0/);
  });

  test("runners survive a platform that is killed, continue to write, and are taken over; others of it are removed", async () => {
    const folder = platformFolder();
    const child = fork(join(ROOT, "test/fixtures/self-host/platform.ts"), [folder], {
      execArgv: ["--conditions=servable-source", "--import", "tsx"],
      // Programs that outlive it must not hold the output of this test open.
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    const ended = once(child, "exit");
    const [{ url, key }] = (await once(child, "message")) as [{ url: string; key: string }];
    const first: Pick<TestPlatform, "url" | "headers"> = { url, headers: { authorization: `Key ${key}` } };
    const call = async (each: typeof first, path: string): Promise<Record<string, unknown>> => {
      const answer = await fetch(`${each.url}${path}`, { headers: each.headers });
      return (await answer.json()) as Record<string, unknown>;
    };
    const before = new Set(await containers());
    await TestPlatform.deployImageTo(first.url, key, {
      ...{ appName: "kept", image: image(), machine: { ...machine, minConcurrency: 1 } },
    });
    assert.equal((await call(first, "/me/kept/"))["count"], 1);
    const name = (await containers()).find((each) => !before.has(each)) ?? "";
    const { stdout: label } = await runEngineProgram(engine.command, [
      ...["container", "inspect", "--format", '{{index .Config.Labels "servable.platform"}}', name],
    ]);
    child.kill("SIGKILL");
    await ended;
    const orphan = `servable-runner-orphan-${process.pid}`;
    const { code } = await runEngineProgram(engine.command, [
      ...["run", "--detach", `--name=${orphan}`, `--label=servable.platform=${label.trim()}`, TEST_IMAGE],
      ...["node", "-e", "setInterval(() => {}, 1000)"],
    ]);
    assert.equal(code, 0);
    const second = await TestPlatform.start({}, { folder, key });
    try {
      assert.equal((await call(second, "/me/kept/"))["count"], 2, "it is the same process");
      await call(second, "/me/kept/say");
      const id = name.replace("servable-runner-", "");
      let text = "";
      while (!text.includes("said 3")) {
        await delay(50);
        const history = await fetch(`${second.url}/logs/history?job_id=${id}`, {
          method: "POST",
          headers: second.headers,
        });
        text = await history.text();
      }
      while ((await containers()).includes(orphan)) await delay(50);
    } finally {
      await second.platform.close();
      removePlatformFolder(folder);
    }
    assert.ok(!(await containers()).includes(name), "the end of the platform ends its runners");
  });
});
