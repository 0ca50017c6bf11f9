import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { HostedRunStatus_State } from "../../src/platform/generated/controller_pb.ts";
import { appSource, createProject, runCli, startCli, type Ended, type RunningCli } from "../helpers/cli.ts";
import { ControlPlane, refusal, type ControlPlaneOptions } from "../helpers/control-plane.ts";
import { FileStore } from "../helpers/file-store.ts";

const BUILT = { status: { state: HostedRunStatus_State.SUCCESS } };
const URLS = {
  playground: "https://play.test/me/app",
  run: "https://run.test/me/app",
  queue: "https://queue.test/me/app",
  log: "https://log.test/app",
};
const GOOD = {
  listAliases: () => ({}),
  *buildEnvironment() {
    yield {
      logs: [
        { message: "step one, by test-secret", level: 2 },
        { message: "noise", level: 1 },
      ],
    };
    yield BUILT;
  },
  *registerApplication() {
    yield { logs: [{ message: "step one, by test-secret", level: 2 }] };
    yield { result: { applicationId: "rev-1" }, serviceUrls: URLS };
  },
} satisfies ControlPlaneOptions["grpc"];

const LOCKED = {
  "package.json": '{"type":"module","dependencies":{"servable":"0.1.0"}}',
  "package-lock.json": '{"lockfileVersion":3,"packages":{}}',
};
const IMAGE_CONFIG = `export default { apps: {
  web: { image: { image: "ghcr.io/me/web:1", cmd: ["serve"] }, exposedPort: 3000, maxConcurrency: 3, auth: "public" },
  voice: { file: "src/voice.ts::Voice", name: "speaker", machineType: "GPU-A100", healthCheck: { path: "/well" } },
} };`;

async function deployIn(
  folder: string,
  plane: ControlPlane,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  return runCli(["deploy", ...args], folder, { ...plane.environment, ...environment });
}

function jsonOf(plane: ControlPlane, method: string): JsonObject {
  return plane.calls.findLast((call) => call.method === method)?.json as JsonObject;
}

function imageOf(request: JsonObject): JsonObject {
  const [environment] = request["environments"] as { configuration: { image: JsonObject } }[];
  return environment?.configuration.image ?? {};
}

