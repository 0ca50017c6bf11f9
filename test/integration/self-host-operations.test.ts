import assert from "node:assert/strict";
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

test("followed logs of an app have the lines of runners that start later, until Ctrl-C", async () => {
  const following: RunningCli = startCli(["logs", "talker", "-f", "--json"], project, environment());
  assert.equal((await host.call("/me/talker", { text: "late" })).status, 200);
  await following.printed(/said late/);
  following.kill("SIGINT");
  assert.equal((await following.ended).exitCode, 130);
});
