import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { appSource, createProject, runCli, type Ended } from "../helpers/cli.ts";
import { ControlPlane, type ControlPlaneScripts } from "../helpers/control-plane.ts";
import { endpoint } from "../../src/routes/endpoint.ts";
import { App } from "../../src/servable/app.ts";
import { ContainerImage } from "../../src/packaging/container-image.ts";
import { FalServerlessHost } from "../../src/hosts/serverless/fal-serverless-host.ts";
import { ServerlessClient } from "../../src/platform/serverless-client.ts";

const KEY = "work-id:work-hidden";
const GRPC: ControlPlaneScripts = {
  listAliases: () => ({}),
  listApplications: () => ({}),
  listAliasRunners: () => ({}),
  listRunners: () => ({}),
  listSecrets: () => ({ secrets: [{ name: "TOKEN" }] }),
  listEnvironments: () => ({}),
  listUserKeys: () => ({}),
  setSecret: () => ({}),
  updateApplication: () => ({}),
  rolloutApplication: () => ({}),
  setAlias: () => ({}),
  deleteAlias: () => ({}),
  deleteApplication: () => ({}),
  createEnvironment: () => ({}),
  deleteEnvironment: () => ({}),
  createUserKey: () => ({ keyId: "k", keySecret: "s" }),
  revokeUserKey: () => ({}),
  stopRunner: () => ({}),
  killRunner: () => ({}),
  async *shellRunner() {
    yield { exitCode: 0 };
  },
};
const USER = { user_id: "github|1", nickname: "ada", full_name: "Ada L.", is_personal: true };
const REST = {
  "GET /users/current": () => ({ json: USER }),
  "GET /applications/ada/web/queue": () => ({ json: { size: 0 } }),
  "GET /applications/metrics": () => ({ json: { apps: { "ada/web": {} } } }),
};

const startPlane = (): Promise<ControlPlane> => ControlPlane.start({ key: KEY, grpc: GRPC, rest: REST });

/** A config file with the valid profile "work", and the selected but invalid profile "other". */
function withProfiles(plane: ControlPlane): {
  readonly path: string;
  readonly environment: NodeJS.ProcessEnv;
} {
  const path = join(createProject({}), "config.toml");
  writeFileSync(
    path,
    `[__internal__]\nprofile = "other"\n[other]\nkey = "other-id:other-hidden"\nhost = "${plane.grpcUrl}"\n` +
      `[work]\nkey = "${KEY}"\nhost = "${plane.grpcUrl}"\n`,
  );
  return { path, environment: { FAL_CONFIG_PATH: path, FAL_REST_HOST: plane.restUrl } };
}

/** Every command that calls a control plane. */
const COMMANDS: readonly string[][] = [
  ["apps", "list"],
  ["apps", "revisions"],
  ["apps", "runners", "web"],
  ["apps", "gpus", "web"],
  ["apps", "scale", "web", "--keep-alive", "1"],
  ["apps", "rollout", "web"],
  ["apps", "set-revision", "web", "rev-1"],
  ["apps", "delete", "web"],
  ["apps", "delete-revision", "rev-1"],
  ["runners", "list"],
  ["runners", "gpus"],
  ["runners", "stop", "r-1"],
  ["runners", "kill", "r-1"],
  ["runners", "exec", "r-1", "ls"],
  ["queue", "size", "web"],
  ["secrets", "list"],
  ["secrets", "set", "TOKEN=1"],
  ["secrets", "unset", "TOKEN"],
  ["environments", "list"],
  ["environments", "create", "staging"],
  ["environments", "delete", "staging", "--yes"],
  ["keys", "list"],
  ["keys", "create", "--preset", "API"],
  ["keys", "revoke", "k-1"],
  ["auth", "whoami"],
];

/** Runs three at a time, so that a small machine still responds. */
async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  const worker = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
  };
  await Promise.all([worker(), worker(), worker()]);
}

