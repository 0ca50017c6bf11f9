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
  test("lists apps in a table, sorted as requested, without terminal control characters from the platform", async () => {
    await using plane = await ControlPlane.start({ grpc: { listAliases: () => ({ aliases: ALIASES }) } });
    const { exitCode, stdout, stderr } = await run(plane, ["apps", "list", "--sort-by-runners"], {
      FAL_ENV: "main",
    });
    assert.deepEqual([exitCode, stderr], [0, ""]);
    const [heads = "", first, second] = stdout.split("\n");
    assert.deepEqual(heads.split(/ {2,}/), [
      ...["Name", "Env", "Revision", "Auth", "Min Concurrency", "Max Concurrency", "Concurrency Buffer"],
      ...["Scaling Delay", "Max Multiplexing", "Keep Alive", "Request Timeout", "Request Start Timeout"],
      ...["Startup Timeout", "Machine Type", "Runners", "Regions"],
    ]);
    assert.match(first ?? "", /^voice +main +rev-2 +private +0 +0 +20%, min 1 /);
    assert.match(second ?? "", /^web +main +rev-1 +private +0 +4 .* S +1 +-$/);
    assert.deepEqual(plane.calls[0]?.json, { environmentName: "main" });
  });

  test("prints JSON with fal's keys", async () => {
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

  test("sends only the given settings of the scale, for the named environment", async () => {
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

  test("sends each setting of the scale under its own name", async () => {
    await using plane = await ControlPlane.start({ grpc: { updateApplication: () => ({}) } });
    const amounts = {
      ...{ "keep-alive": "keepAlive", "max-multiplexing": "maxMultiplexing" },
      ...{ "max-concurrency": "maxConcurrency", "min-concurrency": "minConcurrency" },
      ...{ "concurrency-buffer": "concurrencyBuffer", "concurrency-buffer-perc": "concurrencyBufferPerc" },
      ...{ "scaling-delay": "scalingDelaySeconds", "request-timeout": "requestTimeout" },
      ...{ "startup-timeout": "startupTimeout", "request-start-timeout": "requestStartTimeout" },
    };
    const values = Object.entries(amounts).map(([flag, field], index) => ({ flag, field, value: index + 1 }));
    const args = values.flatMap(({ flag, value }) => [`--${flag}`, String(value)]);
    const lists = ["--machine-types", "S", "GPU-A100", "--regions", "eu-west", "us-east"];
    const { exitCode, stderr } = await run(plane, ["apps", "scale", "web", ...args, ...lists]);
    assert.equal(exitCode, 0, stderr);
    assert.deepEqual(plane.calls[0]?.json, {
      applicationName: "web",
      ...Object.fromEntries(values.map(({ field, value }) => [field, value])),
      machineTypes: ["S", "GPU-A100"],
      validRegions: ["eu-west", "us-east"],
    });
  });

  test("replaces runners, lists and sets revisions, and deletes apps", async () => {
    await using plane = await ControlPlane.start({
      grpc: {
        rolloutApplication: () => ({}),
        listApplications: () => ({ applications: [{ applicationId: "rev-0", maxConcurrency: 7 }] }),
        setAlias: () => ({ aliasInfo: { alias: "web", revision: "rev-0" } }),
        deleteAlias: () => ({ revision: "rev-1" }),
      },
    });
    const staging = ["--env", "staging"];
    const [rollout, revisions, set, deleted] = await Promise.all([
      run(plane, ["apps", "rollout", "web", "--force", ...staging]),
      run(plane, ["apps", "revisions", "web"]),
      run(plane, ["apps", "set-revision", "web", "rev-0", "--auth", "shared", "--strategy", "recreate"]),
      run(plane, ["apps", "delete", "web", ...staging]),
    ]);
    for (const { exitCode, stderr } of [rollout, revisions, set, deleted])
      assert.deepEqual([exitCode, stderr], [0, ""]);
    assert.equal(rollout.stdout, "The runners of web are being replaced.\n");
    assert.match(revisions.stdout, /^Revision +Env .*\nrev-0 +main +0 +7 /);
    assert.equal(set.stdout, "web is at rev-0.\n");
    assert.equal(deleted.stdout, "Deleted web, which was at rev-1.\n");
    assert.deepEqual(
      plane.calls
        .map(({ method, json }) => [method, json] as const)
        .toSorted(([one], [two]) => one.localeCompare(two)),
      [
        ["DeleteAlias", { alias: "web--staging", environmentName: "staging" }],
        ["ListApplications", { applicationName: "web" }],
        ["RolloutApplication", { applicationName: "web--staging", force: true, environmentName: "staging" }],
        ["SetAlias", { alias: "web", revision: "rev-0", authMode: "SHARED", deploymentStrategy: "RECREATE" }],
      ],
    );
  });

  test("an expired key, an invalid number and an unknown flag each give a one-line error", async () => {
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
