import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { pino } from "pino";
import { isServableClass, type ServableClass, type ServeAddresses } from "servable";
import { AcceptingPlatform } from "../helpers/accepting-platform.ts";
import { cleanEnvironment } from "../helpers/cli.ts";
import { compiledPackage } from "../helpers/compiled-package.ts";
import { NpmRegistry, type RegistryPackage } from "../helpers/npm-registry.ts";
import { parseCurl, sendCurl } from "./curl.ts";
import { isLike } from "./likeness.ts";
import { blocksOf, readPage, ROOT, type Block } from "./markdown.ts";

const run = promisify(execFile);
const TSX = ["--import", "tsx"];
/** The folder for the programs. Inside the repository, so that its packages are found. */
const FOLDER = join(ROOT, ".cache/docs");

type Addresses = Pick<ServeAddresses, "url" | "metricsUrl">;

/** Runs the code of pages. One test file does so for all, so that shared set-up is done once. */
export function testPages(pages: readonly string[]): void {
  rmSync(FOLDER, { recursive: true, force: true });
  installPackage();
  for (const page of pages) testPage(page);
}

/**
 * Runs a page's code. Its conventions, in the first line of a block:
 *
 * - ` ```ts ` is a program: it must type-check, run and exit with code 0. `file=NAME` lets other blocks import it.
 * - ` ```ts file=NAME ` whose default export is a servable class is built and served instead.
 * - ` ```ts file=NAME serve ` starts a server, prints its address, and exits with 0 on SIGTERM.
 * - ` ```ts platform ` is a program that deploys: it gets a local control plane.
 * - ` ```ts check ` must type-check and is not run: it needs a network or a container engine.
 * - ` ```text output=NAME ` is the output of the program NAME; `…` matches anything.
 * - ` ```bash call=NAME ` is a curl command, sent to the server NAME on its actual port. The next block is
 *   its response; `status=` if it is not 200, and `…` matches anything.
 */
function testPage(page: string): void {
  const blocks = blocksOf(readPage(page));
  const folder = join(FOLDER, page.replaceAll(/[^\w]+/g, "-"));
  const programs = writePrograms(blocks, folder);
  if (programs.size === 0) return;
  const cache = new FunctionCache(programs);
  const servers = new Servers(folder, programs);
  const ran = new Map<string, Promise<{ stdout: string }>>();
  let platform: AcceptingPlatform | undefined;

  suite(`the code of ${page}`, () => {
    before(async () => {
      await cache.open();
      if (blocks.some(({ attributes }) => attributes.has("platform")))
        platform = await AcceptingPlatform.start();
    });
    after(async () => {
      await platform?.[Symbol.asyncDispose]();
      await servers.close();
      await cache.close();
    });

    test("type-checks", async () => {
      checked ??= typeCheck();
      // An error that belongs to no page fails every page.
      const faults = (await checked).filter(
        (line) => line.startsWith(`${basename(folder)}/`) || !/^[^/]+-md\//.test(line),
      );
      assert.deepEqual(faults, []);
    });

    for (const [name, block] of programs) {
      if (block.attributes.has("check")) continue;
      test(`line ${block.line}: ${name} runs`, async () => {
        if (block.attributes.has("serve")) await servers.addresses(name);
        else if (await servers.isApp(name)) await servers.build(name);
        else await runProgram(name);
      });
    }

    for (const { attributes, language, line, text } of blocks) {
      const name = attributes.get("output");
      if (name === undefined) continue;
      test(`line ${line}: ${name} prints the output shown`, async () => {
        const { stdout } = await runProgram(name);
        assert.ok(isLike(text, stdout.trimEnd(), language), `it prints:\n${stdout}`);
      });
    }

    /** Runs a program once, for all tests of it. */
    function runProgram(name: string): Promise<{ stdout: string }> {
      const running = ran.get(name) ?? startProgram(name);
      ran.set(name, running);
      return running;
    }

    function startProgram(name: string): Promise<{ stdout: string }> {
      const isDeploying = programs.get(name)?.attributes.has("platform");
      const env = { ...environment(), ...cache.environment, ...(isDeploying ? platform?.environment : {}) };
      return run(process.execPath, [...TSX, join(folder, name)], { cwd: ROOT, env });
    }

    for (const [index, block] of blocks.entries()) {
      const name = block.attributes.get("call");
      if (name === undefined) continue;
      test(`line ${block.line}: curl prints the response shown`, async () => {
        const shown = blocks[index + 1];
        assert.ok(shown !== undefined, "no block follows with the answer");
        const command = parseCurl(block.text);
        const { url, metricsUrl } = await servers.addresses(name);
        const origin = command.url.port === "9090" ? metricsUrl : url;
        assert.ok(origin !== undefined);
        const { status, printed } = await sendCurl(command, origin);
        assert.equal(String(status), shown.attributes.get("status") ?? "200", printed);
        assert.ok(isLike(shown.text, printed, shown.language), `it prints:\n${printed}`);
      });
    }
  });
}