describe("servable deploy FILE", () => {
  test("in a workspace, uploads the packages that the app uses, and no secrets", async () => {
    await using plane = await ControlPlane.start({ grpc: GOOD });
    await using store = await FileStore.start();
    const link = (folder: string): object => ({ resolved: folder, link: true });
    const folder = createProject({
      "package.json": '{"workspaces":["packages/*"]}',
      "package-lock.json": JSON.stringify({
        packages: {
          "node_modules/@me/lib": link("packages/lib"),
          "node_modules/other": link("packages/other"),
          "packages/app": { dependencies: { "@me/lib": "*", servable: "*" } },
          "packages/lib": {},
          "packages/other": {},
        },
      }),
      ".dockerignore": "*.md\n",
      ".npmrc": "//registry.test/:_authToken=tok-1",
      "packages/app/package.json": LOCKED["package.json"],
      "packages/app/app.ts": appSource("TextMaker", "hi"),
      "packages/app/.env.production": "PASSWORD=1",
      "packages/lib/package.json": "{}",
      "packages/lib/index.ts": "",
      "packages/lib/certs/server.key": "",
      "packages/other/package.json": "{}",
    });
    const ended = await deployIn(folder, plane, ["packages/app/app.ts"], { FAL_REST_HOST: store.url });
    assert.equal(ended.exitCode, 0, ended.stderr);
    const request = jsonOf(plane, "RegisterApplication");
    assert.deepEqual(
      (request["files"] as { relativePath: string }[]).map(({ relativePath }) => relativePath),
      [
        "package-lock.json",
        "package.json",
        "packages/app/app.ts",
        "packages/app/package.json",
        "packages/lib/index.ts",
        "packages/lib/package.json",
      ],
    );
    const left =
      /Excluded because they may contain secrets: packages\/app\/\.env\.production, packages\/lib\/certs\/server\.key\. /;
    assert.match(ended.stderr, left);
    // Its npm settings are a build secret.
    assert.deepEqual(imageOf(request)["secrets"], { npmrc: "//registry.test/:_authToken=tok-1" });
    assert.doesNotMatch(ended.stdout + ended.stderr, /tok-1/);
  });

  test("builds a class from its project, registers it and prints its URLs", async () => {
    await using plane = await ControlPlane.start({ grpc: GOOD });
    await using store = await FileStore.start();
    const folder = createProject({
      ...LOCKED,
      "app.ts": appSource(
        "TextMaker",
        "hi",
        "static override maxMultiplexing = 4; static override requestStartTimeout = 5; static override secrets = ['TOKEN'];",
      ),
      ".env": "PASSWORD=1",
      "notes.md": "",
    });
    const args = ["app.ts", "--message", "first", "--annotation", "commit=abc", "--annotation", "by=ci"];
    const { exitCode, stdout, stderr } = await deployIn(folder, plane, args, { FAL_REST_HOST: store.url });
    assert.equal(exitCode, 0, stderr);
    assert.equal(
      stdout,
      `● Deployed text-maker (private, revision rev-1)
  playground   ${URLS.playground}
  synchronous  ${URLS.run}
  queue        ${URLS.queue}
  logs         ${URLS.log}
`,
    );
    assert.match(
      stderr,
      /Uploaded 3 files, .*\nBuilding the image of text-maker\nstep one, by …\nRegistering text-maker\n/,
    );
    assert.doesNotMatch(stderr, /noise|step one[^]*step one|test-secret/);
    assert.match(stderr, /It is private/);

    assert.deepEqual(plane.methods(), ["ListAliases", "BuildEnvironment", "RegisterApplication"]);
    assert.equal(store.questions.length, 1);
    const request = jsonOf(plane, "RegisterApplication");
    const paths = (request["files"] as { relativePath: string }[]).map(({ relativePath }) => relativePath);
    assert.deepEqual(paths, ["app.ts", "package-lock.json", "package.json"]);
    assert.deepEqual(request["machineRequirements"], {
      machineType: "S",
      machineTypes: ["S"],
      schedulerOptions: {},
      keepAlive: 60,
      exposedPort: 8080,
      maxMultiplexing: 4,
      requestStartTimeout: 5,
    });
    assert.deepEqual(request["healthCheckConfig"], { path: "/health", method: "GET" });
    assert.deepEqual(request["secrets"], { names: ["TOKEN"] });
    assert.equal(request["scale"], false);
    const { openapi, ...notes } = request["metadata"] as { openapi: { paths: JsonObject } };
    assert.deepEqual(notes, { message: "first", annotations: { commit: "abc", by: "ci" } });
    assert.ok("/" in openapi.paths);
    const image = imageOf(request);
    assert.equal(image["use_isolate"], false);
    assert.match(String(image["dockerfile_str"]), /"run","app\.ts::TextMaker"/);
    assert.ok(!JSON.stringify(plane.calls.map(({ json }) => json)).includes(folder));
  });

  test("the class's own image replaces the generated one; flags take precedence over the class", async () => {
    await using plane = await ControlPlane.start({
      grpc: {
        ...GOOD,
        listAliases: () => ({ aliases: [{ alias: "maker--staging", authMode: 2, activeRunners: 1 }] }),
      },
    });
    const source = appSource(
      "Maker",
      "hi",
      'static override image = ContainerImage.fromImage("ghcr.io/me/maker:2");',
    );
    const printing = `${source.replace("App, ", "App, ContainerImage, ")}console.log("loading the model");\n`;
    const folder = createProject({ "app.ts": printing });
    const args = ["--env", "staging", "--strategy", "rolling", "--reset-scale", "--no-cache", "--json"];
    const { exitCode, stdout, stderr } = await deployIn(folder, plane, args);
    assert.equal(exitCode, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), {
      revision: "rev-1",
      app_name: "maker",
      environment: "staging",
      status: "rolling_out",
      auth: "shared",
      urls: { ...URLS, ws: "" },
    });
    const request = jsonOf(plane, "RegisterApplication");
    assert.deepEqual(imageOf(request), { image: "ghcr.io/me/maker:2", use_isolate: false });
    assert.deepEqual(
      ["applicationName", "environmentName", "scale", "authMode"].map((key) => request[key]),
      ["maker--staging", "staging", true, undefined],
    );
    const [built] = plane.requestsOf("buildEnvironment");
    assert.equal(built?.environments[0]?.force, true);
    assert.deepEqual(plane.requests, []);
  });

  test("the given name, auth mode and strategy take precedence over the class", async () => {
    await using plane = await ControlPlane.start({ grpc: GOOD });
    const image = 'static override image = ContainerImage.fromImage("ghcr.io/me/maker:2");';
    const statics = `${image} static override appName = "maker"; static override appAuth = "private" as const;`;
    const source = appSource("Maker", "hi", statics).replace("App, ", "App, ContainerImage, ");
    const args = ["app.ts::Maker", "--app-name", "spoken", "--auth", "public", "--strategy", "recreate"];
    const { exitCode, stdout, stderr } = await deployIn(createProject({ "app.ts": source }), plane, args);
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /^● Deployed spoken \(public, revision rev-1\)\n/);
    const request = jsonOf(plane, "RegisterApplication");
    assert.deepEqual(
      ["applicationName", "authMode", "deploymentStrategy"].map((key) => request[key]),
      ["spoken", "PUBLIC", "RECREATE"],
    );
  });

  test("reports each error in one line, exits with 1 and sends nothing", async () => {
    await using plane = await ControlPlane.start({ grpc: GOOD });
    const folder = createProject({
      "one.ts": appSource("One", "1"),
      "two.ts": `${appSource("First", "1")}${appSource("Second", "2").replace(/^import.*\n/, "")}`,
    });
    const wrong: [string[], RegExp, NodeJS.ProcessEnv?][] = [
      [["none.ts"], /There is no file none\.ts/],
      [["two.ts"], /exports 2 servable classes: First, Second/],
      [[], /several files here; say which one: one\.ts, two\.ts/],
      [["nothing"], /no servable\.config\.ts or "servable" in package\.json that has an app of this name/],
      [["one.ts"], /does not have servable among its dependencies/],
      [["one.ts", "--annotation", "x"], /--annotation takes KEY=value, not "x"/],
      [["one.ts"], /FAL_KEY does not have the form id:secret/, { FAL_KEY: "nocolon" }],
      [["one.ts"], /There is no key: set FAL_KEY/, { FAL_KEY: "" }],
      [["one.ts"], /FAL_URL_OUTPUT has to be one of all, .* not "some"/, { FAL_URL_OUTPUT: "some" }],
    ];
    const runs = wrong.map(async ([args, pattern, environment]) => {
      const { exitCode, stdout, stderr } = await deployIn(folder, plane, args, environment);
      assert.match(stderr, pattern);
      assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
      assert.deepEqual([exitCode, stdout], [1, ""]);
    });
    await Promise.all(runs);
    assert.deepEqual(plane.calls, []);
  });
});

