import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Type, type Static } from "typebox";
import { App, endpoint, realtime, websocket, type RawWebSocket, type RequestContext } from "servable";
import { startTestServer, type TestServer } from "servable/testing";

const root = fileURLToPath(new URL("../..", import.meta.url));
const clients = fileURLToPath(new URL("../fixtures/clients", import.meta.url));

const Text = Type.Object({ text: Type.String() });
type Text = Static<typeof Text>;
const Length = Type.Object({ length: Type.Integer() });

/** With a websocket in the class, its server receives every upgrade request. */
class Spoken extends App {
  @endpoint("/echo", { input: Text, output: Text })
  echo(input: Text): Text {
    return input;
  }

  @endpoint("/length", { input: Text, output: Length })
  measure({ text }: Text): Static<typeof Length> {
    return { length: text.length };
  }

  @endpoint("/stream", { input: Text, stream: true })
  async *stream({ text }: Text): AsyncGenerator<string> {
    for (let index = 0; index < 50; index++) yield `${text}${index}`;
  }

  @endpoint("/endless", { input: Text, stream: true })
  async *endless({ text }: Text, { signal }: RequestContext): AsyncGenerator<string> {
    while (!signal.aborted) {
      yield text;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  @realtime("/live", { input: Text, output: Text, contentType: "application/json" })
  live(input: Text): Text {
    return input;
  }

  @websocket("/raw")
  async raw(socket: RawWebSocket, { signal }: RequestContext): Promise<void> {
    socket.on("message", (data, isBinary) => socket.send(isBinary ? data : data.toString()));
    if (!signal.aborted) await once(signal, "abort");
  }
}

/** The reason why a client is skipped, or false. On a machine that runs the whole suite (CI), none may be skipped. */
function without(program: string, args: readonly string[], says = /./): string | false {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", timeout: 30_000 });
  if (status === 0 && says.test(stdout + stderr)) return false;
  const reason = `NOT TRIED: needs ${program} (${args.join(" ")}), which is not usable here`;
  process.stderr.write(`${reason}\n`);
  return reason;
}

const JAVA = without("java", ["--list-modules"], /jdk\.compiler/);
const GO = without("go", ["version"]);
const CURL = without("curl", ["--version"], /HTTP2/);
const PYTHON = without("python3", ["-c", "import sys; sys.exit(sys.version_info < (3, 8))"], /^/);

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
  return new Promise((resolve) => {
    // Bypasses a proxy of this machine between client and server.
    const clean = { http_proxy: "", HTTP_PROXY: "", ALL_PROXY: "", NO_PROXY: "*", no_proxy: "*" };
    const options = { env: { ...process.env, ...clean, ...env }, maxBuffer: 2 ** 26 };
    const child = execFile(program, args, options, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, stdout, stderr });
    });
    child.stdin?.end();
  });
}

/** Checks that every case in a program's output passed, and that there were as many as expected. */
function assertCases({ code, stdout, stderr }: Run, count: number): void {
  const lines = stdout.split("\n").filter((line) => /^(?:not )?ok /.test(line));
  assert.deepEqual(
    lines.filter((line) => !line.startsWith("ok ")),
    [],
    stderr,
  );
  assert.equal(code, 0, stdout + stderr);
  assert.equal(lines.length, count, stdout);
}

