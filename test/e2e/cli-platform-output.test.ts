import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createProject, runCli, type Ended } from "../helpers/cli.ts";
import { ControlPlane } from "../helpers/control-plane.ts";

const time = { seconds: 1_700_000_000n, nanos: 250_000_000 };
const PYTHON_TIME = "2023-11-14 22:13:20.250000+00:00";
const APP = {
  ...{ alias: "web", revision: "rev-1", authMode: 2, maxConcurrency: 4, maxMultiplexing: 2, keepAlive: 60 },
  ...{
    activeRunners: 1,
    machineTypes: ["S"],
    requestTimeout: 10,
    startupTimeout: 20,
    validRegions: ["us-east"],
  },
  ...{ concurrencyBuffer: 1, concurrencyBufferPerc: 2, scalingDelaySeconds: 3, requestStartTimeout: 5 },
};
const RUNNER = {
  ...{ runnerId: "r-1", alias: "web", revision: "rev-1", state: 9, machineType: "S" },
  ...{ inFlightRequests: 1, uptime: 12.7, expirationCountdown: 5 },
};
const SCALE_JSON = {
  ...{ keep_alive: 60, max_concurrency: 4, max_multiplexing: 2, active_runners: 1, min_concurrency: 0 },
  ...{ concurrency_buffer: 1, concurrency_buffer_perc: 2, scaling_delay: 3, machine_types: ["S"] },
  ...{ request_timeout: 10, request_start_timeout: 5, startup_timeout: 20, valid_regions: ["us-east"] },
};
const APP_JSON = {
  alias: "web",
  revision: "rev-1",
  auth_mode: "shared",
  ...SCALE_JSON,
  environment_name: "main",
};
const RUNNERS_JSON = {
  runners: [
    {
      ...{
        alias: "web",
        machine_type: "S",
        runner_id: "r-1",
        in_flight_requests: 1,
        expiration_countdown: 5,
      },
      ...{ uptime_seconds: 12, revision: "rev-1", state: "CRASH_BACKOFF", replacement: "NO_REPLACE" },
    },
  ],
};
const LINES = [
  { timestamp: "2023-11-14T22:13:21.000Z", level: "INFO", message: "two" },
  { timestamp: "2023-11-14T22:13:20.000Z", level: "INFO", message: "one" },
];

const startPlane = (): Promise<ControlPlane> =>
  ControlPlane.start({
    grpc: {
      listAliases: () => ({
        aliases: [APP, { alias: "x--staging", revision: "rev-2", environmentName: "staging" }],
      }),
      listApplications: () => ({ applications: [{ ...APP, applicationId: "rev-1", createdAt: time }] }),
      updateApplication: () => ({ aliasInfo: APP }),
      setAlias: () => ({ aliasInfo: APP }),
      listAliasRunners: () => ({ runners: [RUNNER] }),
      listRunners: () => ({ runners: [RUNNER] }),
      listSecrets: () => ({ secrets: [{ name: "A", environmentName: "main", createdTime: time }] }),
      listUserKeys: () => ({
        userKeys: [
          { keyId: "k-1", createdAt: time, scope: 1 },
          { keyId: "k-2", scope: 7 as 1 },
        ],
      }),
      listEnvironments: () => ({ environments: [{ name: "main", isDefault: true, createdAt: time }] }),
      deleteApplication: () => ({}),
      createUserKey: () => ({ keyId: "k", keySecret: "s" }),
    },
    rest: {
      "GET /users/current": () => ({ json: { user_id: "github|1", nickname: "ada" } }),
      "GET /applications/ada/web/queue": () => ({ json: { size: 3, by_user: { u: 3 } } }),
      "GET /applications/metrics": () => ({
        json: {
          apps: { "ada/web": { gpu_count_by_type: { "GPU-H100": 8 } } },
          summary: { total_gpu_by_type: { "GPU-A100": 2 } },
        },
      }),
      "GET /runners/r-1": () => ({
        json: { started_at: "2023-11-14T22:00:00Z", ended_at: "2023-11-14T23:00:00Z" },
      }),
      "POST /logs/history": () => ({ json: { items: LINES, next_until: null } }),
    },
  });

