import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { listTemplates } from "../../src/cli/scaffold.ts";
import { AcceptingPlatform } from "../helpers/accepting-platform.ts";
import { cleanEnvironment, root, runCli, startCli } from "../helpers/cli.ts";

const run = promisify(execFile);
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
const folder = realpathSync(mkdtempSync(join(tmpdir(), "servable-create-")));
after(() => rmSync(folder, { recursive: true, force: true }));

describe("servable create", () => {
  test("writes a project of the given name and says what to do next", async () => {
    const { exitCode, stdout } = await runCli(["create", "@me/first-app"], folder);
    assert.equal(exitCode, 0);
    assert.match(stdout, /Next:\n\n {2}cd first-app\n {2}npm install\n {2}npm run dev\n/);
    const manifest = JSON.parse(readFileSync(join(folder, "first-app/package.json"), "utf8")) as {
      name: string;
      dependencies: Record<string, string>;
    };
    assert.equal(manifest.name, "@me/first-app");
    // The command that runs here is not installed from a registry: the project gets an archive of it.
    assert.equal(manifest.dependencies["servable"], `file:servable-${version}.tgz`);
    assert.ok(existsSync(join(folder, `first-app/servable-${version}.tgz`)));
    assert.match(readFileSync(join(folder, "first-app/.gitignore"), "utf8"), /^node_modules\/$/m);
    assert.match(readFileSync(join(folder, "first-app/README.md"), "utf8"), /^# @me\/first-app$/m);
  });

  test("--list names the templates", async () => {
    const { exitCode, stdout } = await runCli(["create", "--list"]);
    assert.equal(exitCode, 0);
    assert.match(stdout, /^basic +\w.*\nmedia +\w.*\nrealtime +\w.*\n$/);
  });

  const full = join(folder, "full");
  mkdirSync(full);
  writeFileSync(join(full, "kept.txt"), "mine");
  const refusals: [what: string, args: string[], expected: RegExp][] = [
    [
      "a folder with files in it",
      ["full"],
      /^error: .+full is not empty; choose another name, or empty it first\.\n$/,
    ],
    [
      "a name that npm refuses",
      ["My-App"],
      /^error: "My-App" can't be .+: it has capital letters; write "my-app"\.\n$/,
    ],
    ["a path for a name", ["../escape"], /^error: "\.\.\/escape" can't be the name of a package/],
    ["no name", [], /^error: The project needs a name: servable create my-app\n$/],
    [
      "an unknown template",
      ["x", "-t", "basik"],
      /^error: There is no template "basik"; did you mean "basic"\?\n$/,
    ],
  ];
  for (const [what, args, expected] of refusals) {
    test(`refuses ${what}`, async () => {
      const { exitCode, stdout, stderr } = await runCli(["create", ...args], folder);
      assert.deepEqual([exitCode, stdout], [1, ""]);
      assert.match(stderr, expected);
    });
  }
});

/** A call that a user may try with each template, and its response. */
const TEMPLATES: Readonly<
  Record<string, { name: string; paths: string[]; call: (url: string, project: string) => Promise<void> }>
> = {
  basic: {
    name: "text-summary",
    paths: ["/", "/sentences", "/health"],
    call: async (url) => {
      const answer = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ text: "The cat sat." }),
      });
      assert.deepEqual(await answer.json(), {
        words: 3,
        sentences: 1,
        frequent: [
          { word: "cat", count: 1 },
          { word: "sat", count: 1 },
        ],
      });
    },
  },
  media: {
    name: "picture-editor",
    paths: ["/", "/upload", "/health"],
    call: async (url, project) => {
      const form = new FormData();
      form.set("image", new Blob([readFileSync(join(project, "photo.jpg"))]), "photo.jpg");
      form.set("width", "200");
      const answer = await fetch(`${url}/upload`, { method: "POST", body: form });
      const { image } = (await answer.json()) as { image: Record<string, unknown> };
      assert.deepEqual(
        [image["content_type"], image["file_name"], image["width"], image["height"]],
        ["image/webp", "edited.webp", 200, 150],
      );
      assert.match(String(image["url"]), /^data:image\/webp;base64,UklGR/);
    },
  },
  realtime: {
    name: "typist",
    paths: ["/health", "/suggest", "/write"],
    call: async (url, project) => {
      const { stdout, stderr } = await npm(["run", "--silent", "client", "--", url], project);
      assert.equal(stderr, "");
      assert.deepEqual(stdout.trim().split("\n"), [
        '"" → the, it, to',
        '"she w" → was, when, with',
        '"the rabbit " → with, actually, hole',
        "Alice after it flashed across her feet for the book thought alice",
      ]);
    },
  },
};

