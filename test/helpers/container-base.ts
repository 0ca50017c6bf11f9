import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { findEngine, type ContainerEngine } from "../../src/packaging/container-engine.ts";
import { findNpm } from "../../src/environments/npm.ts";
import { TEST_IMAGE } from "./container-image.ts";
import { runEngineProgram } from "./engine-program.ts";

const run = promisify(execFile);

/** The reason to skip the container tests; false to run them. With the variable set they run, and fail without an engine. */
export const withoutContainers: string | false =
  process.env["SERVABLE_TEST_CONTAINERS"] === "1"
    ? false
    : "needs Docker or Podman; set SERVABLE_TEST_CONTAINERS=1 where there is one";

/** The small programs of the image, if this machine has a busybox. */
const APPLETS = ["sh", "cat", "env", "ls", "mkdir", "rm", "sleep"] as const;

/**
 * Finds this machine's container engine and its settings, and makes the image of the tests unless it exists. It uses no
 * registry.
 */
export async function prepareContainers(): Promise<ContainerEngine> {
  const needsSettings = process.getuid?.() === 0 && !existsSync("/run/systemd/system");
  if (needsSettings)
    process.env["CONTAINERS_CONF"] ??= fileURLToPath(new URL("containers.conf", import.meta.url));
  const engine = await findEngine();
  const { code } = await runEngineProgram(engine.command, ["image", "inspect", TEST_IMAGE]);
  if (code !== 0) await createBaseImage(engine, TEST_IMAGE);
  return engine;
}

/** Makes an image of this machine's Node with its libraries, npm, and a shell if there is one. */
async function createBaseImage(engine: ContainerEngine, name: string): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "servable-image-"));
  try {
    for (const folder of ["bin", "tmp", "usr/bin", "usr/local/bin", "usr/local/lib/node_modules"]) {
      mkdirSync(join(root, folder), { recursive: true });
    }
    // Every user can write temporary files.
    chmodSync(join(root, "tmp"), 0o1777);
    const node = realpathSync(process.execPath);
    cpSync(node, join(root, "usr/local/bin/node"));
    const { stdout } = await run("ldd", [node]);
    for (const [, library = ""] of stdout.matchAll(/(\/\S+) \(0x/g)) {
      mkdirSync(join(root, dirname(library)), { recursive: true });
      cpSync(realpathSync(library), join(root, library));
    }
    const { script } = findNpm();
    assert.ok(script !== undefined, "npm is a script");
    cpSync(join(dirname(script), ".."), join(root, "usr/local/lib/node_modules/npm"), { recursive: true });
    symlinkSync("../lib/node_modules/npm/bin/npm-cli.js", join(root, "usr/local/bin/npm"));
    if (existsSync("/bin/busybox")) {
      cpSync("/bin/busybox", join(root, "bin/busybox"));
      for (const applet of APPLETS) symlinkSync("busybox", join(root, "bin", applet));
      // The path of `env` in the first line of scripts.
      symlinkSync("../../bin/busybox", join(root, "usr/bin/env"));
    }
    await importImage(engine, root, name);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Makes an image of a folder. */
export async function importImage(engine: ContainerEngine, root: string, name: string): Promise<void> {
  const tar = spawn("tar", ["-C", root, "-c", "."], { stdio: ["ignore", "pipe", "inherit"] });
  const settings = "ENV PATH=/usr/local/bin:/usr/bin:/bin";
  const importer = spawn(engine.command, ["import", "-c", settings, "-", name], {
    stdio: ["pipe", "ignore", "pipe"],
  });
  let said = "";
  importer.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  tar.stdout.pipe(importer.stdin);
  const [code] = (await once(importer, "close")) as [number | null];
  assert.equal(code, 0, said);
}

/** Makes an image based on that of the tests, with a user of its own. */
export async function createUserImage(engine: ContainerEngine, user: string, name: string): Promise<void> {
  const container = `servable-test-user-${process.pid}`;
  const change = ["commit", "--change", `USER ${user}`, container, name];
  for (const args of [["create", `--name=${container}`, TEST_IMAGE, "node"], change, ["rm", container]]) {
    const { code, stderr } = await runEngineProgram(engine.command, args);
    assert.equal(code, 0, stderr);
  }
}

/** Searches a saved image: its layers, settings and history. */
export async function assertInNoLayer(engine: ContainerEngine, image: string, secret: RegExp): Promise<void> {
  const save = spawn(engine.command, ["save", image], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(save, "close");
  let [bytes, rest] = [0, ""];
  for await (const chunk of save.stdout as AsyncIterable<Buffer>) {
    const text = rest + chunk.toString("latin1");
    assert.ok(!secret.test(text), `${image} has ${secret.source}`);
    bytes += chunk.length;
    rest = text.slice(-100);
  }
  assert.deepEqual(await ended, [0, null]);
  assert.ok(bytes > 1_000_000, `${bytes} bytes of layers`);
}

/** The names of the running containers of one function, or of all functions. */
export async function containersOf(engine: ContainerEngine, functionName?: string): Promise<string[]> {
  const label = functionName === undefined ? "servable" : `servable=${functionName}`;
  const args = ["ps", "--all", "--filter", `label=${label}`, "--format", "{{.Names}}"];
  const { stdout } = await runEngineProgram(engine.command, args);
  return stdout.split("\n").filter((name) => name !== "");
}

/** Resolves once a container is removed. */
export async function containerGone(engine: ContainerEngine, name: string): Promise<void> {
  for (;;) {
    // `wait` returns when the container stops; it is removed a little later.
    await runEngineProgram(engine.command, ["wait", name]);
    const { code } = await runEngineProgram(engine.command, ["container", "inspect", name]);
    if (code !== 0) return;
  }
}
