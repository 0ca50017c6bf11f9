import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { HostedRunStatus_State } from "../../src/platform/generated/controller_pb.ts";
import {
  appSource,
  cleanEnvironment,
  cliCommand,
  createProject,
  runCli,
  type Ended,
} from "../helpers/cli.ts";
import { ControlPlane, type ControlPlaneScripts } from "../helpers/control-plane.ts";

const URLS = {
  playground: "https://fal.ai/models/me/web",
  run: "https://run.test/me/web",
  queue: "",
  log: "",
};
const CURRENT = {
  ...{
    alias: "web",
    revision: "rev-0",
    keepAlive: 40,
    maxConcurrency: 3,
    maxMultiplexing: 1,
    machineTypes: ["S"],
  },
  ...{ requestTimeout: 3_600, startupTimeout: 600, requestStartTimeout: 7 },
};
const CONFIG = {
  "servable.config.ts": `export default { apps: {
  web: { image: { image: "ghcr.io/me/web:1" }, exposedPort: 3000, maxConcurrency: 5, machineType: "S", requestStartTimeout: 9 },
  fine: { image: { image: "ghcr.io/me/web:1" }, keepAlive: 40, maxConcurrency: 3, machineType: "S", requestStartTimeout: 7 },
} };`,
};

const grpc = (aliases: readonly object[]): ControlPlaneScripts => ({
  listAliases: () => ({ aliases: [...aliases] }),
  *buildEnvironment() {
    yield { status: { state: HostedRunStatus_State.SUCCESS } };
  },
  *registerApplication() {
    yield { result: { applicationId: "rev-1" }, serviceUrls: URLS };
  },
});

const startPlane = (...aliases: readonly object[]): Promise<ControlPlane> =>
  ControlPlane.start({ grpc: grpc(aliases), rest: { "POST /files/missing_hashes": () => ({ json: [] }) } });

const deploy = (plane: ControlPlane, folder: string, ...args: string[]): Promise<Ended> =>
  runCli(["deploy", ...args], folder, plane.environment);

describe("notes that a deployment prints beside its result", () => {
  test("an existing app: the settings of the code that did not take effect", async () => {
    await using plane = await startPlane(CURRENT);
    const folder = createProject(CONFIG);
    const { exitCode, stderr } = await deploy(plane, folder, "web");
    assert.equal(exitCode, 0, stderr);
    assert.match(
      stderr,
      /Note: the scale .* is inherited from the deployment before \(keepAlive 40, not 10; maxConcurrency 3, not 5; requestStartTimeout 7, not 9 as in the code\); --reset-scale takes that of the code\.\n$/,
    );
    assert.equal(plane.requestsOf("registerApplication")[0]?.machineRequirements?.requestStartTimeout, 9);
    const reset = await deploy(plane, folder, "web", "--reset-scale");
    assert.doesNotMatch(reset.stderr, /inherited/);
    const kept = await deploy(plane, folder, "web", "--no-scale");
    assert.match(kept.stderr, /inherited/);
    const json = await deploy(plane, folder, "web", "--output", "json");
    assert.doesNotMatch(json.stderr, /inherited/);
    const result = JSON.parse(json.stdout) as Record<string, unknown>;
    assert.deepEqual(
      [result["revision"], result["app_name"], result["status"]],
      ["rev-1", "web", "deployed"],
    );
    const both = await deploy(plane, folder, "web", "--no-scale", "--reset-scale");
    assert.match(both.stderr, /^error: --reset-scale takes the scale of the code, and --no-scale/);
  });

  test("a new app: its first deployment, and how to serve it locally", async () => {
    await using plane = await startPlane();
    const locked = {
      "package.json": '{"type":"module","dependencies":{"servable":"0.1.0"}}',
      "package-lock.json": '{"lockfileVersion":3,"packages":{}}',
    };
    const folder = createProject({ ...CONFIG, ...locked, "src/app.ts": appSource("Voice", "hi") });
    const ofClass = await deploy(plane, folder, "src/app.ts::Voice", "--env", "staging");
    assert.equal(ofClass.exitCode, 0, ofClass.stderr);
    assert.match(
      ofClass.stderr,
      /Tip: this is the first deployment of voice to staging\. "servable run src\/app\.ts::Voice" serves it here/,
    );
    assert.doesNotMatch(ofClass.stderr, /inherited/);
    const ofImage = await deploy(plane, folder, "web");
    assert.match(ofImage.stderr, /Tip: this is the first deployment of web\. Its runners are listed by/);
    const json = await deploy(plane, folder, "web", "--json");
    assert.doesNotMatch(json.stderr, /Tip/);
    const later = await startPlane(CURRENT);
    await using _closed = later;
    assert.doesNotMatch((await deploy(later, folder, "web")).stderr, /Tip/);
  });

  test("--detach: the rollout continues, and how to roll back", async () => {
    await using plane = await startPlane(CURRENT);
    const { stderr } = await deploy(plane, createProject(CONFIG), "web", "--detach");
    assert.match(
      stderr,
      /The rollout continues: .*\n +progress +servable apps runners web\n +roll back +servable apps set-revision web REVISION\n$/,
    );
  });

  test("links to the app's pages on fal's dashboard", async () => {
    await using plane = await startPlane(CURRENT);
    const folder = createProject(CONFIG);
    const { stdout } = await deploy(plane, folder, "web");
    assert.match(
      stdout,
      /playground +https:\/\/fal\.ai\/dashboard\/apps\/me\/web\/testing\/playground\?endpoint=me%2Fweb\n +endpoints +https:\/\/fal\.ai\/dashboard\/apps\/me\/web\n/,
    );
    const only = await runCli(["deploy", "web"], folder, {
      ...plane.environment,
      FAL_URL_OUTPUT: "playground",
    });
    assert.doesNotMatch(only.stdout, /run\.test/);
  });

  test("an annotation given twice is refused before any call to the platform", async () => {
    await using plane = await startPlane(CURRENT);
    const folder = createProject(CONFIG);
    const twice: readonly (readonly string[])[] = [
      ["a=1", "a=2"],
      ["a=1", "a=1"],
      ["a=", "b=1", "a=x"],
      ["__proto__=1", "__proto__=2"],
      ["a=1=2", "a=3"],
    ];
    for (const items of twice) {
      const args = items.flatMap((item) => ["--annotation", item]);
      const { exitCode, stderr } = await deploy(plane, folder, "web", ...args);
      assert.equal(exitCode, 1, items.join(" "));
      assert.match(stderr, /^error: --annotation gives "(?:a|__proto__)" twice: give it one value\.\n$/);
    }
    assert.deepEqual(plane.calls, []);
    const apart = await deploy(plane, folder, "web", "--annotation", "a=1", "--annotation", "A=2");
    assert.equal(apart.exitCode, 0, apart.stderr);
  });
});

