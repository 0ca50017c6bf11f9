import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { ROOT } from "../../benchmarks/lib/staged-package.ts";
import { IsolateController } from "../../src/platform/generated/controller_pb.ts";
import { runCli, startCli, type RunningCli } from "../helpers/cli.ts";
import { appProject, removePlatformFolder, TestPlatform } from "../helpers/self-host.ts";

const typebox = pathToFileURL(join(ROOT, "node_modules/typebox/build/index.mjs")).href;
const APP = `
import { Type } from "${typebox}";
import { App, endpoint } from "servable";
const In = Type.Object({ text: Type.String() });
export default class Talker extends App {
  @endpoint("/", { input: In, output: In })
  async say({ text }) { process.stdout.write("said " + text + "\\n"); process.stderr.write("wrong " + text + "\\n"); return { text }; }
}
`;

let host: TestPlatform;
let project: string;
before(async () => {
  project = appProject({ "app.ts": APP });
  host = await TestPlatform.start();
  await host.deploy(join(project, "app.ts"), { appName: "talker" });
});
after(async () => {
  await host?.[Symbol.asyncDispose]();
  if (project !== undefined) removePlatformFolder(project);
});

/** The environment of a command that uses the platform with a key. */
function environment(key: string = host.key): NodeJS.ProcessEnv {
  return { FAL_HOST: host.url, FAL_KEY: key, FAL_CONFIG_PATH: join(project, "config.toml") };
}