const npm = (
  args: string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): Promise<{ stdout: string; stderr: string }> =>
  run("npm", args, { cwd, env: cleanEnvironment({ NO_COLOR: "1", ...env }), maxBuffer: 1 << 24 });

describe("a project made by the published package", { timeout: 600_000 }, () => {
  const tool = join(folder, "tool");
  let tarball = "";

  before(async () => {
    const packed = await npm(["pack", "--silent", "--pack-destination", folder], root);
    tarball = join(folder, packed.stdout.trim().split("\n").at(-1) ?? "");
    // The command itself is run from the tarball, too.
    mkdirSync(tool);
    writeFileSync(join(tool, "package.json"), '{"private":true}');
    await npm(["install", "--no-audit", "--no-fund", "--prefer-offline", tarball], tool);
  });

  test("there is a test for every template", () => {
    assert.deepEqual(
      listTemplates().map(({ name }) => name),
      Object.keys(TEMPLATES),
    );
  });

  for (const [template, { name, paths, call }] of Object.entries(TEMPLATES)) {
    const project = join(folder, `made-${template}`);

    test(`${template}: installs, type-checks and passes its tests`, async () => {
      const create = [join(tool, "node_modules/servable/dist/cli/main.js"), "create", `made-${template}`];
      await run(process.execPath, [...create, "--template", template], {
        cwd: folder,
        env: cleanEnvironment(),
      });
      // The steps that `servable create` prints.
      await npm(["install"], project, { npm_config_prefer_offline: "true" });
      await npm(["run", "check"], project);
      const { stdout } = await npm(["test"], project);
      assert.match(stdout, /pass 3\b/);
      assert.match(stdout, /fail 0\b/);
      await npm(["run", "openapi"], project);
      const document = JSON.parse(readFileSync(join(project, "openapi.json"), "utf8")) as { paths: object };
      assert.deepEqual(Object.keys(document.paths), paths);
    });

    test(`${template}: npm run deploy uploads the files of its image, and registers it`, async () => {
      await using platform = await AcceptingPlatform.start();
      const { stdout } = await npm(
        ["run", "--silent", "deploy", "--", "--json"],
        project,
        platform.environment,
      );
      const { app_name, status, urls } = JSON.parse(stdout) as Record<string, unknown>;
      assert.deepEqual([app_name, status], [name, "deployed"]);
      assert.equal((urls as Record<string, string>)["run"], `https://fal.run/me/${name}`);
      const { files } = platform;
      for (const file of ["app.ts", "package.json", "package-lock.json", basename(tarball)]) {
        assert.ok(files.includes(file), `${file} is uploaded`);
      }
      assert.ok(!files.some((file) => /node_modules|README/.test(file)), files.join());
    });

    test(`${template}: npm start serves it, and SIGTERM makes it exit with 0`, async () => {
      const app = startCli([], project, { PORT: "0", METRICS_PORT: "0" }, ["npm", "start", "--silent"]);
      const url = await app.listening();
      await call(url, project);
      const [line] = await app.logged(/^listening$/);
      process.kill(Number(line?.["pid"]), "SIGTERM");
      assert.equal((await app.ended).exitCode, 0);
    });
  }
});
