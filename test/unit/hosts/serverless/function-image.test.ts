import assert from "node:assert/strict";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, mock, test } from "node:test";
import type { Bundle } from "../../../../src/functions/bundle/bundle.ts";
import type { FunctionTarget } from "../../../../src/functions/host.ts";
import { createFunctionImage } from "../../../../src/hosts/serverless/function-image.ts";
import { FalServerlessHost } from "../../../../src/hosts/serverless/fal-serverless-host.ts";
import { localStacks } from "../../../../src/hosts/serverless/container-sources.ts";
import { createCacheFolder } from "../../../helpers/environments.ts";

const BUNDLE = {
  format: 1,
  hash: "0".repeat(64),
  module: "src/speak.ts",
  code: "code",
  map: JSON.stringify({ version: 3, sources: ["src/speak.ts"] }),
  runner: "runner",
  host: "host",
  imports: [],
  root: "file:///home/somebody/project/",
} as const satisfies Bundle;

function target(options: Readonly<Record<string, unknown>>): FunctionTarget {
  return {
    name: "speak()",
    options: new FalServerlessHost().parseOptions(options),
    entry: { place: { module: "file:///home/somebody/project/src/speak.ts", line: 3, column: 7 } },
    bundle: () => Promise.resolve(BUNDLE),
  };
}

async function imageOf(options: Readonly<Record<string, unknown>>, folder: string): Promise<string[]> {
  const image = await createFunctionImage(target(options), { folder, onWarning: assert.fail });
  return (image.dockerfile as string).split("\n");
}

