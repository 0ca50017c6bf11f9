import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";
import { once } from "node:events";
import { ANY_PORT, appSource, createProject, runCli, startCli } from "../helpers/cli.ts";

const AUTHENTICATED = `import { App, bearerTokens, endpoint, websocket } from "servable";
export class Painter extends App {
  static auth = bearerTokens({ env: "PAINTER_KEYS" });
  static workers = 1;
  @endpoint("/")
  who(ctx: { caller: unknown }): unknown { return ctx.caller; }
  @endpoint("/fail", { workers: 1 })
  fail(): never { throw new Error("failed"); }
  @websocket("/socket")
  socket(socket: { send(text: string): void }, ctx: { caller: unknown }): void { socket.send(JSON.stringify(ctx.caller)); }
}
`;

const headers = (key: string): Record<string, string> => ({
  authorization: `Bearer ${key}`,
  "content-type": "application/json",
});

test("servable run --api-key-file admits only callers with a key of the file", async () => {
  const folder = createProject({
    "app.ts": appSource("Quick", "yes"),
    "keys.txt": "# callers\nalice first-key\n\nsecond-key\n",
  });
  const running = startCli(["run", "app.ts", "--api-key-file", "keys.txt", ...ANY_PORT], folder);
  const url = await running.listening();
  assert.equal((await fetch(url, { method: "POST" })).status, 401);
  assert.equal((await fetch(`${url}/openapi.json`)).status, 401);
  assert.equal((await fetch(`${url}/health`)).status, 200);
  for (const key of ["first-key", "second-key"]) {
    assert.equal((await fetch(url, { method: "POST", headers: headers(key) })).status, 200);
  }
  running.kill("SIGTERM");
  assert.doesNotMatch((await running.ended).stdout, /first-key|second-key/);
});

test("a file without keys, a missing file, or a class with its own authentication is refused", async () => {
  const folder = createProject({
    "app.ts": appSource("Quick", "yes"),
    "own.ts": AUTHENTICATED,
    "empty.txt": "# none\n",
    "keys.txt": "a-key\n",
  });
  for (const [file, keys, message] of [
    ["app.ts", "empty.txt", /holds no key/],
    ["app.ts", "missing.txt", /can't be read/],
    ["own.ts", "keys.txt", /identifies its callers itself/],
  ] as const) {
    const ended = await runCli(["run", file, "--api-key-file", keys, ...ANY_PORT], folder);
    assert.equal(ended.exitCode, 1);
    assert.match(ended.stderr + ended.stdout, message);
  }
});

test("a caller reaches workers and websockets, and keys appear in no log line", async () => {
  const folder = createProject({ "app.ts": AUTHENTICATED });
  const running = startCli(["run", "app.ts", "--debug", ...ANY_PORT], folder, {
    PAINTER_KEYS: "bob the-secret-key",
  });
  const url = await running.listening();
  const answer = await fetch(url, { method: "POST", headers: headers("the-secret-key") });
  assert.deepEqual(await answer.json(), { name: "bob" });
  const failed = await fetch(`${url}/fail?fal_jwt_token=the-secret-key`, {
    method: "POST",
    headers: headers("the-secret-key"),
  });
  assert.equal(failed.status, 500);
  const socket = new WebSocket(`${url.replace("http", "ws")}/socket?fal_jwt_token=the-secret-key`);
  const [data] = (await once(socket, "message")) as [Buffer];
  assert.deepEqual(JSON.parse(data.toString()), { name: "bob" });
  running.kill("SIGTERM");
  const { stdout, stderr } = await running.ended;
  assert.doesNotMatch(stdout + stderr, /the-secret-key/);
});
