import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { cleanEnvironment, cliCommand, runCli, startCli } from "../helpers/cli.ts";
import { ControlPlane } from "../helpers/control-plane.ts";
import { lineAt, RunnerLogServer } from "../helpers/runner-log.ts";

test("servable runners logs prints lines as text and as NDJSON, and reports an error in one line", async () => {
  const server = new RunnerLogServer([
    lineAt(0, "first"),
    lineAt(1.25, "\u001b[31mred\u001b[0m\u0007 alert\u009b2J\nat there\r\n", "error"),
    lineAt(2, "third"),
  ]);
  await using plane = await ControlPlane.start({ restListener: server.listener });
  const run = (...args: string[]) =>
    runCli(["runners", "logs", ...args], undefined, { ...plane.environment, TZ: "Asia/Tokyo" });
  const [pretty, json, absent, wrong] = await Promise.all([
    run("r-1"),
    run("r-1", "--json", "-n", "+2", "--since", "2026-01-31T12:00:01Z"),
    run("r-9"),
    run("r-1", "-n", "many"),
  ]);
  assert.deepEqual([pretty.exitCode, pretty.stderr], [0, ""]);
  assert.equal(
    pretty.stdout,
    `2026-01-31 21:00:00.000 INFO    first
2026-01-31 21:00:01.250 ERROR   red alert
  at there
2026-01-31 21:00:02.000 INFO    third
`,
  );
  const lines = json.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
  assert.deepEqual(lines[1], { timestamp: "2026-01-31T12:00:02.000Z", level: "INFO", message: "third" });
  assert.equal(lines.length, 2);
  assert.deepEqual(
    [absent.exitCode, absent.stderr],
    [1, 'error: There is no runner r-9; "servable runners list --since 24h" shows those there are.\n'],
  );
  assert.match(wrong.stderr, /'-n, --lines <n>' argument 'many' is invalid/);
});

test("servable runners logs --follow continues until Ctrl-C, which prints nothing, or until its reader closes", async () => {
  const server = new RunnerLogServer([lineAt(0), lineAt(1)]);
  await using plane = await ControlPlane.start({ restListener: server.listener });
  const args = ["runners", "logs", "r-1", "-f", "-n", "1", "--json"];
  const following = startCli(args, undefined, plane.environment);
  await server.asked("POST /logs/stream");
  server.write(lineAt(2));
  await following.printed(/line 2/);
  following.kill("SIGINT");
  const { exitCode, stderr } = await following.ended;
  assert.deepEqual([exitCode, stderr], [130, ""]);
  assert.deepEqual(
    following.lines().map((line) => line["message"]),
    ["line 1", "line 2"],
  );

  const [program = "", ...first] = cliCommand();
  const child = spawn(program, [...first, ...args], {
    env: cleanEnvironment(plane.environment),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "close");
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  await once(child.stdout, "data");
  await Promise.all([once(child.stdout.destroy(), "close"), server.asked("POST /logs/stream", 2)]);
  server.write(lineAt(3));
  assert.deepEqual([(await ended)[0], said], [0, ""]);
});

test("servable queue prints the number of queued requests, and drops them after a confirmation", async () => {
  await using plane = await ControlPlane.start({
    rest: {
      "GET /users/current": () => ({ json: { user_id: "github|1", nickname: "ada" } }),
      "GET /applications/ada/web/queue": () => ({
        json: { size: 3, by_user: { "github|1": 1, "a\u001bB": 2 } },
      }),
      "DELETE /applications/ada/web--staging/queue": () => ({ json: {} }),
    },
  });
  const run = (...args: string[]) => runCli(["queue", ...args], undefined, plane.environment);
  const [size, json, asked] = await Promise.all([
    run("size", "web", "--by-user"),
    run("size", "web", "--by-user", "--json"),
    run("flush", "web", "--env", "staging"),
  ]);
  assert.deepEqual([size.exitCode, size.stderr], [0, ""]);
  assert.equal(size.stdout, "3 requests wait\nUser      Requests\naB        2\ngithub|1  1\n");
  assert.deepEqual(JSON.parse(json.stdout), { size: 3, by_user: { "github|1": 1, "a\u001bB": 2 } });
  assert.deepEqual([asked.exitCode, asked.stdout], [1, ""]);
  assert.match(asked.stderr, /drops all requests that wait for web in staging\. .* add --yes\.\n$/);
  assert.ok(plane.requests.every(({ method }) => method === "GET"));

  const sure = await run("flush", "web", "--env", "staging", "--caller-user-id", "u-2", "--yes", "--json");
  assert.deepEqual([sure.exitCode, sure.stderr], [0, ""]);
  assert.deepEqual(JSON.parse(sure.stdout), {
    app_name: "web",
    environment: "staging",
    caller_user_id: "u-2",
    flushed: true,
  });
  assert.equal(plane.requests.at(-1)?.path, "/applications/ada/web--staging/queue?caller_user_id=u-2");
});