describe("the image of a function", () => {
  // npm reads its settings from the working directory.
  const project = createCacheFolder();
  before(() => void mock.method(process, "cwd", () => project.path));
  after(() => {
    mock.restoreAll();
    project[Symbol.dispose]();
  });

  test("is based on its version of Node, installs step by step, and has its code in the last layers", async () => {
    using folder = createCacheFolder();
    const lines = await imageOf(
      { nodeVersion: "22", requirements: [["a@1"], ["git+https://example.com/b.git"]] },
      folder.path,
    );
    assert.match(
      lines[0] ?? "",
      /^# servable\.function \{"name":"speak",/,
      "facts for platforms without containers",
    );
    assert.equal(lines[1], "ARG BASE_IMAGE=docker.io/library/node:22-slim");
    const installs = lines.filter((line) => line.startsWith("RUN")).slice(1);
    assert.equal(installs.length, 2);
    assert.match(installs[0] ?? "", /^RUN \["npm","install",.*"--","a@1"\]$/);
    assert.match(installs[1] ?? "", /"--allow-git=root".*"--","git\+https:\/\/example\.com\/b\.git"\]$/);
    assert.deepEqual(lines.slice(-6), [
      "EXPOSE 8080",
      "USER 1000:1000",
      'ENTRYPOINT ["node","/srv/servable/server/server.mjs"]',
      "COPY server/server.mjs server/settings.json ./server/",
      "COPY function/bundle ./function/bundle",
      "",
    ]);
  });

  test("contains nothing of this machine, and does not depend on the project's folder", async () => {
    using folder = createCacheFolder();
    await imageOf({}, folder.path);
    const settings = readFileSync(join(folder.path, "server/settings.json"), "utf8");
    const map = readFileSync(join(folder.path, "function/bundle/bundle.mjs.map"), "utf8");
    assert.doesNotMatch(settings + map, /somebody/);
    const { moduleUrl, entry, functionName } = JSON.parse(settings) as Record<string, unknown>;
    assert.equal(functionName, "speak()");
    assert.equal(moduleUrl, "file:///srv/servable/source/src/speak.ts");
    assert.deepEqual(entry, { place: { module: moduleUrl, line: 3, column: 7 } });
    assert.equal(statSync(join(folder.path, "server/settings.json")).mode & 0o777, 0o644);
  });

  test("names a file above the project, and stacks with it show its local path", async () => {
    using folder = createCacheFolder();
    const sources = ["src/speak.ts", "../../packages/words/word.ts", "lib/..name.ts"];
    const made: Bundle = { ...BUNDLE, map: JSON.stringify({ version: 3, sources }) };
    const options = { folder: folder.path, onWarning: assert.fail };
    await createFunctionImage({ ...target({}), bundle: () => Promise.resolve(made) }, options);
    const text = readFileSync(join(folder.path, "function/bundle/bundle.mjs.map"), "utf8");
    const urls = (JSON.parse(text) as { sources: readonly string[] }).sources;
    for (const url of urls) assert.ok(url.startsWith("file:///srv/servable/source/"), url);
    const inner = new Error("inner");
    const error = Object.assign(new AggregateError([inner], "outer"), { held: new Error("held") });
    for (const one of [error, inner, error.held]) {
      one.stack = urls.map((url) => `    at ${url}:1:2\n    at f (${new URL(url).pathname}:3:4)`).join("\n");
    }
    localStacks(error, "file:///home/some%20body/apps/web/");
    const files = ["apps/web/src/speak.ts", "packages/words/word.ts", "apps/web/lib/..name.ts"];
    const expected = files.map(
      (file) => `    at file:///home/some%20body/${file}:1:2\n    at f (/home/some body/${file}:3:4)`,
    );
    for (const { stack } of [error, inner, error.held]) assert.equal(stack, expected.join("\n"));
  });

  test("of a container function is based on its image, and keeps that image's user", async () => {
    using folder = createCacheFolder();
    const lines = await imageOf({ image: "example.com/with-node:1" }, folder.path);
    assert.equal(lines[0], "ARG BASE_IMAGE=example.com/with-node:1");
    assert.deepEqual(
      lines.filter((line) => line.startsWith("USER")),
      ["USER 0:0"],
      "only where packages are installed",
    );
  });

  test("of a served function has no call server, and exposes the requested ports", async () => {
    using folder = createCacheFolder();
    const lines = await imageOf({ serve: true, exposedPort: 9000 }, folder.path);
    assert.ok(lines.includes("EXPOSE 9000"));
    assert.equal(lines.filter((line) => line.startsWith("RUN")).length, 1, "the packages that serve it");
    const settings = JSON.parse(readFileSync(join(folder.path, "server/settings.json"), "utf8")) as object;
    assert.deepEqual(
      Object.entries(settings).filter(([name]) => name === "port" || name === "served"),
      [
        ["port", 9000],
        ["served", { metricsPort: 9090, schemas: {} }],
      ],
    );
  });

  test("rejects a requirement that is a local folder or file, and says what to do", async () => {
    using folder = createCacheFolder();
    await assert.rejects(
      imageOf({ requirements: ["./own-package"] }, folder.path),
      /\.\/own-package lies on this machine, and can't be installed elsewhere: publish it, or take its code along with localModules\./,
    );
  });

  test("passes npm's settings as a secret of the build, with their variables replaced", async () => {
    using folder = createCacheFolder();
    writeFileSync(join(project.path, ".npmrc"), "//example.com/:_authToken=${A_TOKEN}\n");
    process.env["A_TOKEN"] = "hush";
    try {
      const options = { requirements: ["a@1"] };
      const image = await createFunctionImage(target(options), {
        folder: folder.path,
        onWarning: assert.fail,
      });
      assert.deepEqual(image.secrets, { npmrc: "//example.com/:_authToken=hush\n" });
      assert.doesNotMatch(image.dockerfile as string, /hush/);
      assert.match(
        image.dockerfile as string,
        /RUN --mount=type=secret,id=npmrc,target=\/srv\/servable\/function\/\.npmrc \["npm",/,
      );
    } finally {
      delete process.env["A_TOKEN"];
      rmSync(join(project.path, ".npmrc"));
    }
  });
});

test("exposedPort requires a served function: calls of other functions use that port", () => {
  assert.throws(
    () => target({ exposedPort: 9000 }),
    /exposedPort is for functions that are served here.*Add serve: true, or leave it out\./,
  );
});