/** Commands under the names of fal's own command line, with its output for each; recorded with fal 1.83. */
const RECORDED: readonly (readonly [args: readonly string[], printed: unknown])[] = [
  [["app", "list", "--filter", "web"], { apps: [APP_JSON] }],
  [["apps", "runners", "web"], RUNNERS_JSON],
  [["machine", "list"], RUNNERS_JSON],
  [["apps", "gpus", "web"], { gpus: { H100: 8 }, total: 8 }],
  [["runners", "gpus"], { gpus: { A100: 2 }, total: 2 }],
  [["queue", "size", "web", "--by-user"], { size: 3, by_user: { u: 3 } }],
  [
    ["secret", "list"],
    { secrets: [{ name: "A", environment: "main", created_at: PYTHON_TIME, default_exposed: null }] },
  ],
  [
    ["envs", "list"],
    { environments: [{ name: "main", description: null, is_default: true, created_at: PYTHON_TIME }] },
  ],
  [
    ["key", "list"],
    {
      keys: [
        { key_id: "k-1", created_at: PYTHON_TIME, scope: "API", description: "" },
        { key_id: "k-2", created_at: null, scope: null, description: "" },
      ],
    },
  ],
  [["profiles", "list"], { profiles: [] }],
  [["runners", "log", "r-1"], { logs: LINES }],
  // fal's own command line prints these only as tables.
  [
    ["apps", "list-rev", "web"],
    {
      applications: [
        { application_id: "rev-1", ...SCALE_JSON, created_at: PYTHON_TIME, environment_name: "main" },
      ],
    },
  ],
  [["apps", "scale", "web", "--keep-alive", "1"], { apps: [APP_JSON] }],
  [["apps", "set-rev", "web", "rev-1"], { apps: [APP_JSON] }],
];

