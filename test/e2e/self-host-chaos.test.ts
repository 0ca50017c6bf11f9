import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { pathToFileURL } from "node:url";
import { ROOT } from "../../benchmarks/lib/staged-package.ts";
import { appProject, platformFolder, removePlatformFolder } from "../helpers/self-host.ts";

/** The duration of the disturbance, in seconds. `SERVABLE_TEST_CHAOS_SECONDS=300` is the long form. */
const SECONDS = Number(process.env["SERVABLE_TEST_CHAOS_SECONDS"] ?? 20);
/** The time between two kills, in milliseconds. */
const PAUSE_MS = 2_000;
const CALLERS = 8;

const typebox = pathToFileURL(join(ROOT, "node_modules/typebox/build/index.mjs")).href;
const APP = `
import { Type } from "${typebox}";
import { App, endpoint } from "servable";
const In = Type.Object({ name: Type.String() });
const Out = Type.Object({ name: Type.String(), pid: Type.Integer() });
export default class Echo extends App {
  static maxMultiplexing = 4;
  static minConcurrency = 2;
  static maxConcurrency = 3;
  @endpoint("/", { input: In, output: Out })
  async echo({ name }) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return { name, pid: process.pid };
  }
}
`;

/** What happened to one request. */
interface Failure {
  readonly name: string;
  readonly sentAt: number;
  readonly failedAt: number;
  readonly why: string;
}

/** A kill. Requests that the victim had, or got before the platform learned of its end, may fail. */
interface Kill {
  readonly victim: "platform" | "database" | "runner";
  readonly from: number;
  readonly to: number;
}

/** Time for the platform to learn that a process has ended, in milliseconds. */
const LEARN_MS = 2_000;

let project: string;
let state: string;
let platform: ChildProcess;
let port = 0;
let key = "";
let said = "";
const environment: NodeJS.ProcessEnv = { ...process.env, NODE_OPTIONS: "" };

/** Runs the command line in the folder of the project. @returns its standard output */
async function servable(...args: string[]): Promise<string> {
  const program = join(project, "node_modules/servable/dist/cli/main.js");
  const run = promisify(execFile)(process.execPath, [program, ...args], { cwd: project, env: environment });
  return (await run).stdout;
}

/** Starts the platform, and waits until it is ready. The port may be taken by an outgoing connection for a moment. */
async function up(): Promise<void> {
  for (;;) {
    const program = join(project, "node_modules/servable/dist/cli/main.js");
    const place = ["--state", state, "--port", String(port), "--owner", "me", "--log-format", "json"];
    const child = spawn(process.execPath, [program, "up", ...place], {
      cwd: project,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    const isReady = await new Promise<boolean>((resolve) => {
      const onText = (chunk: Buffer): void => {
        text = (text + chunk.toString()).slice(-20_000);
        said = text;
        if (text.includes("servable down")) resolve(true);
      };
      child.stdout.on("data", onText);
      child.stderr.on("data", onText);
      child.once("exit", () => resolve(false));
    });
    if (isReady) {
      platform = child;
      return;
    }
    assert.match(text, /can't listen on/, text);
    await delay(100);
  }
}

/** Calls the app. @returns the answer's text; throws with the system's code or the status */
function call(name: string): Promise<{ name: string; pid: number }> {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify({ name });
    const request = httpRequest(
      {
        ...{ host: "127.0.0.1", port, path: "/me/echo", method: "POST", agent: false },
        headers: {
          ...{ authorization: `Key ${key}`, "content-type": "application/json" },
          "content-length": Buffer.byteLength(body),
        },
      },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        answer.once("error", reject);
        answer.once("end", () => {
          if (answer.statusCode === 200) resolve(JSON.parse(text) as { name: string; pid: number });
          else reject(new Error(`${answer.statusCode} ${text}`));
        });
      },
    );
    request.once("error", reject);
    request.end(body);
  });
}

/** The processes of the platform's runners, by the id of the runner in their environment. */
function runnerProcesses(): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const variables = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      const isOurs = variables.some((each) => each.startsWith(`HOME=${state}/`));
      const id = variables.find((each) => each.startsWith("SERVABLE_RUNNER_ID="))?.split("=")[1];
      if (isOurs && id !== undefined) found.set(Number(pid), id);
    } catch {
      // it has ended
    }
  }
  return found;
}

function databasePid(): number {
  return Number(readFileSync(join(state, "postgres/data/postmaster.pid"), "utf8").split("\n")[0]);
}

const skip = process.platform === "linux" ? false : "it finds processes in /proc";

