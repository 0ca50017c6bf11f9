import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { pathToFileURL } from "node:url";
import { ROOT } from "../../benchmarks/lib/staged-package.ts";
import { appProject, platformFolder, removePlatformFolder } from "../helpers/self-host.ts";

const typebox = pathToFileURL(join(ROOT, "node_modules/typebox/build/index.mjs")).href;
const APP = `
import { existsSync } from "node:fs";
import { Type } from "${typebox}";
import { App, endpoint } from "servable";
const In = Type.Object({ name: Type.String() });
const Out = Type.Object({ text: Type.String(), pid: Type.Integer(), secret: Type.Optional(Type.String()) });
export default class Greeter extends App {
  static minConcurrency = 1;
  @endpoint("/", { input: In, output: Out })
  async greet(input) { return { text: "Hello " + input.name, pid: process.pid, secret: process.env.GREETING }; }
  @endpoint("/held", { input: In, output: Type.Object({ attempt: Type.String() }) })
  async hold({ name: gate }, ctx) {
    while (!existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 20));
    return { attempt: ctx.headers["x-fal-attempt"] };
  }
}
`;

let project: string;
let state: string;
let url = "";
const environment: NodeJS.ProcessEnv = { ...process.env, NODE_OPTIONS: "" };

/** Runs the command line in the folder of the project. */
async function servable(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const program = join(project, "node_modules/servable/dist/cli/main.js");
  return promisify(execFile)(process.execPath, [program, ...args], { cwd: project, env: environment });
}

function keyHeaders(): Record<string, string> {
  const key = /key = "(.+)"/.exec(readFileSync(environment["FAL_CONFIG_PATH"] as string, "utf8"))?.[1];
  return { authorization: `Key ${key}`, "content-type": "application/json" };
}

async function greet(): Promise<{ text: string; pid: number; secret?: string }> {
  const answer = await fetch(`${url}/me/greeter`, {
    method: "POST",
    headers: keyHeaders(),
    body: JSON.stringify({ name: "Ada" }),
  });
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  return JSON.parse(text) as { text: string; pid: number };
}

