import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { WebSocket } from "ws";
import { appSource, createProject, runCli, startCli } from "../helpers/cli.ts";

const ON_SOCKET = ["--unix-socket", "app.sock", "--metrics-port", "0"];

const SERVED = `import { App, endpoint, websocket } from "servable";
export class Shop extends App {
  setup() { console.log("set up"); }
  @endpoint("/")
  ask(): string { return "yes"; }
  @endpoint("/steps", { stream: true })
  async *steps() { yield "one"; yield "two"; }
  @websocket("/socket")
  socket(socket: { send(text: string): void }): void { socket.send("hello"); }
}
`;

/** One request on a connection of its own. */
function ask(
  socketPath: string,
  path = "/",
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      socketPath,
      path,
      method: "POST",
      agent: false,
      headers: { connection: "close", ...headers },
    };
    const call = request(options, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (part: string) => (text += part));
      answer.on("end", () => resolve(`${answer.statusCode} ${text}`));
      answer.on("error", reject);
    });
    call.on("error", reject);
    call.end();
  });
}

const skip = process.platform === "win32" && "Windows has no unix sockets in files";

describe("servable run --unix-socket", { timeout: 120_000, skip }, () => {
  test("serves calls, streams and websockets, logs where, and removes the file when it stops", async () => {
    const folder = createProject({ "app.ts": SERVED });
    const file = join(folder, "app.sock");
    const app = startCli(["run", "app.ts", "--access-log", ...ON_SOCKET], folder, {
      PORT: "1",
      HOST: "none",
    });
    assert.equal(await app.listening(), `unix:${file}`);
    const [line] = await app.logged(/^listening$/);
    for (const name of ["docs", "health", "port"]) assert.ok(!(name in (line ?? {})), name);
    assert.equal(await ask(file), '200 "yes"');
    // As on any address that is not a loopback address.
    assert.equal(await ask(file, "/", { host: "app.example.com" }), '200 "yes"');
    assert.match(await ask(file, "/steps"), /data: "one"[^]*data: "two"/);
    const socket = new WebSocket(`ws+unix:${file}:/socket`);
    const [message] = (await once(socket, "message")) as [Buffer];
    assert.equal(String(message), "hello");
    socket.terminate();
    const [answered] = await app.logged(/^request answered$/);
    assert.equal(answered?.["status"], 200);
    assert.ok(!("client" in answered));
    assert.match(await (await fetch(String(line?.["metrics"]))).text(), /servable_/);
    app.kill("SIGTERM");
    assert.equal((await app.ended).exitCode, 0);
    assert.ok(!existsSync(file));
  });

  test("the file of a killed server is replaced", async () => {
    const folder = createProject({ "app.ts": SERVED });
    const killed = startCli(["run", "app.ts", ...ON_SOCKET], folder);
    await killed.listening();
    killed.kill("SIGKILL");
    await killed.ended;
    assert.ok(statSync(join(folder, "app.sock")).isSocket());
    const app = startCli(["run", "app.ts", ...ON_SOCKET], folder);
    await app.listening();
    assert.equal(await ask(join(folder, "app.sock")), '200 "yes"');
    app.kill("SIGTERM");
    assert.equal((await app.ended).exitCode, 0);
  });

  test("a path that can't be used ends the process before setup, and harms nothing that is there", async () => {
    const folder = createProject({ "app.ts": SERVED, "notes.txt": "kept" });
    const app = startCli(["run", "app.ts", ...ON_SOCKET], folder);
    await app.listening();
    const long = "x".repeat(108);
    for (const [path, reason] of [
      [
        "app.sock",
        /^error: The unix socket \S+\/app\.sock is in use; stop the program that listens there, or choose another with --unix-socket\.\n$/,
      ],
      [
        "notes.txt",
        /^error: \S+\/notes\.txt exists and is not a unix socket; choose another path with --unix-socket\.\n$/,
      ],
      ["none/app.sock", /^error: The unix socket \S+ can't be created: its folder does not exist\.\n$/],
      [
        long,
        /^error: The unix socket \S+ can't be created: its path has \d{3} bytes; choose one of at most \d{3}\.\n$/,
      ],
    ] as const) {
      const ended = await runCli(["run", "app.ts", "--unix-socket", path, "--metrics-port", "0"], folder);
      assert.equal(ended.exitCode, 3, path);
      assert.match(ended.stderr, reason);
      assert.doesNotMatch(ended.stdout, /set up/);
    }
    assert.equal(readFileSync(join(folder, "notes.txt"), "utf8"), "kept");
    assert.equal(await ask(join(folder, "app.sock")), '200 "yes"');
    app.kill("SIGTERM");
    assert.equal((await app.ended).exitCode, 0);
    const both = await runCli(["run", "app.ts", ...ON_SOCKET, "--port", "0"], folder);
    assert.match(both.stderr, /unixSocket and port can't both be set/);
  });

  test("--watch replaces the app without a failed request, and the file stays until the end", async () => {
    const folder = createProject({ "app.ts": appSource("Live", "one") });
    const file = join(folder, "app.sock");
    const app = startCli(["run", "app.ts", "--watch", ...ON_SOCKET], folder);
    await app.listening();
    const answers: string[] = [];
    let isOver = false;
    const client = (async () => {
      while (!isOver) answers.push(await ask(file));
    })();
    for (const [index, text] of ["two", "three"].entries()) {
      writeFileSync(join(folder, "app.ts"), appSource("Live", text));
      await app.logged(/^restarted in \d+ ms$/, index + 1);
      while (!(await ask(file)).includes(text));
      await app.logged(/^stopping: a newer version serves$/, index + 1);
    }
    isOver = true;
    await client;
    assert.ok(
      answers.every((answer) => /^200 \{"answer":"(?:one|two|three)"\}$/.test(answer)),
      answers.join("\n"),
    );
    app.kill("SIGTERM");
    assert.equal((await app.ended).exitCode, 0);
    assert.ok(!existsSync(file));
  });

  test("a killed watcher's file is replaced by the next one", async () => {
    const folder = createProject({ "app.ts": appSource("Live", "one") });
    const file = join(folder, "app.sock");
    const killed = startCli(["run", "app.ts", "--watch", ...ON_SOCKET], folder);
    await killed.listening();
    killed.kill("SIGKILL");
    await killed.ended;
    const app = startCli(["run", "app.ts", "--watch", ...ON_SOCKET], folder);
    await app.listening();
    assert.equal(await ask(file), '200 {"answer":"one"}');
    app.kill("SIGTERM");
    assert.equal((await app.ended).exitCode, 0);
  });

  test("SIGTERM closes idle connections", async () => {
    const folder = createProject({ "app.ts": SERVED });
    const app = startCli(["run", "app.ts", ...ON_SOCKET], folder);
    await app.listening();
    const idle = connect(join(folder, "app.sock"));
    await once(idle, "connect");
    idle.write("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await once(idle, "data");
    const closed = once(idle.resume(), "close");
    app.kill("SIGTERM");
    await closed;
    assert.equal((await app.ended).exitCode, 0);
  });
});