let checked: Promise<string[]> | undefined;

/**
 * Type-checks the programs of all pages at once, since most of the time goes into their imports, and resolves with the
 * compiler's messages, each with a file path below the common folder.
 */
async function typeCheck(): Promise<string[]> {
  // The package is resolved as for a user who installed it.
  const compilerOptions = { customConditions: [] };
  const config = { extends: "../../tsconfig.json", compilerOptions, include: ["*/*.ts"], exclude: [] };
  writeFileSync(join(FOLDER, "tsconfig.json"), JSON.stringify(config));
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  try {
    await run(process.execPath, [compiler, "-p", ".", "--pretty", "false"], { cwd: FOLDER });
    return [];
  } catch (error) {
    // A continuation of the previous message is indented.
    return (error as { stdout: string }).stdout.trimEnd().split(/\n(?! )/);
  }
}

/** Programs import the compiled package; this process imports the source, as the tests do. */
function installPackage(): void {
  const modules = join(FOLDER, "node_modules");
  mkdirSync(modules, { recursive: true });
  symlinkSync(compiledPackage(), join(modules, "servable"), "dir");
  // Without a `package.json` of its own, the repository's package would be resolved first.
  writeFileSync(join(FOLDER, "package.json"), '{ "type": "module" }');
}

/** Writes each program of a page into a folder of its own. */
function writePrograms(blocks: readonly Block[], folder: string): Map<string, Block> {
  const programs = new Map<string, Block>();
  for (const block of blocks) {
    if (block.language !== "ts") continue;
    const name = block.attributes.get("file") ?? `line-${block.line}.ts`;
    assert.ok(!programs.has(name), `two blocks are called ${name}`);
    programs.set(name, block);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, name), block.text);
  }
  return programs;
}

/** A child's environment: any free port, and no variables of the test runner or a developer. */
function environment(): NodeJS.ProcessEnv {
  return cleanEnvironment({ HOST: "127.0.0.1", PORT: "0", METRICS_PORT: "0", NODE_NO_WARNINGS: "1" });
}

/**
 * The folder of environments for the isolated functions of a page, and the npm registry for their requirements: a local
 * registry of the packages that are installed in this repository.
 */
class FunctionCache {
  readonly #requirements: ReadonlySet<string>;
  #folder: string | undefined;
  #registry: NpmRegistry | undefined;