describe("a class with a websocket answers", { timeout: 240_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "servable-clients-"));
  let served: TestServer<Spoken>;
  /** Every connection, once: a server may report a socket several times. */
  const connections = new Set<Socket>();

  before(async () => {
    served = await startTestServer(new Spoken());
    served.server.server.on("connection", (socket: Socket) => connections.add(socket));
  });

  after(async () => {
    await served.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Resolves once the server has no connection left: a client that has ended must not leave one open. */
  async function noneIsLeft(): Promise<void> {
    const open = (): Promise<number> =>
      new Promise((resolve) => served.server.server.getConnections((_error, count) => resolve(count)));
    while ((await open()) > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  test(
    "Java's HttpClient, which offers h2c with each request, and its websockets",
    { skip: JAVA },
    async () => {
      assertCases(await run("java", [join(clients, "Client.java"), served.url]), 22);
      await noneIsLeft();
    },
  );

  test("Go's net/http, on reused connections", { skip: GO }, async () => {
    const environment = { GOFLAGS: "", GO111MODULE: "off", GOTOOLCHAIN: "local" };
    assertCases(await run("go", ["run", join(clients, "client.go"), served.url], environment), 14);
    await noneIsLeft();
  });

  test("Python's http.client and urllib", { skip: PYTHON }, async () => {
    assertCases(await run("python3", [join(clients, "client.py"), served.url, "stdlib"]), 9);
    await noneIsLeft();
  });

  test("Python's httpx and websockets", { skip: PYTHON }, async (t) => {
    const python = await pythonWithPackages();
    if (python === undefined) {
      process.stderr.write("NOT TRIED: httpx and websockets can't be installed from PyPI here\n");
      return t.skip("httpx and websockets can't be installed from PyPI here");
    }
    assertCases(await run(python, [join(clients, "client.py"), served.url, "packages"]), 9);
    await noneIsLeft();
  });

  describe("curl --http2", { skip: CURL }, () => {
    const JSON_TYPE = ["-H", "content-type: application/json"];
    const curl = (...args: readonly string[]): Promise<Run> =>
      run("curl", ["--http2", "--silent", "--show-error", "--max-time", "20", ...args]);
    const echo = (text: string): readonly string[] => [
      ...JSON_TYPE,
      ...["-d", JSON.stringify({ text }), `${served.url}/echo`],
    ];

    test("gets the response to a valid body, an invalid one and a missing one", async () => {
      assert.equal((await curl(...echo("hello"))).stdout, '{"text":"hello"}');
      assert.match(
        (await curl(...JSON_TYPE, "-d", '{"text":5}', `${served.url}/echo`)).stdout,
        /string_type/,
      );
      assert.equal((await curl(`${served.url}/health`)).stdout, '{"version":"0.1.0"}');
      assert.match((await curl("-I", `${served.url}/health`)).stdout, /^HTTP\/1\.1 200 OK/);
      assert.match((await curl("-d", "x", `${served.url}/nope`)).stdout, /Path \/nope not found/);
    });

    test("sends ten requests on one connection", async () => {
      const before = connections.size;
      const requests = Array.from({ length: 10 }, (_, index) => [
        ...(index === 0 ? [] : ["--next", "--silent", "--http2"]),
        ...echo(`n${index}`),
      ]);
      const { stdout, stderr } = await curl(...requests.flat());
      assert.equal(stdout, requests.map((_, index) => `{"text":"n${index}"}`).join(""), stderr);
      assert.equal(connections.size - before, 1, stderr);
    });

    test("sends megabytes, also in chunks, and waits for 100-continue", async () => {
      const file = join(folder, "large.json");
      writeFileSync(file, JSON.stringify({ text: "x".repeat(3_000_000) }));
      const args = [...JSON_TYPE, "--data-binary", `@${file}`];
      const large = await curl("-v", "-H", "expect: 100-continue", ...args, `${served.url}/length`);
      assert.equal(large.stdout, '{"length":3000000}', large.stderr);
      assert.match(large.stderr, /< HTTP\/1\.1 100 Continue/i);
      const chunked = await curl("-H", "transfer-encoding: chunked", ...args, `${served.url}/length`);
      assert.equal(chunked.stdout, '{"length":3000000}', chunked.stderr);
    });

    test("reads a stream to its end, and accepts gzip", async () => {
      const args = [...JSON_TYPE, "-N", "-d", '{"text":"s"}', `${served.url}/stream`];
      const { stdout } = await curl("--compressed", ...args);
      assert.equal(stdout.match(/^data: /gm)?.length, 50);
      assert.match(stdout, /data: "s49"\n/);
    });

    test("leaves no connection open", async () => {
      await Promise.all(Array.from({ length: 20 }, (_, index) => curl(...echo(`${index}`))));
      await noneIsLeft();
    });
  });
});

/** A Python with httpx and websockets, installed once and cached; undefined if PyPI can't be reached. */
async function pythonWithPackages(): Promise<string | undefined> {
  const folder = join(root, ".cache/python-clients");
  const python = join(folder, "bin/python");
  const isUsable = async (): Promise<boolean> =>
    existsSync(python) && (await run(python, ["-c", "import httpx, websockets"])).code === 0;
  if (await isUsable()) return python;
  mkdirSync(join(root, ".cache"), { recursive: true });
  await run("python3", ["-m", "venv", "--clear", folder]);
  const proxies = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => /^(?:https?|all|no)_proxy$/i.test(name)),
  );
  const flags = ["--quiet", "--disable-pip-version-check", "--retries", "2"];
  await run(python, ["-m", "pip", "install", ...flags, "httpx==0.28.1", "websockets==15.0.1"], {
    ...{ NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1", ...proxies },
  });
  return (await isUsable()) ? python : undefined;
}
