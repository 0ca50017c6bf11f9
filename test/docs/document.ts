import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, suite, test } from "node:test";
import { promisify } from "node:util";
import { pino } from "pino";
import { isServableClass, type ServableClass, type ServeAddresses } from "servable";
import { parseCurl, sendCurl } from "./curl.ts";
import { isLike } from "./likeness.ts";
import { blocksOf, readPage, ROOT, type Block } from "./markdown.ts";

const run = promisify(execFile);
const TSX = ["--conditions=servable-source", "--import", "tsx"];

type Addresses = Pick<ServeAddresses, "url" | "metricsUrl">;

/**
 * Runs a page's code. Its conventions, in the first line of a block:
 *
 * - ` ```ts ` is a program: it must type-check, run and exit with 0. `file=NAME` lets other blocks import it.
 * - ` ```ts file=NAME ` whose default export is a servable class is built and served instead.
 * - ` ```ts file=NAME serve ` serves by itself until SIGTERM, then exits with 0; it prints its address.
 * - ` ```bash call=NAME ` is a curl command, sent to what NAME serves, on whatever port it really has. The next block
 *   is its answer; `status=` where it is not 200, and `…` for what may differ.
 */
export function testPage(page: string): void {
  const blocks = blocksOf(readPage(page));
  const folder = join(ROOT, ".cache", "docs", page.replaceAll(/[^\w]+/g, "-"));
  const programs = writePrograms(blocks, folder);
  if (programs.size === 0) return;
  const servers = new Servers(folder, programs);

  suite(`the code of ${page}`, () => {
    after(() => servers.close());

    test("type-checks", async () => {
      const config = { extends: "../../../tsconfig.json", include: ["*.ts"], exclude: [] };
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
      await run(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", folder]).catch(
        (error: { stdout: string }) => assert.fail(error.stdout),
      );
    });

    for (const [name, block] of programs) {
      test(`line ${block.line}: ${name} runs`, async () => {
        if (block.attributes.has("serve")) await servers.addresses(name);
        else if (await servers.isApp(name)) await servers.build(name);
        else await run(process.execPath, [...TSX, join(folder, name)], { cwd: ROOT, env: environment() });
      });
    }

    for (const [index, block] of blocks.entries()) {
      const name = block.attributes.get("call");
      if (name === undefined) continue;
      test(`line ${block.line}: curl gives the answer shown`, async () => {
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

/** Writes each program of a page into a folder of its own; inside the repository, so that "servable" resolves. */
function writePrograms(blocks: readonly Block[], folder: string): Map<string, Block> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const programs = new Map<string, Block>();
  for (const block of blocks) {
    if (block.language !== "ts") continue;
    const name = block.attributes.get("file") ?? `line-${block.line}.ts`;
    assert.ok(!programs.has(name), `two blocks are called ${name}`);
    programs.set(name, block);
    writeFileSync(join(folder, name), block.text);
  }
  return programs;
}

/** A child's environment: any free port, and nothing of the test runner's own. */
function environment(): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _context, ...inherited } = process.env;
  return { ...inherited, HOST: "127.0.0.1", PORT: "0", METRICS_PORT: "0", NODE_NO_WARNINGS: "1" };
}

/** What a page's programs serve, each started once, when somebody first calls it. */
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