before(async () => {
  if (skip !== false) return;
  project = appProject({ "app.ts": APP });
  state = platformFolder();
  environment["FAL_CONFIG_PATH"] = join(project, "config.toml");
  await up();
  const record = JSON.parse(readFileSync(join(state, "platform.json"), "utf8")) as { url: string };
  port = Number(new URL(record.url).port);
  key = /key = "(.+)"/.exec(readFileSync(environment["FAL_CONFIG_PATH"], "utf8"))?.[1] ?? "";
  await servable("deploy", "app.ts", "--app-name", "echo");
});
after(async () => {
  if (skip !== false) return;
  await servable("down", "--state", state).catch(() => {});
  platform?.kill("SIGKILL");
  removePlatformFolder(state);
  removePlatformFolder(project);
});

test(
  "platform, database and runners are killed in turn under load: nothing is lost but what the victim had, and no runner is left without an owner",
  { skip },
  async (context) => {
    const kills: Kill[] = [];
    const failures: Failure[] = [];
    const written: string[] = [];
    let answered = 0;
    let isOver = false;

    const caller = async (index: number): Promise<void> => {
      for (let turn = 0; !isOver; turn++) {
        const name = `${index}-${turn}`;
        const sentAt = performance.now();
        try {
          const answer = await call(name);
          assert.equal(answer.name, name);
          answered++;
        } catch (error) {
          const { code } = error as NodeJS.ErrnoException;
          // The one process restarts: the caller tries again.
          if (code !== "ECONNREFUSED") {
            failures.push({
              name,
              sentAt,
              failedAt: performance.now(),
              why: `${code ?? ""} ${String(error)}`,
            });
          }
          await delay(20);
        }
      }
    };
    /** Sets secrets: each that was acknowledged has to be there at the end. */
    const writer = async (): Promise<void> => {
      for (let turn = 0; !isOver; turn++) {
        const name = `KEPT_${turn}`;
        await servable("secrets", "set", `${name}=${turn}`).then(
          () => written.push(name),
          () => delay(100),
        );
      }
    };
    const work = [...Array.from({ length: CALLERS }, (_, index) => caller(index)), writer()];
    const ends = performance.now() + SECONDS * 1_000;
    const victims = ["runner", "platform", "database"] as const;
    for (let turn = 0; performance.now() < ends; turn++) {
      await delay(PAUSE_MS);
      const victim = victims[turn % victims.length] as Kill["victim"];
      const from = performance.now();
      if (victim === "database") process.kill(databasePid(), "SIGKILL");
      if (victim === "runner") {
        const [[pid] = []] = runnerProcesses();
        if (pid === undefined) continue;
        process.kill(pid, "SIGKILL");
        while (runnerProcesses().has(pid)) await delay(10);
        await delay(LEARN_MS);
      }
      if (victim === "platform") {
        platform.kill("SIGKILL");
        if (platform.exitCode === null && platform.signalCode === null) await once(platform, "exit");
        await up();
      }
      kills.push({ victim, from, to: performance.now() });
    }
    isOver = true;
    await Promise.all(work);

    context.diagnostic(
      `${kills.length} kills, ${answered} answers, ${failures.length} failures, ${written.length} writes`,
    );
    // The end of the database fails no request.
    const harmful = kills.filter(({ victim }) => victim !== "database");
    const unexplained = failures.filter(
      ({ sentAt, failedAt }) => !harmful.some(({ from, to }) => from <= failedAt && to >= sentAt),
    );
    assert.deepEqual(unexplained, [], said);
    assert.ok(answered > 0 && written.length > 0);
    const secrets = await servable("secrets", "list", "--json");
    for (const name of written)
      assert.ok(secrets.includes(`"${name}"`), `${name} was acknowledged, and is lost`);
    await call("last");
    // A runner that is being ended or started belongs to nobody for a moment.
    let strays: readonly (readonly [pid: number, id: string])[] = [];
    for (let look = 0; look < 30; look++) {
      const processes = [...runnerProcesses()];
      const listed = JSON.parse(await servable("runners", "list", "--json")) as { runner_id: string }[];
      const ids = new Set(listed.map(({ runner_id: id }) => id));
      strays = processes.filter(([, id]) => !ids.has(id));
      if (strays.length === 0) break;
      await delay(500);
    }
    assert.deepEqual(strays, [], "processes of runners that the platform does not know");
    await servable("down", "--state", state);
    assert.deepEqual([...runnerProcesses()], [], "a runner has survived the platform");
  },
);
