import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Socket } from "node:net";
import { WebSocket } from "ws";
import { createCertificate, encryptKey, withoutOpenssl } from "../helpers/certificates.ts";
import { ANY_PORT, appSource, createProject, runCli, startCli } from "../helpers/cli.ts";
import { exchangeOn, openSecureSocket, openSocket, rawRequest, statusOf } from "../helpers/sockets.ts";

const SERVED = `import { App, endpoint, websocket } from "servable";
export class Shop extends App {
  setup() { console.log("set up"); }
  @endpoint("/")
  ask(): string { return "yes"; }
  @endpoint("/slow")
  async slow(): Promise<string> {
    console.log("running");
    await new Promise((resolve) => process.once("SIGTERM", () => setTimeout(resolve, 100)));
    return "done";
  }
  @endpoint("/large")
  large(): string { return "x".repeat(50_000_000); }
  @websocket("/socket")
  socket(socket: { send(text: string): void }): void { socket.send("hello"); }
}
`;

describe("servable run with a certificate", { timeout: 120_000, skip: withoutOpenssl }, () => {
  const made = createCertificate();
  const flags = ["--https-key", made.key, "--https-certificate", made.certificate];
  const portOf = (url: string): number => Number(new URL(url).port);

  /** One request on a connection of its own. */
  const ask = (url: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const call = request(url, { method: "POST", agent: false, ca: made.pem }, (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (part: string) => (text += part));
        answer.on("end", () => resolve(`${answer.statusCode} ${text}`));
        answer.on("error", reject);
      });
      call.on("error", reject);
      call.end();
    });

  test("serves HTTPS at the logged addresses, and metrics over HTTP", async () => {
    const folder = createProject({ "app.ts": SERVED });
    const app = startCli(["run", "app.ts", ...flags, ...ANY_PORT], folder);
    const url = await app.listening();
    assert.match(url, /^https:\/\/127\.0\.0\.1:\d+$/);
    assert.equal(await ask(url), '200 "yes"');
    const [line] = await app.logged(/^listening$/);
    assert.equal(line?.["docs"], `${url}/docs`);
    assert.equal(line["health"], `${url}/health`);
    assert.match(await (await fetch(String(line["metrics"]))).text(), /servable_/);
    const socket = new WebSocket(`${url.replace("https", "wss")}/socket`, { ca: made.pem });
    const [message] = (await once(socket, "message")) as [Buffer];
    assert.equal(String(message), "hello");
    socket.terminate();
    app.kill("SIGTERM");
    assert.equal((await app.ended).exitCode, 0);
  });

  test("SIGTERM waits for the running call, not for idle connections, handshakes and stalled readers", async () => {
    const folder = createProject({ "app.ts": SERVED });
    const app = startCli(["run", "app.ts", ...flags, ...ANY_PORT], folder);
    const port = portOf(await app.listening());
    const idle = await openSecureSocket(port, made.pem);
    idle.write(rawRequest("GET", "/livez", { connection: "keep-alive" }));
    await once(idle, "data");
    const silent = await openSocket(port);
    const half = await openSocket(port);
    half.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01])); // a record of 512 bytes begins
    const stalled = await openSecureSocket(port, made.pem);
    stalled.write(rawRequest("POST", "/large"));
    await once(stalled, "readable");
    const running = await openSecureSocket(port, made.pem);
    const answered = exchangeOn(running, rawRequest("POST", "/slow"));
    await app.printed(/^running$/m);
    const others = [idle, silent, half].map((socket: Socket) => once(socket.resume(), "close"));
    app.kill("SIGTERM");
    assert.match(await answered, /^HTTP\/1\.1 200 [^]*"done"/);
    await Promise.all(others);
    assert.equal((await app.ended).exitCode, 0);
    stalled.destroy();
  });

  test("an invalid file ends the process before setup, with one readable line", async () => {
    const other = createCertificate("other");
    const folder = createProject({ "app.ts": SERVED });
    const encrypted = encryptKey(made.key, "the password");
    for (const [key, reason] of [
      ["none.pem", /^error: https: the key can't be read: ENOENT: [^\n]*none\.pem'\.\n$/],
      [other.key, /^error: https: [^\n]* do not fit: the key is that of another certificate\.\n$/],
      [encrypted, /^error: https: the key [^\n]* has a password; set passphrase to it\.\n$/],
    ] as const) {
      const args = ["--https-key", key, "--https-certificate", made.certificate];
      const ended = await runCli(["run", "app.ts", ...args, ...ANY_PORT], folder);
      assert.equal(ended.exitCode, 1); // that of SETTING_INVALID
      assert.match(ended.stderr, reason);
      assert.doesNotMatch(ended.stdout + ended.stderr, /set up|BEGIN/);
    }
    const one = await runCli(["run", "app.ts", "--https-key", made.key, ...ANY_PORT], folder);
    assert.match(one.stderr, /--https-key and --https-certificate belong together/);
  });

  test("--watch replaces the app without a failed request", async () => {
    const folder = createProject({ "app.ts": appSource("Live", "one") });
    const app = startCli(["run", "app.ts", "--watch", ...flags, ...ANY_PORT], folder);
    const url = await app.listening();
    const answers: string[] = [];
    let isOver = false;
    const client = (async () => {
      while (!isOver) answers.push(await ask(url));
    })();
    writeFileSync(join(folder, "app.ts"), appSource("Live", "two"));
    await app.logged(/^restarted in \d+ ms$/);
    while (!(await ask(url)).includes("two"));
    await app.logged(/^stopping: a newer version serves$/);
    isOver = true;
    await client;
    assert.ok(
      answers.every((answer) => /^200 \{"answer":"(?:one|two)"\}$/.test(answer)),
      answers.join("\n"),
    );
    const kept = await openSecureSocket(portOf(url), made.pem);
    assert.equal(statusOf(await exchangeOn(kept, rawRequest("GET", "/readyz"))), 200);
    app.kill("SIGTERM");
    assert.equal((await app.ended).exitCode, 0);
  });
});