describe("the command line with fal's names and keys", () => {
  test("--output json prints one line with fal's keys", async () => {
    await using plane = await startPlane();
    for (const [args, printed] of RECORDED) {
      const { exitCode, stdout, stderr } = await runCli(
        [...args, "--output", "json"],
        undefined,
        plane.environment,
      );
      assert.equal(exitCode, 0, `${args.join(" ")}: ${stderr}`);
      assert.deepEqual(JSON.parse(stdout), printed, args.join(" "));
      assert.equal(stdout.trimEnd().split("\n").length, 1);
    }
  });

  test("--json keeps its own format beside --output json, and two formats at once are refused", async () => {
    await using plane = await startPlane();
    const run = (...args: string[]): Promise<Ended> =>
      runCli(["secrets", "list", ...args], undefined, plane.environment);
    const own = JSON.parse((await run("--json")).stdout) as unknown[];
    assert.deepEqual(own, [{ name: "A", environment: "main", created_at: "2023-11-14T22:13:20.250Z" }]);
    assert.match((await run("--json", "--output", "json")).stdout, /^\{"secrets":/);
    assert.match((await run("--output", "pretty")).stdout, /^Name +Env/);
    const both = await run("--json", "--output", "pretty");
    assert.deepEqual([both.exitCode, both.stdout], [1, ""]);
    assert.match(both.stderr, /^error: --json and --output pretty ask for two formats: give one\.\n$/);
    const yaml = await run("--output", "yaml");
    assert.equal(yaml.exitCode, 1);
    assert.match(yaml.stderr, /Allowed choices are pretty, json/);
  });

  test("delete-rev and keys create --alias are accepted, and send the same messages as fal's", async () => {
    await using plane = await startPlane();
    const run = (...args: string[]): Promise<Ended> => runCli(args, undefined, plane.environment);
    assert.equal((await run("apps", "delete-rev", "rev-1")).stdout, "Deleted the revision rev-1.\n");
    await run("keys", "create", "--permission", "a, b", "--permission", "c,", "--alias", "x");
    await run("keys", "create", "--preset", "DEPLOY");
    assert.deepEqual(
      plane.calls.map(({ json }) => json),
      [
        { applicationId: "rev-1" },
        { policy: { permissions: ["a", "b", "c"] }, alias: "x" },
        { policyPreset: "DEPLOY" },
      ],
    );
    const wrong: readonly [args: readonly string[], RegExp][] = [
      [["--preset", "API", "--permission", "a"], /cannot be used with/],
      [["--preset", "API", "--scope", "API"], /cannot be used with/],
      [["--permission", "a", "--scope", "API"], /cannot be used with/],
      [["--permission", " , "], /--permission needs the name of at least one/],
      [
        ["--preset", "ALL"],
        /Allowed choices are FULL, API, DEPLOY, READONLY, BILLING, COMPUTE, SERVERLESS, AGENT/,
      ],
    ];
    for (const [args, message] of wrong) {
      const { exitCode, stderr } = await run("keys", "create", ...args);
      assert.equal(exitCode, 1, args.join(" "));
      assert.match(stderr, message);
    }
    assert.equal(plane.calls.length, 3);
  });

  test("commands without a counterpart are refused by name", async () => {
    for (const name of ["account", "accounts", "team", "teams", "files", "file", "api", "completion"]) {
      const { exitCode, stdout, stderr } = await runCli([name, "list"]);
      assert.deepEqual([exitCode, stdout], [1, ""], name);
      assert.match(stderr, new RegExp(`^error: There is no "servable ${name}": .*\\n$`));
    }
  });

  test("settings that the next deployment resets, and crashing runners, are reported on standard error", async () => {
    await using plane = await startPlane();
    const run = (...args: string[]): Promise<Ended> => runCli(args, undefined, plane.environment);
    const scale = ["apps", "scale", "web"];
    const resets: readonly [args: readonly string[], names: string][] = [
      [["--machine-types", "S", "M"], "--machine-types"],
      [["--startup-timeout", "5", "--keep-alive", "1"], "--startup-timeout"],
      [["--max-multiplexing", "2", "--machine-types", "S"], "--machine-types, --max-multiplexing"],
    ];
    for (const [args, names] of resets) {
      const { stderr } = await run(...scale, ...args);
      assert.ok(stderr.startsWith(`Note: ${names} will be reset by the next deployment`), stderr);
    }
    assert.equal((await run(...scale, "--keep-alive", "1", "--request-start-timeout", "0")).stderr, "");
    for (const args of [
      ["runners", "list"],
      ["apps", "runners", "web"],
    ]) {
      const { stderr } = await run(...args);
      assert.match(
        stderr,
        /^Note: 1 runner is being delayed \(CRASH_BACKOFF\), as starting failed: look at setup\(\)/,
      );
      assert.equal((await run(...args, "--json")).stderr, "");
    }
  });

  test("servable secrets unset says when the secret does not exist", async () => {
    await using plane = await startPlane();
    const gone = await runCli(["secrets", "unset", "B"], undefined, plane.environment);
    assert.deepEqual(gone, { exitCode: 0, stdout: "There is no secret B.\n", stderr: "" });
    const staging = await runCli(["secret", "unset", "A", "--env", "staging"], undefined, plane.environment);
    assert.equal(staging.stdout, "There is no secret A in staging.\n");
    const twice = await runCli(["secrets", "set", "A=1", "B=2", "A=3"], undefined, plane.environment);
    assert.deepEqual(
      [twice.exitCode, twice.stderr],
      [1, "error: The secret A is given twice: give one value.\n"],
    );
    assert.ok(!plane.methods().includes("SetSecret"));
  });

  test("servable doctor prints the versions, the host and the key's id", async () => {
    const folder = createProject({});
    const { stdout } = await runCli(["doctor", "--output", "json"], folder, {
      FAL_KEY: "my-id:hidden",
      FAL_HOST: "api.x.com",
    });
    const facts = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual(
      [facts["FAL_HOST"], facts["FAL_KEY"], facts["node"]],
      ["api.x.com", "my-id", process.versions.node],
    );
    assert.ok(Array.isArray(facts["checks"]));
    assert.doesNotMatch(stdout, /hidden/);
  });
});