  constructor(programs: ReadonlyMap<string, Block>) {
    const texts = [...programs.values()].filter(({ attributes }) => !attributes.has("check"));
    const lists = texts.flatMap(({ text }) => text.match(/requirements: \[[^\]]*\]/g) ?? []);
    this.#requirements = new Set(lists.flatMap((list) => list.match(/[\w.-]+@\d+\.\d+\.\d+/g) ?? []));
  }

  async open(): Promise<void> {
    this.#folder = mkdtempSync(join(tmpdir(), "servable-docs-"));
    if (this.#requirements.size === 0) return;
    this.#registry = await NpmRegistry.start();
    for (const requirement of this.#requirements) {
      const [name = "", version = ""] = requirement.split("@");
      this.#registry.publish(name, version, installedPackage(name, version));
    }
  }

  get environment(): Record<string, string> {
    return { SERVABLE_CACHE_DIR: this.#folder ?? "", ...this.#registry?.environment };
  }

  async close(): Promise<void> {
    await this.#registry?.[Symbol.asyncDispose]();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A package without dependencies from the repository's node_modules. */
function installedPackage(name: string, version: string): RegistryPackage {
  const folder = join(ROOT, "node_modules", name);
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<string, unknown>;
  assert.equal(manifest["version"], version, `the page requires ${name}@${version}`);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(folder, path)).isFile())
    .map((path): [string, Uint8Array] => [path, readFileSync(join(folder, path))]);
  return { manifest, files: Object.fromEntries(files) };
}

/** The servers of a page's programs, each started once, at its first call. */
class Servers {
  readonly #folder: string;
  readonly #programs: ReadonlyMap<string, Block>;
  readonly #started = new Map<string, Promise<Addresses>>();
  readonly #closers: (() => Promise<void>)[] = [];

  constructor(folder: string, programs: ReadonlyMap<string, Block>) {
    this.#folder = folder;
    this.#programs = programs;
  }

  async isApp(name: string): Promise<boolean> {
    const text = this.#programs.get(name)?.text;
    if (text !== undefined && !text.includes("export default")) return false;
    return isServableClass((await this.#load(name)).default);
  }

  async build(name: string): Promise<void> {
    const server = new (await this.#class(name))().buildServer({ logger: silent() });
    await server.ready();
    await server.close();
  }

  addresses(name: string): Promise<Addresses> {
    let started = this.#started.get(name);
    if (started === undefined) {
      started = this.#programs.get(name)?.attributes.has("serve") ? this.#spawn(name) : this.#serve(name);
      this.#started.set(name, started);
    }
    return started;
  }

  async close(): Promise<void> {
    for (const close of this.#closers) await close();
  }

  /** A program of the page, or a file of the repository. */
  async #load(name: string): Promise<{ default?: unknown }> {
    const path = join(this.#programs.has(name) ? this.#folder : ROOT, name);
    return (await import(pathToFileURL(path).href)) as { default?: unknown };
  }

  async #class(name: string): Promise<ServableClass> {
    const value = (await this.#load(name)).default;
    assert.ok(isServableClass(value), `${name} has no servable class as its default export`);
    return value;
  }

  async #serve(name: string): Promise<Addresses> {
    const app = new (await this.#class(name))();
    const stop = new AbortController();
    return new Promise((resolve, reject) => {
      const served = app.serve({
        host: "127.0.0.1",
        port: 0,
        metricsPort: 0,
        handleSignals: false,
        signal: stop.signal,
        logger: silent(),
        onListening: resolve,
      });
      served.catch(reject);
      this.#closers.push(async () => {
        stop.abort();
        await served;
      });
    });
  }

  async #spawn(name: string): Promise<Addresses> {
    const child = spawn(process.execPath, [...TSX, join(this.#folder, name)], {
      cwd: ROOT,
      env: environment(),
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(child, "exit");
    this.#closers.push(async () => {
      child.kill("SIGTERM");
      assert.deepEqual(await exited, [0, null], `${basename(name)} does not stop by SIGTERM with 0`);
    });
    let output = "";
    for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
      output += String(chunk);
      const url = /http:\/\/[\d.]+:\d+/.exec(output)?.[0];
      if (url === undefined) continue;
      child.stdout.resume();
      return { url, metricsUrl: undefined };
    }
    return assert.fail(`${name} printed no address: ${output}`);
  }
}

function silent() {
  return pino({ level: "silent" });
}