describe("servable deploy NAME", () => {
  test("deploys an image that servable.config.ts names, from any folder below it", async () => {
    await using plane = await ControlPlane.start({ grpc: GOOD });
    const folder = createProject({ "servable.config.ts": IMAGE_CONFIG, "src/voice.ts": "" });
    const { exitCode, stdout, stderr } = await deployIn(`${folder}/src`, plane, ["web"], {
      FAL_URL_OUTPUT: "none",
    });
    assert.equal(exitCode, 0, stderr);
    assert.equal(stdout, "● Deployed web (public, revision rev-1)\n");
    assert.deepEqual(jsonOf(plane, "RegisterApplication"), {
      applicationName: "web",
      environments: [
        {
          kind: "container",
          configuration: { image: { image: "ghcr.io/me/web:1", cmd: ["serve"], use_isolate: false } },
        },
      ],
      machineRequirements: {
        machineType: "XS",
        machineTypes: ["XS"],
        schedulerOptions: {},
        keepAlive: 10,
        exposedPort: 3000,
        maxConcurrency: 3,
      },
      authMode: "PUBLIC",
      deploymentStrategy: "ROLLING",
      scale: false,
      buildEnvironment: false,
    });
  });

  test("deploys a class that the config names; the config's settings take precedence over the class's", async () => {
    const app = { alias: "speaker", activeRunners: 1 };
    await using plane = await ControlPlane.start({
      grpc: { ...GOOD, listAliases: () => ({ aliases: [app] }) },
    });
    await using store = await FileStore.start();
    const body = "static override keepAlive = 7; static override machineType = 'M';";
    const files = {
      ...LOCKED,
      "servable.config.ts": IMAGE_CONFIG,
      "src/voice.ts": appSource("Voice", "hi", body),
    };
    const folder = createProject(files);
    const { exitCode, stdout, stderr } = await deployIn(folder, plane, ["voice", "--attach", "--json"], {
      FAL_REST_HOST: store.url,
    });
    assert.equal(exitCode, 0, stderr);
    assert.equal((JSON.parse(stdout) as JsonObject)["status"], "deployed");
    const request = jsonOf(plane, "RegisterApplication");
    assert.deepEqual([request["applicationName"], request["attachToDeployment"]], ["speaker", true]);
    assert.deepEqual(request["healthCheckConfig"], { path: "/well", method: "GET" });
    const { machineTypes, keepAlive } = request["machineRequirements"] as JsonObject;
    assert.deepEqual([machineTypes, keepAlive], [["GPU-A100"], 7]);
  });

  test("a Dockerfile named in package.json is built with the files it copies and the given ARGs", async () => {
    const listAliases = (): never => {
      throw refusal(Code.Internal, "No list today.");
    };
    await using plane = await ControlPlane.start({ grpc: { ...GOOD, listAliases } });
    await using store = await FileStore.start();
    const folder = createProject({
      "package.json":
        '{"servable":{"apps":{"web":{"image":{"dockerfile":"docker/Dockerfile","buildArgs":{"MODE":"a","KEPT":"b"}}}}}}',
      "docker/Dockerfile": "FROM scratch\nARG SITE=other.txt MODE KEPT\nCOPY $SITE /\n",
      "public/index.html": "<p>",
      "other.txt": "",
    });
    const args = ["--detach", "--build-arg", "SITE=public", "--build-arg", "MODE"];
    const { exitCode, stdout, stderr } = await deployIn(folder, plane, args, {
      FAL_REST_HOST: store.url,
      MODE: "c",
      FAL_ENV: "staging",
      FAL_URL_OUTPUT: "playground",
    });
    assert.equal(exitCode, 0, stderr);
    // The auth mode is unknown, but the deployment succeeds.
    assert.equal(stdout, `● Deployed web (in staging, revision rev-1)\n  playground   ${URLS.playground}\n`);
    assert.doesNotMatch(stderr, /No list|private/);
    const { attachToDeployment, applicationName } = jsonOf(plane, "RegisterApplication");
    assert.deepEqual([attachToDeployment, applicationName], [false, "web--staging"]);
    const request = jsonOf(plane, "BuildEnvironment");
    assert.deepEqual(imageOf(request)["build_args"], { SITE: "public", MODE: "c", KEPT: "b" });
    const paths = (request["files"] as { relativePath: string }[]).map(({ relativePath }) => relativePath);
    assert.deepEqual(paths, ["public/index.html"]);
    assert.equal(store.files.size, 1);
  });

  test("a failed upload is reported in one line, and leaves no open upload at the store", async () => {
    await using plane = await ControlPlane.start({ grpc: GOOD });
    await using store = await FileStore.start();
    store.break("PUT", /./, { status: 503 });
    const folder = createProject({
      "package.json": '{"servable":{"apps":{"web":{"image":{"dockerfile":"Dockerfile"}}}}}',
      Dockerfile: "FROM scratch\nCOPY public /\n",
      "public/index.html": "<p>",
    });
    const { exitCode, stderr } = await deployIn(folder, plane, [], { FAL_REST_HOST: store.url });
    assert.equal(exitCode, 1, stderr);
    assert.match(stderr, /^error: .*503/m);
    assert.equal(store.uploads.size, 0);
    assert.equal(store.count(/\/cancel$/), 1);
    assert.deepEqual(plane.methods(), ["ListAliases"]);
  });

  test("reports an invalid config or name in one line", async () => {
    await using plane = await ControlPlane.start({ grpc: GOOD });
    const good = createProject({ "servable.config.ts": IMAGE_CONFIG });
    const withApp = (app: string): string =>
      createProject({ "servable.config.ts": `export default { apps: { web: ${app} } };` });
    const wrong: [string, string[], RegExp][] = [
      [good, ["voise"], /has no app "voise"; did you mean "voice"\?/],
      [good, [], /several apps; say which one: web, voice/],
      [
        good,
        ["web", "--app-name", "x"],
        /--app-name is for files; of web, the config says it: set "name" there/,
      ],
      [good, ["web", "--auth", "shared"], /--auth is for files/],
      [
        good,
        ["web", "--build-arg", "A=1"],
        /--build-arg is for Dockerfiles; the image ghcr.* is there already/,
      ],
      [
        createProject({
          "servable.config.ts": "export default { apps: { web: { image: { dockerfile: 'Dockerfile' } } } };",
          Dockerfile: "FROM scratch\nARG MODE\n",
        }),
        ["--build-arg", "MODEL=1"],
        /The Dockerfile has no ARG MODEL; did you mean "MODE"\?/,
      ],
      [good, ["web", "--strategy", "recreate", "--detach"], /--detach are for the strategy rolling/],
      [withApp("{ image: { dockerfile: 'Dockerfile' } }"), [], /The file .*Dockerfile does not exist/],
    ];
    await Promise.all(
      wrong.map(async ([folder, args, pattern]) => {
        const { exitCode, stderr } = await deployIn(folder, plane, args);
        assert.match(stderr, pattern);
        assert.deepEqual([exitCode, stderr.trimEnd().split("\n").length], [1, 1], stderr);
      }),
    );
    assert.deepEqual(plane.calls, []);
  });
});