/** Calls the control plane over HTTP. */
function rest(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${host.url}${path}`, {
    method,
    headers: { ...host.headers, ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** The queries of the dashboard in the documentation. */
function dashboardQueries(): readonly string[] {
  const { panels } = JSON.parse(readFileSync(join(ROOT, "docs/guides/self-host-dashboard.json"), "utf8")) as {
    panels: { targets: { expr: string }[] }[];
  };
  return panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
}

function servable(...args: string[]): ReturnType<typeof runCli> {
  return runCli(args, project, environment());
}

test("logs of an app come from all of its runners, also from those that have ended, by level and number", async () => {
  using connection = host.connection();
  const ids: string[] = [];
  for (const text of ["one", "two"]) {
    assert.equal((await host.call("/me/talker", { text })).status, 200);
    const { runners } = await connection.unary(IsolateController.method.listAliasRunners, {
      alias: "talker",
    });
    const id = runners.find(({ runnerId }) => !ids.includes(runnerId))?.runnerId ?? "";
    ids.push(id);
    await connection.unary(IsolateController.method.stopRunner, { runnerId: id });
  }
  const said = async (...args: string[]): Promise<string[]> => {
    const { stdout, stderr, exitCode } = await servable("logs", "talker", "--json", ...args);
    assert.equal(exitCode, 0, stderr);
    const lines = stdout
      .trimEnd()
      .split("\n")
      .filter((line) => line !== "");
    return lines.map((line) => {
      const { message, runner_id: runner } = JSON.parse(line) as Record<string, string>;
      return `${ids.indexOf(runner ?? "")} ${message}`;
    });
  };
  const all = await said("--since", "1h", "--search", "said");
  assert.deepEqual(all, ["0 said one", "1 said two"]);
  assert.deepEqual(await said("--level", "error", "-n", "1"), ["1 wrong two"]);
  const { stdout } = await servable("logs", ids[0] ?? "", "--search", "said");
  assert.match(stdout, new RegExp(`^\\S+ \\S+ STDOUT  ${ids[0]?.slice(0, 8)} said one\\n$`));
});

test("a key expires, is rotated with a grace time, shows its last use, and is refused at once after it was revoked", async () => {
  const made = await servable("keys", "create", "--preset", "API", "--expires", "1h", "--desc", "short");
  const keyIn = (text: string): string => /FAL_KEY='(.+)'/.exec(text)?.[1] ?? "";
  const old = keyIn(made.stdout);
  const [id = ""] = old.split(":");
  const status = async (key: string): Promise<number> => {
    const headers = { authorization: `Key ${key}` };
    return (await host.call("/me/talker", { text: "by key" }, { headers })).status;
  };
  assert.equal(await status(old), 200);
  const rotated = keyIn((await servable("keys", "rotate", id, "--grace", "1h")).stdout);
  assert.ok(rotated.startsWith(`${id}:`) && rotated !== old);
  assert.deepEqual([await status(old), await status(rotated)], [200, 200]);
  const again = await rest("POST", `/platform/keys/${id}/rotate`, {});
  const { key_secret: secret } = (await again.json()) as { key_secret: string };
  assert.deepEqual(
    [await status(old), await status(rotated), await status(`${id}:${secret}`)],
    [401, 401, 200],
  );
  const listed = JSON.parse((await servable("keys", "list", "--json")).stdout) as Record<string, string>[];
  const row = listed.find(({ key_id: each }) => each === id);
  assert.ok(Date.parse(row?.["expires_at"] ?? "") > Date.now(), JSON.stringify(row));
  assert.ok(Date.parse(row?.["last_used_at"] ?? "") <= Date.now(), JSON.stringify(row));
  using connection = host.connection();
  await connection.unary(IsolateController.method.revokeUserKey, { keyId: id });
  assert.equal(await status(`${id}:${secret}`), 401);
});

test("the lives of keys are refused to keys that may not write keys, and with invalid times", async () => {
  const { key_id: id, key_secret: secret } = (await (
    await rest("POST", "/platform/keys", { preset: "DEPLOY" })
  ).json()) as Record<string, string>;
  const headers = { authorization: `Key ${id}:${secret}` };
  for (const path of ["/platform/keys", `/platform/keys/${id}/rotate`]) {
    assert.equal((await rest("POST", path, { preset: "FULL" }, headers)).status, 403);
  }
  assert.equal((await rest("POST", "/platform/keys/nobody/rotate", {})).status, 404);
  for (const body of [
    { preset: "FULL", expires_in_seconds: 0 },
    { preset: "NONE" },
    { permissions: [] },
    {},
    { preset: "FULL", description: 3 },
  ]) {
    assert.equal((await rest("POST", "/platform/keys", body)).status, 400, JSON.stringify(body));
  }
  assert.equal((await rest("POST", `/platform/keys/${id}/rotate`, { grace_seconds: -1 })).status, 400);
});

test("metrics count the requests, runners and phases of starts of each app, for a key that may read", async () => {
  assert.equal((await fetch(`${host.url}/metrics`)).status, 401);
  assert.equal((await host.call("/me/talker", { text: "counted" })).status, 200);
  assert.equal((await host.call("/me/talker", { text: 3 })).status, 422);
  const answer = await rest("GET", "/metrics");
  assert.match(answer.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  const text = await answer.text();
  for (const sample of [
    /^fal_app_runners\{application="talker",state="(?:idle|running)",machine_type="\w*"\} 1$/m,
    /^fal_app_queue_size\{application="talker"\} 0$/m,
    /^fal_app_requests_received_total\{application="talker",method="POST"\} \d+$/m,
    /^fal_app_requests_completed_total\{application="talker",method="POST",status="200"\} [1-9]\d*$/m,
    /^fal_app_requests_completed_total\{application="talker",method="POST",status="422"\} 1$/m,
    /^fal_app_request_latency_bucket\{application="talker",le="\+Inf"\} \d+$/m,
    ...["prepare", "launch", "setup", "check"].map(
      (phase) =>
        new RegExp(`^servable_app_start_seconds_count\\{application="talker",phase="${phase}"\\} [1-9]`, "m"),
    ),
    /^servable_platform_info\{version="\d+\.\d+\.\d+"\} 1$/m,
    /^process_resident_memory_bytes \d+$/m,
  ]) {
    assert.match(text, sample);
  }
  const names = new Set([...text.matchAll(/^(?!#)(\w+)/gm)].map(([name]) => name));
  const queries = dashboardQueries();
  assert.ok(queries.length >= 8, `${queries.length} queries`);
  for (const query of queries) {
    const used = [...query.matchAll(/\b(?:fal|servable|process|nodejs)_\w+/g)].map(([name]) => name);
    assert.ok(used.length > 0, query);
    for (const name of used) {
      assert.ok(
        names.has(name) || text.includes(`# TYPE ${name} `),
        `${name} of the dashboard is not a metric`,
      );
    }
  }
});

test("followed logs of an app have the lines of runners that start later, until Ctrl-C", async () => {
  const following: RunningCli = startCli(["logs", "talker", "-f", "--json"], project, environment());
  assert.equal((await host.call("/me/talker", { text: "late" })).status, 200);
  await following.printed(/said late/);
  following.kill("SIGINT");
  assert.equal((await following.ended).exitCode, 130);
});