describe("the account that a command acts on", () => {
  test("for every command, FAL_PROFILE takes precedence over the profile selected in the file", async () => {
    await using plane = await startPlane();
    const { environment } = withProfiles(plane);
    await inTurns(COMMANDS, async (args) => {
      const { exitCode, stderr } = await runCli(args, undefined, { ...environment, FAL_PROFILE: "work" });
      assert.equal(exitCode, 0, `${args.join(" ")}: ${stderr}`);
    });
    for (const { method, metadata } of plane.calls) assert.equal(metadata["auth-key-id"], "work-id", method);
    for (const { path, headers } of plane.requests) assert.equal(headers.authorization, `Key ${KEY}`, path);
    assert.ok(plane.calls.length >= 21 && plane.requests.length >= 4);
    // Every call names the program that makes it.
    for (const { metadata } of plane.calls)
      assert.match(metadata["user-agent"] ?? "", /^servable\/\d\S* \(node\)$/);
    for (const { headers } of plane.requests)
      assert.match(headers["user-agent"] ?? "", /^servable\/\d\S* \(node\)$/);
  });

  test("for every command, --profile takes precedence over FAL_PROFILE, and an unknown profile is an error", async () => {
    await using plane = await startPlane();
    const { environment } = withProfiles(plane);
    const chosen = COMMANDS.filter((_, index) => index % 4 === 0);
    await inTurns(chosen, async (args) => {
      const [group = "", name = "", ...rest] = args;
      const options = [group, name, "--profile", "work", ...rest];
      const { exitCode, stderr } = await runCli(options, undefined, { ...environment, FAL_PROFILE: "other" });
      assert.equal(exitCode, 0, `${options.join(" ")}: ${stderr}`);
    });
    const count = plane.calls.length;
    await inTurns(chosen, async (args) => {
      const { exitCode, stdout, stderr } = await runCli(args, undefined, {
        ...environment,
        FAL_PROFILE: "wrk",
      });
      assert.deepEqual([exitCode, stdout], [1, ""], args.join(" "));
      assert.match(
        stderr,
        /^error: There is no profile "wrk" \(from FAL_PROFILE\) in .*; did you mean "work"\? It has: other, work\.\n$/,
      );
    });
    assert.equal(plane.calls.length, count);
  });

  test("servable deploy, a ServerlessClient and a FalServerlessHost use it as well", async () => {
    await using plane = await startPlane();
    const { environment } = withProfiles(plane);
    const folder = createProject({ "app.ts": appSource("Web", "1"), "package-lock.json": "{}" });
    const unknown = await runCli(["deploy", "app.ts"], folder, { ...environment, FAL_PROFILE: "wrk" });
    assert.equal(unknown.exitCode, 1);
    assert.match(unknown.stderr, /^error: There is no profile "wrk" \(from FAL_PROFILE\)/);
    assert.deepEqual(plane.calls, []);

    using byVariable = new ServerlessClient({ environment: { ...environment, FAL_PROFILE: "work" } });
    await byVariable.apps.list();
    using byOption = new ServerlessClient({
      profile: "work",
      environment: { ...environment, FAL_PROFILE: "other" },
    });
    await byOption.apps.list();
    using wrong = new ServerlessClient({ environment: { ...environment, FAL_PROFILE: "wrk" } });
    await assert.rejects(wrong.apps.list(), { name: "UsageError", message: /"wrk" \(from FAL_PROFILE\)/ });
    assert.deepEqual(
      plane.calls.map(({ metadata }) => metadata["auth-key-id"]),
      ["work-id", "work-id"],
    );

    class Web extends App {
      static override image = ContainerImage.fromImage("docker.io/library/caddy:2");

      @endpoint("/")
      ask(): string {
        return "1";
      }
    }
    process.env["FAL_CONFIG_PATH"] = environment["FAL_CONFIG_PATH"];
    process.env["FAL_PROFILE"] = "wrk";
    try {
      const byFile = new FalServerlessHost();
      await assert.rejects(byFile.register(Web), { message: /"wrk" \(from FAL_PROFILE\)/ });
      const byArgument = new FalServerlessHost({ profile: "wok" });
      await assert.rejects(byArgument.register(Web), { message: /"wok" \(from the argument --profile\)/ });
    } finally {
      delete process.env["FAL_CONFIG_PATH"];
      delete process.env["FAL_PROFILE"];
    }
  });

  test("a variable that takes precedence over a value of --profile is reported", async () => {
    await using plane = await startPlane();
    const { environment } = withProfiles(plane);
    const extra = { ...environment, FAL_KEY: KEY, FAL_HOST: plane.grpcUrl };
    const { exitCode, stderr } = await runCli(["apps", "list", "--profile", "other"], undefined, extra);
    assert.deepEqual(
      [exitCode, stderr],
      [
        0,
        "FAL_KEY is set, and takes precedence over the key of the profile other.\n" +
          "FAL_HOST is set, and takes precedence over the host of the profile other.\n",
      ],
    );
  });

  test("servable profile list says which profile is used and why, and lists all when that profile is unknown", async () => {
    await using plane = await startPlane();
    const { environment } = withProfiles(plane);
    const list = (variable: string, ...args: string[]): Promise<Ended> =>
      runCli(["profile", "list", ...args], undefined, { ...environment, FAL_PROFILE: variable });
    const named = await list("work");
    assert.match(
      named.stdout,
      /^Name +Selected +In Force +Host .*\nother +yes +no +http.*\nwork +no +yes, by FAL_PROFILE +http/,
    );
    assert.equal(named.exitCode, 0);
    const json = JSON.parse((await list("work", "--json")).stdout) as Record<string, unknown>[];
    assert.deepEqual(
      json.map((item) => [item["name"], item["is_selected"], item["is_in_force"]]),
      [
        ["other", true, false],
        ["work", false, true],
      ],
    );
    assert.deepEqual(JSON.parse((await list("work", "--output", "json")).stdout), {
      profiles: [
        { profile: "other", is_set: false, settings: ["key", "host"] },
        { profile: "work", is_set: true, settings: ["key", "host"] },
      ],
    });
    const unknown = await list("wrk");
    assert.equal(unknown.exitCode, 1);
    assert.match(unknown.stdout, /\nother +yes +no .*\nwork +no +no /);
    assert.match(unknown.stderr, /^error: There is no profile "wrk" \(from FAL_PROFILE\)/);
  });

  test("whoami names the profile and what selected it", async () => {
    await using plane = await startPlane();
    const { environment } = withProfiles(plane);
    const whoami = await runCli(["auth", "whoami"], undefined, { ...environment, FAL_PROFILE: "work" });
    assert.match(whoami.stdout, /work-id +the profile work +127/);
    assert.equal(whoami.stderr, "The profile in force is work (FAL_PROFILE).\n");
    const json = await runCli(["auth", "whoami", "--json", "--profile", "work"], undefined, environment);
    const fields = JSON.parse(json.stdout) as Record<string, unknown>;
    assert.deepEqual([fields["profile"], fields["profile_origin"]], ["work", "the argument --profile"]);
  });

  test("profile key, profile host, auth logout and auth login change the profile of FAL_PROFILE; none creates it", async () => {
    await using plane = await startPlane();
    const { path, environment } = withProfiles(plane);
    const run = (variable: string, ...args: string[]): Promise<Ended> =>
      runCli(args, undefined, { ...environment, FAL_PROFILE: variable });
    assert.equal(
      (await run("work", "profile", "host", "api.changed.com")).stdout,
      "The profile work has a new host.\n",
    );
    assert.equal((await run("work", "auth", "logout")).stdout, "The profile work has no key any more.\n");
    const text = readFileSync(path, "utf8");
    assert.match(text, /\[work\]\nhost = "api\.changed\.com"\n/);
    assert.match(text, /\[other\]\nkey = "other-id/);
    for (const args of [
      ["auth", "login"],
      ["auth", "logout"],
      ["profile", "key"],
      ["profile", "host", "api.x.com"],
    ]) {
      const { exitCode, stderr } = await run("wrk", ...args);
      assert.equal(exitCode, 1, args.join(" "));
      assert.match(stderr, /^error: There is no profile "wrk" \(from FAL_PROFILE\)/);
    }
    assert.equal(readFileSync(path, "utf8"), text);
    // Commands that fix the selection still work.
    assert.equal((await run("wrk", "profile", "create", "wrk")).exitCode, 0);
    const set = await run("wrk", "profile", "set", "other");
    assert.equal(set.stderr, "FAL_PROFILE selects the profile wrk, and takes precedence.\n");
  });
});

describe("--team", () => {
  const run = (plane: ControlPlane, args: string[], extra: NodeJS.ProcessEnv = {}): Promise<Ended> =>
    runCli(args, undefined, { ...plane.environment, ...extra });

  test("a team that the key does not belong to is reported as ignored, and nothing else changes", async () => {
    await using plane = await startPlane();
    const other = await run(plane, ["apps", "list", "--team", "blue"]);
    assert.deepEqual(other, {
      exitCode: 0,
      stdout: "There are no apps.\n",
      stderr: "The team blue is ignored, as a key is used: it belongs to Ada L. (ada, github|1).\n",
    });
    const own = await run(plane, ["apps", "list", "--team", "ada"]);
    assert.deepEqual([own.exitCode, own.stderr], [0, ""]);
  });

  test("a key that may not look up its owner works, with a line without the owner", async () => {
    await using plane = await ControlPlane.start({
      grpc: GRPC,
      rest: { "GET /users/current": () => ({ status: 403, json: { detail: "Insufficient permissions" } }) },
    });
    const { exitCode, stderr } = await run(plane, ["runners", "list", "--team", "blue"]);
    assert.deepEqual([exitCode, stderr], [0, "The team blue is ignored, as a key is used.\n"]);
  });

  test("a team selected by fal's own command line is reported in the same way; without one, no request is made", async () => {
    await using plane = await startPlane();
    const path = join(createProject({}), "config.toml");
    writeFileSync(path, '[__internal__]\nteam = "blue"\n');
    const file = { FAL_CONFIG_PATH: path };
    assert.match(
      (await run(plane, ["keys", "list"], file)).stderr,
      /^The team blue is ignored, as a key is used: /,
    );
    writeFileSync(path, '[__internal__]\nteam = "ada"\n');
    assert.equal((await run(plane, ["keys", "list"], file)).stderr, "");
    const before = plane.requests.length;
    assert.equal((await run(plane, ["apps", "list"])).stderr, "");
    assert.equal(plane.requests.length, before);
  });
});