describe("servable deploy, interrupted or refused midway", () => {
  const config = { "servable.config.ts": IMAGE_CONFIG };

  for (const [phase, method] of [
    ["building", "buildEnvironment"],
    ["registering", "registerApplication"],
  ] as const) {
    test(`Ctrl-C while ${phase} cancels the call and exits with 130`, async () => {
      let left: Promise<unknown> | undefined;
      const waitForEnd = async function* (_request: unknown, { signal }: { readonly signal: AbortSignal }) {
        left = once(signal, "abort");
        yield { logs: [{ message: "half way", source: 2, level: 5 }] };
        await left;
      };
      await using plane = await ControlPlane.start({ grpc: { ...GOOD, [method]: waitForEnd } });
      const running = startCli(["deploy", "web"], createProject(config), plane.environment);
      await running.complained(/half way/);
      running.kill("SIGINT");
      const { exitCode, stdout, stderr } = await running.ended;
      assert.deepEqual([exitCode, stdout], [130, ""], stderr);
      assert.match(stderr, /Cancelled/);
      await left;
      assert.equal(plane.calls.at(-1)?.isAborted, true);
      assert.equal(plane.requestsOf("registerApplication").length, phase === "building" ? 0 : 1);
    });
  }

  test("Ctrl-C while uploading cancels the uploads at the store and builds nothing; a second Ctrl-C exits at once", async () => {
    await using plane = await ControlPlane.start({ grpc: GOOD });
    await using store = await FileStore.start();
    await using deaf = await FileStore.start();
    const folder = createProject({
      "package.json": '{"servable":{"apps":{"web":{"image":{"dockerfile":"Dockerfile"}}}}}',
      Dockerfile: "FROM scratch\nCOPY public /\n",
      "public/a.html": "<p>",
      "public/b.html": "<p>b",
    });
    const interrupted = async (at: FileStore): Promise<RunningCli> => {
      at.break("PUT", /./, "stall");
      const running = startCli(["deploy"], folder, { ...plane.environment, FAL_REST_HOST: at.url });
      await at.asked(/^PUT /, 2);
      running.kill("SIGINT");
      await at.asked(/^POST .*\/cancel$/, 2);
      return running;
    };
    deaf.break("POST", /\/cancel$/, "stall");
    const [patient, twice] = await Promise.all([interrupted(store), interrupted(deaf)]);
    twice.kill("SIGINT");
    const [first, second] = await Promise.all([patient.ended, twice.ended]);
    assert.deepEqual([first.exitCode, first.stdout], [130, ""], first.stderr);
    assert.match(first.stderr, /Stopping the deployment…\nCancelled\. Nothing was deployed\.\n$/);
    assert.equal(store.uploads.size, 0);
    // It exits without waiting for the responses.
    assert.deepEqual([second.exitCode, second.stdout], [130, ""], second.stderr);
    assert.match(second.stderr, /Stopping the deployment…\n$/);
    assert.ok(plane.methods().every((method) => method === "ListAliases"));
  });

  test("Ctrl-C while the app is looked up, or while a user's module loads, exits with 130", async () => {
    let asked = (): void => {};
    const isAsked = new Promise<void>((resolve) => (asked = resolve));
    await using plane = await ControlPlane.start({
      grpc: {
        ...GOOD,
        listAliases: async (_request, { signal }) => {
          asked();
          await once(signal, "abort");
          return {};
        },
      },
    });
    const forEver = "console.error('loading'); await new Promise((end) => setTimeout(end, 60_000));";
    const slow = createProject({ "servable.config.ts": `${forEver} export default { apps: {} };` });
    const looking = startCli(["deploy", "web"], createProject(config), plane.environment);
    const loading = startCli(["deploy", "web"], slow, plane.environment);
    await Promise.all([isAsked, loading.complained(/loading/)]);
    for (const running of [looking, loading]) running.kill("SIGINT");
    for (const { exitCode, stderr } of await Promise.all([looking.ended, loading.ended])) {
      assert.equal(exitCode, 130, stderr);
      assert.match(stderr, /Cancelled\. Nothing was deployed\.\n$/);
    }
    assert.deepEqual(
      plane.calls.map(({ method, isAborted }) => [method, isAborted]),
      [["ListAliases", true]],
    );
  });

  test("--check shows the changes to the scale, and deploys only once confirmed", async () => {
    const app = { alias: "web", maxConcurrency: 3, maxMultiplexing: 1, keepAlive: 40, machineTypes: ["S"] };
    await using plane = await ControlPlane.start({
      grpc: { ...GOOD, listAliases: () => ({ aliases: [app] }) },
    });
    const folder = createProject(config);
    const asked = await deployIn(folder, plane, ["web", "--check", "--reset-scale"]);
    assert.equal(asked.exitCode, 1);
    assert.match(asked.stderr, /keepAlive +40 → 10\n +machineType +S → XS\n.*add --yes/);
    assert.deepEqual(plane.methods(), ["ListAliases"]);
    const sure = await deployIn(folder, plane, ["web", "--yes"], { FAL_DEPLOY_CHECK: "1" });
    assert.equal(sure.exitCode, 0, sure.stderr);
    assert.match(sure.stderr, /there already; changes:\n +machineType +S → XS\n/);
  });

  test("an expired key, an unreachable host and a failing build are each reported in one line", async () => {
    await using plane = await ControlPlane.start({
      grpc: {
        ...GOOD,
        *buildEnvironment() {
          yield { logs: [{ message: "no space left", level: 4 }] };
          yield { status: { state: HostedRunStatus_State.INTERNAL_FAILURE } };
        },
      },
    });
    const folder = createProject(config);
    const expired = await deployIn(folder, plane, ["web"], { FAL_KEY: "old-id:old-secret" });
    assert.match(expired.stderr, /^error: .*does not accept FAL_KEY|^error: .*FAL_KEY \(id old-id\)/);
    assert.doesNotMatch(expired.stderr, /old-secret/);
    const absent = await deployIn(folder, plane, ["web"], { FAL_GRPC_HOST: "http://127.0.0.1:1" });
    assert.match(absent.stderr, /could not be reached: nothing listens there/);
    const failing = await deployIn(folder, plane, ["web"]);
    assert.match(failing.stderr, /error: The image of web could not be built: no space left\.\n$/);
    assert.deepEqual([expired.exitCode, absent.exitCode, failing.exitCode], [1, 1, 1]);
    assert.equal(plane.requestsOf("registerApplication").length, 0);
  });
});
