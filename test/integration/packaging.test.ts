import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { ContainerEngine } from "../../src/packaging/container-engine.ts";
import { runEngineProgram } from "../helpers/engine-program.ts";
import { OPENAPI_LABEL } from "../../src/packaging/generated-dockerfile.ts";
import { RunningCli, type Ended } from "../helpers/cli.ts";
import { assertInNoLayer, prepareContainers, withoutContainers } from "../helpers/container-base.ts";
import { BASE_IMAGE, createBuildBase, stageLanguageProject } from "../helpers/image-project.ts";
import { runImage } from "../helpers/running-image.ts";

const MOST_BYTES = 40_000_000;
const PYTHON =
  "def fib(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a\n";

/** Buildah shares the images of Podman. */
const BY_BUILDAH = { SERVABLE_CONTAINER_ENGINE: "buildah", BUILDAH_ISOLATION: "chroot" };
const hasBuildah =
  spawnSync("podman", ["--version"]).status === 0 && spawnSync("buildah", ["--version"]).status === 0;

interface HealthCheck {
  readonly Test: readonly string[];
}

interface Image {
  readonly Id: string;
  readonly Size: number;
  readonly RootFS: { readonly Layers: readonly string[] };
  readonly Config: {
    readonly User: string;
    readonly Labels: Readonly<Record<string, string>>;
    readonly Healthcheck?: HealthCheck;
  };
  /** Where Podman reports the health check. */
  readonly Healthcheck?: HealthCheck;
}

