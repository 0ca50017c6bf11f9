import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { appSource, createProject, runCli } from "../helpers/cli.ts";

interface Finding {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly advice?: string;
}

const ANY = { PORT: "0", METRICS_PORT: "0" };
const STRICT = '{ "compilerOptions": { "strict": true, }, /* more to come */ }';

async function diagnose(
  folder: string,
  args: string[] = [],
  env: NodeJS.ProcessEnv = ANY,
): Promise<{ exitCode: number | null; found: Map<string, Finding> }> {
  const { exitCode, stdout } = await runCli(["doctor", ...args, "--json"], folder, env);
  const findings = JSON.parse(stdout) as Finding[];
  return { exitCode, found: new Map(findings.map((finding) => [finding.name, finding])) };
}

describe("servable doctor", () => {
  test("passes a correct project, and lists a file's classes with their routes", async () => {
    const folder = createProject({
      "tsconfig.json": STRICT,
      "app.ts": `console.log("loading");${appSource("Fine", "x")}`,
    });
    const { exitCode, found } = await diagnose(folder, ["app.ts"]);
    assert.equal(exitCode, 0);
    assert.deepEqual([...new Set([...found.values()].map(({ status }) => status))], ["ok"]);
    assert.equal(found.get("app.ts")?.message, "Fine (POST /)");
    assert.equal(found.get("Node")?.message, process.versions.node);
  });

  test("prints one result per check, and advice below it", async () => {
    const folder = createProject({});
    const { exitCode, stdout } = await runCli(["doctor"], folder, ANY);
    assert.equal(exitCode, 0);
    assert.match(stdout, /^✓ Node: \d+/);
    assert.match(stdout, /\n! tsconfig\.json: none found.*\n {2}→ /);
    assert.match(stdout, /\n\nAll is well\.\n$/);
  });

  test("finds legacy decorators, also in a file that tsconfig.json extends", async () => {
    const folder = createProject({
      "tsconfig.json": '{ "extends": "./base" }',
      "base.json": '{ "compilerOptions": { "experimentalDecorators": true } } // old',
    });
    const { exitCode, found } = await diagnose(folder);
    assert.equal(exitCode, 1);
    assert.equal(found.get("tsconfig.json")?.status, "failed");
    assert.match(found.get("tsconfig.json")?.advice ?? "", /take "experimentalDecorators" out/);
  });

  test("finds a tsconfig.json that can't be read", async () => {
    const { exitCode, found } = await diagnose(createProject({ "tsconfig.json": "{ nonsense" }));
    assert.equal(exitCode, 1);
    assert.match(found.get("tsconfig.json")?.message ?? "", /can't be read/);
  });

  test("finds missing packages, and the old name of typebox", async () => {
    const folder = createProject({});
    rmSync(join(folder, "node_modules"), { recursive: true });
    const { exitCode, found } = await diagnose(folder);
    assert.equal(exitCode, 1);
    assert.equal(found.get("servable")?.advice, "run: npm install servable");
    assert.equal(found.get("typebox")?.advice, "run: npm install typebox");
    const old = createProject({ "node_modules/@sinclair/typebox/package.json": "{}" });
    rmSync(join(old, "node_modules/typebox"));
    assert.equal((await diagnose(old)).found.get("typebox")?.status, "warning");
  });

  test("finds a second copy of servable", async () => {
    const other = createProject({
      "app/package.json": '{"type":"module"}',
      "app/node_modules/servable/package.json": '{"name":"servable","version":"9.9.9"}',
    });
    const { found } = await diagnose(join(other, "app"));
    assert.equal(found.get("servable")?.status, "warning");
    assert.match(found.get("servable")?.message ?? "", /two copies: 9\.9\.9 in /);
  });

  test("finds a port that is in use", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const { exitCode, found } = await diagnose(createProject({}), [], { ...ANY, METRICS_PORT: String(port) });
    taken.close();
    assert.equal(exitCode, 1);
    assert.equal(found.get("metrics port")?.message, `${port} is in use`);
    assert.equal(found.get("app port")?.status, "ok");
  });

  test("finds a missing folder for temporary files, and still runs the other checks", async () => {
    const { exitCode, found } = await diagnose(createProject({}), [], { ...ANY, TMPDIR: "/no/such/folder" });
    assert.equal(exitCode, 1);
    assert.match(found.get("decorators")?.message ?? "", /^not tried: ENOENT/);
    assert.match(found.get("decorators")?.advice ?? "", /TMPDIR/);
    assert.equal(found.get("app port")?.status, "ok");
  });

  test("says why a file can't be served", async () => {
    const folder = createProject({
      "syntax.ts": "class {",
      "empty.ts": 'import { App } from "servable";\nexport class Empty extends App {}',
    });
    const syntax = await diagnose(folder, ["syntax.ts"]);
    assert.equal(syntax.exitCode, 1);
    assert.match(syntax.found.get("syntax.ts")?.message ?? "", /^syntax\.ts:1:6: /);
    const empty = await diagnose(folder, ["empty.ts"]);
    assert.match(empty.found.get("empty.ts")?.message ?? "", /has no route/);
    const missing = await diagnose(folder, ["gone.ts"]);
    assert.match(missing.found.get("gone.ts")?.message ?? "", /There is no file gone\.ts/);
  });
});