/** The id of the platform's process, by its own record. */
function platformPid(): number {
  const record = JSON.parse(readFileSync(join(state, "platform.json"), "utf8")) as {
    mark: { pid: number };
    url: string;
  };
  ({ url } = record);
  return record.mark.pid;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

before(() => {
  project = appProject({ "app.ts": APP });
  state = platformFolder();
  environment["FAL_CONFIG_PATH"] = join(project, "config.toml");
});
after(async () => {
  await servable("down", "--state", state).catch(() => {});
  removePlatformFolder(state);
  removePlatformFolder(project);
});

test("up, deploy and a call: three commands from an empty folder, with Node alone", async () => {
  const { stderr } = await servable("up", "--detach", "--state", state, "--port", "0", "--owner", "me");
  assert.match(stderr, /The platform is at http:\/\/127\.0\.0\.1:\d+/);
  assert.match(stderr, /first key, shown only now: [\w-]+:[0-9a-f]{64}/);
  platformPid();
  await servable("secrets", "set", "GREETING=hidden");
  const { stdout } = await servable("deploy", "app.ts");
  assert.match(stdout, /Deployed greeter/);
  const { text, secret } = await greet();
  assert.equal(text, "Hello Ada");
  assert.equal(secret, "hidden");
});

test("a second platform in the same folder says who has it", async () => {
  await assert.rejects(servable("up", "--state", state, "--port", "0"), (error: { stderr: string }) => {
    assert.match(error.stderr, new RegExp(`process ${platformPid()}, uses .*servable down`));
    return true;
  });
});

test("what runs is listed, and why", async () => {
  const { stdout } = await servable("status", "--state", state);
  assert.match(stdout, /greeter/);
  const { stdout: json } = await servable("status", "--state", state, "--json");
  const { apps } = JSON.parse(json) as { apps: { name: string; runners: { ready: number } }[] };
  assert.equal(apps.find(({ name }) => name === "greeter")?.runners.ready, 1);
});

test("the requests of an app are replayed under other settings", async () => {
  const { stdout } = await servable("simulate", "greeter", "--state", state, "--keep-alive", "300", "--json");
  type Trial = { settings: string; requests: number; runner_seconds: number; oracle_runner_seconds: number };
  const trials = JSON.parse(stdout) as Trial[];
  assert.deepEqual(
    trials.map(({ settings }) => settings),
    ["present", "given"],
  );
  for (const trial of trials) {
    assert.ok(trial.requests >= 1);
    assert.ok(trial.runner_seconds >= trial.oracle_runner_seconds);
  }
  const { stdout: table } = await servable("simulate", "greeter", "--state", state);
  assert.match(table, /^\d+ requests?; a runner works .* s on one, and starts in .* s\nSettings .*\npresent/);
  const wrong = ["simulate", "greeter", "--state", state, "--min-concurrency", "9", "--max-concurrency", "2"];
  await assert.rejects(servable(...wrong), /At least 9 runners and at most 2 exclude each other/);
});

test("a platform that is killed leaves its runners, and the next one takes them over", async () => {
  const { pid: runner } = await greet();
  const platform = platformPid();
  process.kill(platform, "SIGKILL");
  while (isAlive(platform)) await delay(10);
  assert.ok(isAlive(runner));
  await servable("up", "--detach", "--state", state, "--port", "0", "--owner", "me");
  assert.notEqual(platformPid(), platform);
  assert.equal((await greet()).pid, runner);
});

test("a queued request whose platform is killed runs once more after the restart, and has one answer", async () => {
  const gate = join(project, "held");
  const submitted = await fetch(`${url}/queue/me/greeter/held`, {
    method: "POST",
    headers: keyHeaders(),
    body: JSON.stringify({ name: gate }),
  });
  const { request_id: id } = (await submitted.json()) as { request_id: string };
  const path = `/queue/me/greeter/requests/${id}`;
  const statusOf = async (): Promise<string> => {
    const answer = await fetch(`${url}${path}/status`, { headers: keyHeaders() });
    return ((await answer.json()) as { status: string }).status;
  };
  while ((await statusOf()) !== "IN_PROGRESS") await delay(20);
  const platform = platformPid();
  process.kill(platform, "SIGKILL");
  while (isAlive(platform)) await delay(10);
  await servable("up", "--detach", "--state", state, "--port", "0", "--owner", "me");
  platformPid();
  writeFileSync(gate, "");
  while ((await statusOf()) !== "COMPLETED") await delay(20);
  const answer = await fetch(`${url}${path}`, { headers: keyHeaders() });
  assert.deepEqual([answer.status, await answer.json()], [200, { attempt: "2" }]);
});

test("a platform that is killed in the middle of a deployment says so after its restart, and finishes it", async () => {
  type App = { name: string; revision: string; next_revision: string | null };
  const status = async (): Promise<App | undefined> => {
    const { stdout } = await servable("status", "--state", state, "--json");
    return (JSON.parse(stdout) as { apps: App[] }).apps.find(({ name }) => name === "greeter");
  };
  const gate = join(project, "gate");
  const setup = `async setup() { while (!existsSync(${JSON.stringify(gate)})) await new Promise((resolve) => setTimeout(resolve, 50)); }`;
  const next = APP.replace('"Hello "', '"Bye "').replace('@endpoint("/"', `${setup}\n  @endpoint("/"`);
  writeFileSync(join(project, "app.ts"), next);
  const { revision } = (await status()) ?? {};
  const deploying = assert.rejects(servable("deploy", "app.ts"));
  let begun: string | null | undefined;
  while (typeof begun !== "string") begun = (await status())?.next_revision;
  const platform = platformPid();
  process.kill(platform, "SIGKILL");
  await deploying;
  while (isAlive(platform)) await delay(10);
  await servable("up", "--detach", "--state", state, "--port", "0", "--owner", "me");
  platformPid();
  const during = await status();
  assert.deepEqual([during?.revision, during?.next_revision], [revision, begun]);
  assert.equal((await greet()).text, "Hello Ada");
  writeFileSync(gate, "");
  while ((await status())?.next_revision !== null) await delay(50);
  assert.equal((await status())?.revision, begun);
  assert.equal((await greet()).text, "Bye Ada");
});

test("a platform that is stopped leaves no process", async () => {
  const { pid: runner } = await greet();
  const platform = platformPid();
  const database = Number(readFileSync(join(state, "postgres/data/postmaster.pid"), "utf8").split("\n")[0]);
  await servable("down", "--state", state);
  assert.deepEqual([platform, runner, database].filter(isAlive), []);
});