describe("the image of an app", { skip: withoutContainers }, () => {
  const folder = mkdtempSync(join(tmpdir(), "servable-packaging-"));
  const project = join(folder, "project");
  const tags = ["built", "again", "edited"].map((name) => `localhost/servable-test-${name}:${process.pid}`);
  const [BUILT = "", AGAIN = "", EDITED = ""] = tags;
  // The base has a name of its own, which the names of the containers of builds on it start with.
  const BASE_NAME = `servable-test-own-base-${process.pid}`;
  const OWN_BASE = `localhost/${BASE_NAME}:1`;
  let engine: ContainerEngine;

  before(async () => {
    for (const name of ["project", "base", "temporary"]) mkdirSync(join(folder, name));
    const base = prepareContainers().then(async (found) => {
      await createBuildBase(found, join(folder, "base"));
      return found;
    });
    [engine] = await Promise.all([base, stageLanguageProject(project)]);
    assert.equal((await runEngineProgram(engine.command, ["tag", BASE_IMAGE, OWN_BASE])).code, 0);
    writeFileSync(join(project, ".npmrc"), "loglevel=http\n//registry.example/:_authToken=tok-npm-secret\n");
    const { exitCode, stdout, stderr } = await build(["--tag", BUILT]);
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /npm http |Using cache/, "the settings of npm hold while packages are installed");
    assert.equal(stdout, `${BUILT}\n`);
  });

  after(async () => {
    await runEngineProgram(engine.command, ["rmi", "--force", ...tags]);
    await runEngineProgram(engine.command, ["rmi", OWN_BASE]);
    rmSync(folder, { recursive: true, force: true });
  });

  function startBuild(args: readonly string[], environment: NodeJS.ProcessEnv = {}): RunningCli {
    const program = [process.execPath, "node_modules/servable/dist/cli/main.js", "build", "app.ts"];
    return new RunningCli(program, ["--build-arg", `BASE_IMAGE=${OWN_BASE}`, ...args], project, environment);
  }

  function build(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Ended> {
    return startBuild(args, environment).ended;
  }

  async function inspect(name: string): Promise<Image> {
    const { code, stdout, stderr } = await runEngineProgram(engine.command, ["image", "inspect", name]);
    assert.equal(code, 0, stderr);
    return (JSON.parse(stdout) as [Image])[0];
  }

  /** Lists the containers of builds on the base. */
  async function workingContainers(): Promise<string[]> {
    if (engine.flavor !== "podman") return [];
    const args = ["ps", "--all", "--external", "--format", "{{.Names}}"];
    const { stdout } = await runEngineProgram(engine.command, args);
    return stdout.split("\n").filter((name) => name.startsWith(BASE_NAME));
  }

  test("responds, is healthy, has no privileges, and exits with 0 at SIGTERM", async () => {
    const name = `servable-test-image-${process.pid}`;
    await using running = await runImage(engine, BUILT, name);
    const response = await fetch(running.url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ text: PYTHON }),
    });
    assert.equal(response.status, 200);
    const { languages } = (await response.json()) as { languages: { language: string }[] };
    assert.equal(languages[0]?.language, "py");

    const image = await inspect(BUILT);
    const [kind, ...probe] = (image.Healthcheck ?? image.Config.Healthcheck)?.Test ?? [];
    assert.equal(kind, "CMD");
    const check = await runEngineProgram(engine.command, ["exec", name, ...probe]);
    assert.equal(check.code, 0, check.stderr);

    const program =
      "const { readFileSync, accessSync, constants } = require('fs');" +
      "let writes = true; try { accessSync('/app/app.ts', constants.W_OK) } catch { writes = false }" +
      "console.log(JSON.stringify([process.getuid(), process.env.NODE_ENV, readFileSync('/proc/1/cmdline', 'utf8').split('\\0')[0], writes]))";
    const { stdout } = await runEngineProgram(engine.command, ["exec", name, "node", "-e", program]);
    assert.deepEqual(JSON.parse(stdout), [1000, "production", "node", false]);

    await runEngineProgram(engine.command, ["kill", "--signal", "SIGTERM", name]);
    assert.deepEqual(await running.ended, [0, null]);
  });

  test("is at most 40 MB larger than its base, and has labels that describe it", async () => {
    const [image, base] = await Promise.all([inspect(BUILT), inspect(BASE_IMAGE)]);
    const grown = image.Size - base.Size;
    assert.ok(grown < MOST_BYTES, `${(grown / 1e6).toFixed(1)} MB are added`);
    assert.equal(image.Config.User, "1000:1000");
    const { Labels } = image.Config;
    assert.equal(Labels["org.opencontainers.image.title"], "language-detector");
    assert.equal(Labels["org.opencontainers.image.version"], "1.0.0");
    const document = JSON.parse(Labels[OPENAPI_LABEL] ?? "") as { paths: object };
    assert.deepEqual(Object.keys(document.paths), ["/", "/files", "/health"]);
  });

  test("contains no archives, development files or source maps", async () => {
    const program =
      "const { existsSync, readdirSync } = require('fs');" +
      "const isLeft = (path) => /\\.tgz$|^[^/]*$/.test(path) || (/\\.map$/.test(path) && existsSync(path.slice(0, -4)));" +
      "console.log(JSON.stringify(readdirSync('/app', { recursive: true }).filter(isLeft).sort()))";
    const args = ["run", "--rm", "--network=none", BUILT, "node", "-e", program];
    const { stdout } = await runEngineProgram(engine.command, args);
    assert.deepEqual(JSON.parse(stdout), ["app.ts", "node_modules", "package-lock.json", "package.json"]);
  });

  test("has the secrets of npm's settings in no layer", async () => {
    await assertInNoLayer(engine, BUILT, /tok-npm-secret/);
  });

  test("has the same layers when it is rebuilt without a cache, with Buildah where that is installed", async () => {
    const environment = hasBuildah ? BY_BUILDAH : {};
    const { exitCode, stdout, stderr } = await build(["--no-cache", "--json", "--tag", AGAIN], environment);
    assert.equal(exitCode, 0, stderr);
    const result = JSON.parse(stdout) as { id: string; tag: string; builder: string; pushed: boolean };
    assert.deepEqual([result.tag, result.pushed], [AGAIN, false]);
    if (hasBuildah) assert.equal(result.builder, "buildah");
    const [first, second] = await Promise.all([inspect(BUILT), inspect(AGAIN)]);
    assert.equal(result.id, `sha256:${second.Id.replace("sha256:", "")}`);
    assert.deepEqual(second.RootFS.Layers, first.RootFS.Layers);
  });

  test("has one changed layer after an edit of the app", async () => {
    const source = readFileSync(join(project, "app.ts"), "utf8");
    writeFileSync(join(project, "app.ts"), source.replace("override health()", `${CONFIGURE}\n$&`));
    const { exitCode, stderr } = await build(["--tag", EDITED]);
    assert.equal(exitCode, 0, stderr);
    assert.doesNotMatch(stderr, /added \d+ packages/);
    const [first, second] = await Promise.all([inspect(BUILT), inspect(EDITED)]);
    assert.deepEqual(second.RootFS.Layers.slice(0, -1), first.RootFS.Layers.slice(0, -1));
    assert.notEqual(second.RootFS.Layers.at(-1), first.RootFS.Layers.at(-1));
  });

  test("runs configure(): its hook applies to endpoints, and its route is served and in the image's label", async () => {
    await using running = await runImage(engine, EDITED, `servable-test-configured-${process.pid}`);
    const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
      fetch(new URL(path, running.url), init);
    const detect = { method: "POST", body: JSON.stringify({ text: PYTHON }) };
    const headers = { "content-type": "application/json" };
    assert.equal((await ask("/", { ...detect, headers })).status, 401);
    const answer = await ask("/", { ...detect, headers: { ...headers, "x-key": "a-key" } });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("x-configured"), "yes");
    const stock = await ask("/stock", { headers: { "x-key": "a-key" } });
    assert.deepEqual(await stock.json(), { apples: 3 });
    const { Labels } = (await inspect(EDITED)).Config;
    const document = JSON.parse(Labels[OPENAPI_LABEL] ?? "") as { paths: object };
    assert.deepEqual(Object.keys(document.paths), ["/", "/files", "/stock", "/health"]);
    await runEngineProgram(engine.command, ["kill", "--signal", "SIGTERM", running.name]);
    assert.deepEqual(await running.ended, [0, null]);
  });

  for (const builder of ["engine", ...(hasBuildah ? ["buildah"] : [])]) {
    test(`does not exist after Ctrl-C of the ${builder}'s build, nor does a container, a process or a file of it`, async () => {
      const marker = `sleep 3${process.pid}`;
      writeFileSync(join(project, "app.ts"), ownImage(`RUN echo started && ${marker}`));
      const tag = `localhost/servable-test-cancelled:${process.pid}`;
      const temporary = join(folder, "temporary");
      const environment = builder === "engine" ? {} : BY_BUILDAH;
      const running = startBuild(["--tag", tag], { ...environment, TMPDIR: temporary });
      // The output of the step, not the line of the Dockerfile.
      await running.complained(/^started$/m);
      if (engine.flavor === "podman") assert.notDeepEqual(await workingContainers(), []);
      running.kill("SIGINT");
      running.kill("SIGINT"); // a user may press it twice, which must not leave more behind
      const { exitCode, stderr } = await running.ended;
      assert.equal(exitCode, 130, stderr);
      assert.match(stderr, /\nCancelled\. Nothing is left but layers in the builder's cache\.\n$/);
      assert.notEqual((await runEngineProgram(engine.command, ["image", "inspect", tag])).code, 0);
      assert.deepEqual(readdirSync(temporary).filter(isOfBuild), []);
      assert.equal(spawnSync("pgrep", ["-f", `^${marker}$`]).status, 1);
      assert.deepEqual(await workingContainers(), []);
    });
  }

  test("that can't be built is an error with the builder's last lines", async () => {
    writeFileSync(join(project, "app.ts"), ownImage("RUN echo no such luck && exit 7"));
    const { exitCode, stdout, stderr } = await build([]);
    assert.deepEqual([exitCode, stdout], [1, ""]);
    assert.match(
      stderr,
      /error: The image could not be built: \w+ ended with exit code \d+\. Its last lines:\n/,
    );
    assert.match(stderr, /\n {2}no such luck\n/);
  });

  test("gets its build secrets, which are in no layer", async () => {
    const read =
      'RUN --mount=type=secret,id=token test \\"$(cat /run/secrets/token)\\" = s3cret && cat app.ts > /copy';
    writeFileSync(
      join(project, "app.ts"),
      ownImage(`COPY app.ts ./\\n${read}`, '{ secrets: { token: "s3cret" } }'),
    );
    const { exitCode, stderr } = await build(["--tag", AGAIN]);
    assert.equal(exitCode, 0, stderr);
    const program = "process.exit(require('fs').existsSync('/run/secrets/token') ? 1 : 0)";
    const { code } = await runEngineProgram(engine.command, ["run", "--rm", AGAIN, "node", "-e", program]);
    assert.equal(code, 0);
  });
});

/** A hook that asks for a key, except for the probe of the image, and a route. */
const CONFIGURE = `
  override configure(server: import("fastify").FastifyInstance): void {
    server.addHook("onRequest", async (request, reply) => {
      reply.header("x-configured", "yes");
      if (request.headers["x-key"] !== "a-key" && request.url !== "/readyz")
        return reply.code(401).send({ detail: "No key" });
    });
    server.get("/stock", { schema: { response: { 200: { type: "object", additionalProperties: true } } } }, () => ({ apples: 3 }));
  }
`;

/** Returns true if a temporary file belongs to a build: Node and tsx create others. */
function isOfBuild(name: string): boolean {
  return /build/.test(name);
}

/** An app with a Dockerfile of its own. */
function ownImage(lines: string, options = "{}"): string {
  return `import { App, ContainerImage, endpoint } from "servable";
export default class Own extends App {
  static image = ContainerImage.fromDockerfileString("ARG BASE_IMAGE\\nFROM \${BASE_IMAGE}\\n${lines}", ${options});
  @endpoint("/") run(): void {}
}
`;
}