describe("--check", () => {
  /** `servable deploy --check` on a terminal; `answer` is typed at its question. */
  async function answering(
    plane: ControlPlane,
    folder: string,
    args: readonly string[],
    answer: string,
  ): Promise<Ended> {
    const command = [...cliCommand(), "deploy", ...args, "--check"].map((word) => `'${word}'`).join(" ");
    const child = spawn("script", ["-qec", command, "/dev/null"], {
      cwd: folder,
      env: cleanEnvironment(plane.environment),
    });
    let stdout = "";
    for await (const chunk of child.stdout.setEncoding("utf8")) {
      const hasAsked = stdout.includes("to continue: ");
      stdout += String(chunk);
      if (!hasAsked && stdout.includes("to continue: ")) child.stdin.write(answer);
    }
    await text(child.stderr);
    return { exitCode: child.exitCode, stdout: stdout.replaceAll(/\u001b\[\d+m|\r/g, ""), stderr: "" };
  }

  test("asks before deploying a new app too, and lists all its settings", async () => {
    await using plane = await startPlane();
    const folder = createProject(CONFIG);
    const refused = await answering(plane, folder, ["web"], "no\n");
    assert.match(
      refused.stdout,
      /target: web in main, at no revision yet\nwho may call it: private\nstrategy: rolling\nweb is new; it gets:\n/,
    );
    for (const line of [
      "keepAlive +10",
      "maxConcurrency +5",
      "requestTimeout +3600",
      "requestStartTimeout +9",
      "regions +any",
      "machineType +S",
    ]) {
      assert.match(refused.stdout, new RegExp(`\\n {2}${line}\\n`));
    }
    assert.match(refused.stdout, /Nothing was deployed\.\n/);
    assert.deepEqual(plane.methods(), ["ListAliases"]);
    const confirmed = await answering(plane, folder, ["web"], "confirm\n");
    assert.match(confirmed.stdout, /Deployed web/);
  });

  test("asks when nothing changes too, and shows the settings of the code that do not take effect", async () => {
    await using plane = await startPlane(CURRENT, { ...CURRENT, alias: "fine" });
    const folder = createProject(CONFIG);
    const same = await answering(plane, folder, ["fine"], "no\n");
    assert.match(same.stdout, /fine is there already; no setting of its scale changes\.\n/);
    assert.doesNotMatch(same.stdout, /It keeps/);
    assert.match(same.stdout, /Nothing was deployed\.\n/);
    const kept = await answering(plane, folder, ["web"], "no\n");
    assert.match(
      kept.stdout,
      /It keeps, where the code says otherwise.*\n {2}keepAlive +40 \(code: 10\)\n {2}maxConcurrency +3 \(code: 5\)\n {2}requestStartTimeout +7 \(code: 9\)\n/,
    );
    assert.ok(!plane.methods().includes("RegisterApplication"));
  });

  test("without a terminal, deploys a new or an existing app only with --yes", async () => {
    const folder = createProject(CONFIG);
    for (const aliases of [[], [{ ...CURRENT, alias: "fine" }]]) {
      await using plane = await startPlane(...aliases);
      for (const extra of [
        { args: ["--check"], env: {} },
        { args: [], env: { FAL_DEPLOY_CHECK: "1" } },
      ]) {
        const { exitCode, stderr } = await runCli(["deploy", "fine", ...extra.args], folder, {
          ...plane.environment,
          ...extra.env,
        });
        assert.equal(exitCode, 1);
        assert.match(stderr, /There is no terminal to confirm it on.* add --yes\.\n$/);
      }
      assert.ok(plane.methods().every((method) => method === "ListAliases"));
      assert.equal((await deploy(plane, folder, "fine", "--check", "--yes")).exitCode, 0);
    }
  });
});
