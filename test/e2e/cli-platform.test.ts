import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RunnerInfo_State } from "../../src/platform/generated/controller_pb.ts";
import { runCli, type Ended } from "../helpers/cli.ts";
import { ControlPlane } from "../helpers/control-plane.ts";

const run = (plane: ControlPlane, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> =>
  runCli(args, undefined, { ...plane.environment, ...env });

const ALIASES = [
  { alias: "web", revision: "rev-1", maxConcurrency: 4, activeRunners: 1, machineTypes: ["S"] },
  {
    alias: "voice",
    revision: "rev-2\u001b[31m",
    activeRunners: 2,
    concurrencyBufferPerc: 20,
    concurrencyBuffer: 1,
  },
];

describe("servable apps", () => {
  test("lists apps in a table, sorted as asked, with nothing from elsewhere that a terminal obeys", async () => {
    await using plane = await ControlPlane.start({ grpc: { listAliases: () => ({ aliases: ALIASES }) } });
    const { exitCode, stdout, stderr } = await run(plane, ["apps", "list", "--sort-by-runners"], {
      FAL_ENV: "main",
    });
    assert.deepEqual([exitCode, stderr], [0, ""]);
    const [heads = "", first, second] = stdout.split("\n");
    assert.deepEqual(heads.split(/ {2,}/), [
      ...["Name", "Env", "Revision", "Auth", "Min Concurrency", "Max Concurrency", "Concurrency Buffer"],
      ...["Scaling Delay", "Max Multiplexing", "Keep Alive", "Request Timeout", "Startup Timeout"],
      ...["Machine Type", "Runners", "Regions"],
    ]);
    assert.match(first ?? "", /^voice +main +rev-2 +private +0 +0 +20%, min 1 /);
    assert.match(second ?? "", /^web +main +rev-1 +private +0 +4 .* S +1 +-$/);
    assert.deepEqual(plane.calls[0]?.json, { environmentName: "main" });
  });

  test("prints JSON with fal's names", async () => {
    await using plane = await ControlPlane.start({
      grpc: {
        listAliasRunners: () => ({
          runners: [
            { runnerId: "r-1", state: RunnerInfo_State.IDLE, uptime: 3 },
            { runnerId: "r-2", state: RunnerInfo_State.PENDING },
          ],
        }),
      },
    });
    const { stdout } = await run(plane, ["apps", "runners", "web", "--state", "idle", "--json"]);
    const [runner, ...others] = JSON.parse(stdout) as Record<string, unknown>[];
    assert.deepEqual(others, []);
    assert.equal(runner?.["runner_id"], "r-1");
    assert.equal(runner?.["uptime_seconds"], 3);
  });

  test("scales by what was given alone, in the environment that was named", async () => {
    await using plane = await ControlPlane.start({ grpc: { updateApplication: () => ({}) } });
    const { exitCode } = await run(plane, [
      "apps",
      "scale",
      "web",
      "--min-concurrency",
      "1",
      "--env",
      "staging",
    ]);
    assert.equal(exitCode, 0);
    assert.deepEqual(plane.calls[0]?.json, {
      applicationName: "web--staging",
      environmentName: "staging",
      minConcurrency: 1,
    });
  });

  test("an expired key, a number that is none and an unknown flag are one clear line each", async () => {
    await using plane = await ControlPlane.start({ grpc: { listAliases: () => ({}) } });
    const expired = await run(plane, ["apps", "list"], { FAL_KEY: "test-id:no-longer" });
    assert.equal(expired.exitCode, 1);
    assert.match(
      expired.stderr,
      /^error: The control plane at .* does not accept the key from FAL_KEY .*\n$/,
    );
    assert.doesNotMatch(expired.stderr, /no-longer/);
    const noNumber = await run(plane, ["apps", "scale", "web", "--keep-alive", "soon"]);
    assert.equal(noNumber.exitCode, 1);
    assert.match(
      noNumber.stderr,
      /It must be a whole number from 0\.[^]*\(servable apps scale --help shows how\)/,
    );
    const unknown = await run(plane, ["apps", "list", "--jsn"]);
    assert.equal(unknown.exitCode, 1);
    assert.match(unknown.stderr, /Did you mean --json\?/);
  });
});
