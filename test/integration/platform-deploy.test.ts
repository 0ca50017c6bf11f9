import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { FalServerlessError, PlatformError, UsageError } from "../../src/errors.ts";
import { ContainerImage } from "../../src/packaging/container-image.ts";
import type { ApplicationLog } from "../../src/platform/deployment/application-logs.ts";
import { Connection } from "../../src/platform/transport/connection.ts";
import { resolveCredentials } from "../../src/platform/target/credentials.ts";
import {
  runDeployment,
  type DeployOptions,
  type DeploymentResult,
} from "../../src/platform/deployment/deploy.ts";
import { resolveEndpoints } from "../../src/platform/target/endpoints.ts";
import { collectFiles } from "../../src/build-context/collected-files.ts";
import { LogLevel, LogSource } from "../../src/platform/generated/common_pb.ts";
import { HostedRunStatus_State } from "../../src/platform/generated/controller_pb.ts";
import { Rest } from "../../src/platform/transport/rest.ts";
import { ContextFolder } from "../helpers/context-folder.ts";
import {
  ControlPlane,
  cutConnection,
  endWithoutStatus,
  refusal,
  unavailable,
  type ControlPlaneOptions,
} from "../helpers/control-plane.ts";

const BUILT = { status: { state: HostedRunStatus_State.SUCCESS } };
const URLS = {
  playground: "https://play.test/me/web",
  run: "https://run.test/me/web",
  queue: "https://queue.test/me/web",
  ws: "wss://ws.test/me/web",
  log: "https://log.test/web",
};
const REGISTERED = { result: { applicationId: "rev-1" }, serviceUrls: URLS };
const GOOD = {
  *buildEnvironment() {
    yield BUILT;
  },
  *registerApplication() {
    yield REGISTERED;
  },
} satisfies ControlPlaneOptions["grpc"];

const IMAGE = ContainerImage.fromImage("ghcr.io/me/app:1").toDict();
const KEY_OF_NOBODY = "gone-id:gone-secret";

async function deployTo(
  plane: ControlPlane,
  options: Partial<DeployOptions> = {},
  environment: NodeJS.ProcessEnv = plane.environment,
): Promise<DeploymentResult> {
  const credentials = resolveCredentials({ environment });
  const { grpc, rest } = resolveEndpoints({ environment });
  using connection = new Connection({ endpoint: grpc, credentials, retryDelayMs: 1 });
  const { send } = new Rest({ endpoint: rest, credentials });
  return await runDeployment({ connection, rest: send }, { appName: "web", image: IMAGE, ...options });
}

const jsonOf = (plane: ControlPlane, method: string): unknown =>
  plane.calls.find((call) => call.method === method)?.json;

const failing = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof FalServerlessError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, pattern);
  assert.doesNotMatch(error.message, /\n/);
  return true;
};

describe("a deployment request", () => {
  test("for an image that exists sends a build and a registration, and nothing over REST", async () => {
    await using plane = await ControlPlane.start({ grpc: GOOD });
    const result = await deployTo(plane, { retryConfig: {} });
    const image = { image: "ghcr.io/me/app:1", use_isolate: false };
    assert.deepEqual(plane.methods(), ["BuildEnvironment", "RegisterApplication"]);
    assert.deepEqual(jsonOf(plane, "BuildEnvironment"), {
      applicationName: "web",
      environments: [{ kind: "container", configuration: { image } }],
      machineRequirements: { machineType: "XS", machineTypes: ["XS"], schedulerOptions: {} },
    });
    assert.deepEqual(jsonOf(plane, "RegisterApplication"), {
      applicationName: "web",
      environments: [{ kind: "container", configuration: { image } }],
      machineRequirements: {
        machineType: "XS",
        machineTypes: ["XS"],
        schedulerOptions: {},
        keepAlive: 10,
      },
      deploymentStrategy: "ROLLING",
      scale: false,
      buildEnvironment: false,
    });
    assert.deepEqual(plane.requests, []);
    assert.deepEqual(result, { revision: "rev-1", appName: "web", environment: "main", urls: URLS });
  });

  test("for a Dockerfile checks its files once, and sends them with both calls", async () => {
    await using plane = await ControlPlane.start({
      grpc: GOOD,
      rest: { "POST /files/missing_hashes": () => ({ json: [] }) },
    });
    using folder = new ContextFolder({ "package.json": "{}", "src/main.js": "1", "notes.md": "" });
    const { path: context } = folder;
    const image = ContainerImage.fromDockerfileString("FROM node:22\nCOPY package.json ./\nCOPY src/ src/", {
      contextDirectory: context,
      buildArgs: { MODE: "fast" },
    });
    const phases: string[] = [];
    const uploads: string[] = [];
    await deployTo(plane, {
      image: { ...image.toDict(), docker_context_dir: context },
      files: await collectFiles({ context, paths: image.sources() }),
      machine: {
        machineType: ["GPU-A100", "GPU-H100"],
        numGpus: 2,
        regions: ["us-east"],
        keepAlive: 0,
        minConcurrency: 0,
        maxConcurrency: 4,
        concurrencyBuffer: 1,
        concurrencyBufferPerc: 20,
        scalingDelay: 5,
        maxMultiplexing: 8,
        requestTimeout: 1.5,
        requestStartTimeout: 30,
        startupTimeout: 89.5,
        exposedPort: 8080,
        metricsPort: 9090,
      },
      auth: "shared",
      strategy: "recreate",
      healthCheck: { path: "/health", timeoutSeconds: 3, callRegularly: false },
      retryConfig: { timeout: { retries: 2 }, connection_error: { retries: -1 } },
      skipRetryConditions: ["server_error"],
      terminationGracePeriodSeconds: 20,
      secrets: [],
      dataMounts: ["/data"],
      privateLogs: true,
      openapi: { openapi: "3.1.0", unset: undefined },
      message: "the first",
      annotations: { commit: "abc" },
      onPhase: (phase) => phases.push(phase),
      onUpload: ({ phase }) => uploads.push(phase),
    });
    const files = plane.requestsOf("buildEnvironment")[0]?.files ?? [];
    assert.deepEqual(
      files.map(({ relativePath }) => relativePath),
      ["package.json", "src/main.js"],
    );
    const sentFiles = files.map(({ hash, relativePath }) => ({ hash, relativePath }));
    const environment = {
      kind: "container",
      configuration: {
        image: {
          dockerfile_str: "FROM node:22\nCOPY package.json ./\nCOPY src/ src/",
          build_args: { MODE: "fast" },
          secrets: {},
          registries: {},
          builder: null,
          compression: "gzip",
          force_compression: false,
          docker_context_dir: ".",
          docker_files_list: ["package.json", "src"],
          docker_ignore: image.ignoreRules().patterns,
          use_isolate: false,
        },
      },
    };
    const machine = {
      machineType: "GPU-A100",
      machineTypes: ["GPU-A100", "GPU-H100"],
      schedulerOptions: {},
      numGpus: 2,
      validRegions: ["us-east"],
    };
    assert.deepEqual(jsonOf(plane, "BuildEnvironment"), {
      applicationName: "web",
      environments: [environment],
      machineRequirements: machine,
      files: sentFiles,
      secrets: {},
    });
    assert.deepEqual(jsonOf(plane, "RegisterApplication"), {
      applicationName: "web",
      environments: [environment],
      machineRequirements: {
        ...machine,
        keepAlive: 0,
        minConcurrency: 0,
        maxConcurrency: 4,
        concurrencyBuffer: 1,
        concurrencyBufferPerc: 20,
        scalingDelaySeconds: 5,
        maxMultiplexing: 8,
        requestTimeout: 2,
        requestStartTimeout: 30,
        startupTimeout: 90,
        exposedPort: 8080,
        metricsPort: 9090,
      },
      files: sentFiles,
      secrets: {},
      authMode: "SHARED",
      deploymentStrategy: "RECREATE",
      scale: false,
      buildEnvironment: false,
      healthCheckConfig: { path: "/health", method: "GET", timeoutSeconds: 3, callRegularly: false },
      retryConfig: '{"connection_error":{"retries":0},"timeout":{"retries":2}}',
      skipRetryConditions: ["SERVER_ERROR"],
      terminationGracePeriodSeconds: 20,
      dataMounts: ["/data"],
      privateLogs: true,
      metadata: { openapi: { openapi: "3.1.0" }, message: "the first", annotations: { commit: "abc" } },
    });
    assert.deepEqual(
      plane.requests.map(({ method, path }) => `${method} ${path}`),
      ["POST /files/missing_hashes"],
    );
    assert.doesNotMatch(JSON.stringify(plane.calls.map(({ json }) => json)), new RegExp(context));
    assert.deepEqual(phases, ["uploading", "building", "registering"]);
    assert.ok(uploads.includes("reading"));
  });

  test("resets the scale only on demand, and skips the cache only for the build", async () => {
    await using plane = await ControlPlane.start({ grpc: GOOD });
    await deployTo(plane, { machine: { maxConcurrency: 3 } });
    await deployTo(plane, { machine: { maxConcurrency: 3 }, resetScale: true, noCache: true });
    const scales = plane.requestsOf("registerApplication").map(({ scale }) => scale);
    assert.deepEqual(scales, [false, true]);
    const forced = [plane.requestsOf("buildEnvironment"), plane.requestsOf("registerApplication")].map(
      (requests) => requests.map(({ environments }) => environments[0]?.force),
    );
    assert.deepEqual(forced, [
      [false, true],
      [false, false],
    ]);
  });

  test("sends the environment as part of the app's name and as a field; for the main one the name has no suffix", async () => {
    await using plane = await ControlPlane.start({ grpc: GOOD });
    const { appName, environment } = await deployTo(plane, { environment: "staging" });
    assert.deepEqual([appName, environment], ["web", "staging"]);
    await deployTo(plane, { environment: "main" });
    const sent = [...plane.requestsOf("buildEnvironment"), ...plane.requestsOf("registerApplication")];
    assert.deepEqual(
      sent.map(({ applicationName, environmentName }) => [applicationName, environmentName]),
      [
        ["web--staging", "staging"],
        ["web", "main"],
        ["web--staging", "staging"],
        ["web", "main"],
      ],
    );
  });

  test("treats an empty environment as the main one", async () => {
    await using plane = await ControlPlane.start({ grpc: GOOD });
    assert.equal((await deployTo(plane, { environment: "" })).environment, "main");
    const [{ applicationName, environmentName } = {}] = plane.requestsOf("registerApplication");
    assert.deepEqual([applicationName, environmentName], ["web", undefined]);
  });

  test("rounds fractional seconds up to whole ones", async () => {
    await using plane = await ControlPlane.start({ grpc: GOOD });
    await deployTo(plane, {
      machine: { requestTimeout: 0.5, scalingDelay: 1.5 },
      terminationGracePeriodSeconds: 2.5,
      healthCheck: { path: "/", startPeriodSeconds: 3.5 },
    });
    const [request] = plane.requestsOf("registerApplication");
    const { requestTimeout, scalingDelaySeconds } = request?.machineRequirements ?? {};
    const { terminationGracePeriodSeconds, healthCheckConfig } = request ?? {};
    assert.deepEqual(
      [
        requestTimeout,
        scalingDelaySeconds,
        terminationGracePeriodSeconds,
        healthCheckConfig?.startPeriodSeconds,
      ],
      [1, 2, 3, 4],
    );
  });

  test("with an invalid name, setting, message or annotation is refused before anything is sent", async () => {
    await using plane = await ControlPlane.start({ grpc: GOOD });
    const many = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`k${index}`, ""]));
    const wrong: [Partial<DeployOptions>, RegExp][] = [
      [{ appName: "we--b" }, /name the environment by itself, not "we--b"/],
      [{ appName: "web-" }, /"web-" can't be the name of an app/],
      [{ message: "x".repeat(2_049) }, /2049 characters; it may have 2048/],
      [{ annotations: many }, /33 annotations; there may be 32/],
      [{ annotations: { ["k".repeat(65)]: "" } }, /65 characters; it may have 64/],
      [{ annotations: { openapi: "" } }, /may be called "openapi"/],
      [{ annotations: { note: "é".repeat(8_192) } }, /16395 bytes as JSON; they may have 16384/],
      [{ attach: true, strategy: "recreate" }, /nothing to attach to/],
      [{ machine: { numGpus: 0.5 } }, /numGpus has to be a whole number from 0, not 0\.5/],
      [{ machine: { maxConcurrency: -1 } }, /maxConcurrency has to be a whole number from 0, not -1/],
      [{ machine: { requestTimeout: Infinity } }, /requestTimeout has to be a number of seconds/],
      [{ machine: { keepAlive: 2 ** 31 } }, /keepAlive has to be a whole number from 0/],
      [{ machine: { keepAlive: 0.5 } }, /keepAlive has to be a whole number from 0, not 0\.5/],
      [{ terminationGracePeriodSeconds: Number.NaN }, /terminationGracePeriodSeconds .* not NaN/],
      [{ healthCheck: { path: "/", failureThreshold: 1.5 } }, /failureThreshold has to be a whole number/],
      [{ retryConfig: { timeout: { retries: 1.5 } } }, /retries has to be a whole number/],
      [{ metadata: { size: 1n } }, /metadata has to be plain data, as JSON has it/],
      // As from a program without types.
      [JSON.parse('{"auth":"pubic"}') as object, /auth has to be one of "private", .* not "pubic"/],
      [JSON.parse('{"strategy":"roling"}') as object, /strategy has to be one of .* not "roling"/],
      [JSON.parse('{"skipRetryConditions":["late"]}') as object, /skipRetryConditions .* not "late"/],
    ];
    const files = [{ relativePath: "a.txt", absolutePath: "/nonexistent/a.txt", sizeBytes: 1 }];
    for (const [options, pattern] of wrong)
      await assert.rejects(deployTo(plane, { files, ...options }), isUsageError(pattern));
    assert.deepEqual(plane.calls, []);
    await deployTo(plane, { message: "😀".repeat(2_048) });
  });
});

function isUsageError(pattern: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, pattern);
    return true;
  };
}

describe("a deployment's response", () => {
  test("log lines of the build and the registration are passed on as they arrive", async () => {
    await using plane = await ControlPlane.start({
      grpc: {
        *buildEnvironment() {
          yield { logs: [{ message: "step 1\n", source: LogSource.BUILDER, level: LogLevel.INFO }] };
          yield { logs: [{ message: "step 2", source: 9 as LogSource, level: 99 as LogLevel }], ...BUILT };
          yield { logs: [{ message: "after the end" }] };
        },
        *registerApplication() {
          yield {
            logs: [
              { message: "up", source: LogSource.USER, level: LogLevel.STDERR, timestamp: { seconds: 5n } },
            ],
          };
          yield REGISTERED;
        },
      },
    });
    const logs: ApplicationLog[] = [];
    await deployTo(plane, { onLog: (log) => logs.push(log) });
    assert.deepEqual(
      logs.map(({ message, source, level }) => [message, source, level]),
      [
        ["step 1", "BUILDER", "INFO"],
        ["step 2", "BRIDGE", "INFO"],
        ["up", "USER", "STDERR"],
      ],
    );
    assert.deepEqual(logs.at(-1)?.timestamp, new Date(5_000));
  });

  test("a failed build reports the reason in one line, and registers nothing", async () => {
    await using plane = await ControlPlane.start({
      grpc: {
        ...GOOD,
        *buildEnvironment() {
          yield { logs: [{ message: "npm ERR! no\nsuch package", level: LogLevel.ERROR }] };
          yield { logs: [{ message: "cleaning up" }] };
          yield { status: { state: HostedRunStatus_State.INTERNAL_FAILURE } };
        },
      },
    });
    await assert.rejects(
      deployTo(plane),
      failing("DEPLOY_FAILED", /^The image of web could not be built: npm ERR! no such package\.$/),
    );
    assert.deepEqual(plane.methods(), ["BuildEnvironment"]);
  });

  test("streams that end without a result are failures", async () => {
    await using plane = await ControlPlane.start({
      grpc: {
        *buildEnvironment(_request, { index }) {
          if (index > 0) yield BUILT;
        },
        *registerApplication() {
          yield { logs: [{ message: "no machine is free" }] };
        },
      },
    });
    await assert.rejects(
      deployTo(plane),
      failing("DEPLOY_FAILED", /ended without saying whether it went well/),
    );
    await assert.rejects(
      deployTo(plane),
      failing(
        "DEPLOY_FAILED",
        /^The registration of web ended without a result: no machine is free\. Look at/,
      ),
    );
  });

  test("a result without URLs, or URLs without a result, is a failure", async () => {
    await using plane = await ControlPlane.start({
      grpc: {
        ...GOOD,
        *registerApplication(_request, { index }) {
          if (index === 0) yield { result: REGISTERED.result };
          if (index === 1) yield { serviceUrls: URLS };
          if (index === 2) yield { result: {}, serviceUrls: URLS };
        },
      },
    });
    await assert.rejects(
      deployTo(plane),
      failing("DEPLOY_FAILED", /registered web as rev-1, but did not tell its/),
    );
    await assert.rejects(deployTo(plane), failing("DEPLOY_FAILED", /ended without a result\. /));
    await assert.rejects(deployTo(plane), failing("DEPLOY_FAILED", /did not tell its revision/));
  });

  test("UNAVAILABLE twice and then success is a success", async () => {
    await using plane = await ControlPlane.start({
      grpc: {
        buildEnvironment: unavailable(2, GOOD.buildEnvironment),
        registerApplication: unavailable(2, GOOD.registerApplication),
      },
    });
    assert.equal((await deployTo(plane)).revision, "rev-1");
    assert.equal(plane.calls.length, 6);
  });

  test("a response that breaks off is a failure", async () => {
    await using plane = await ControlPlane.start({
      grpc: {
        ...GOOD,
        async *registerApplication(_request, { index }) {
          yield { logs: [{ message: "starting" }] };
          yield await (index === 0 ? cutConnection() : endWithoutStatus());
        },
      },
    });
    for (const _ of ["disconnected", "ended"]) {
      await assert.rejects(deployTo(plane), failing("PLATFORM_UNREACHABLE", /./));
    }
    assert.equal(plane.requestsOf("registerApplication").length, 2);
  });

  test("an expired key and a refusal are reported in one line, without the key", async () => {
    await using plane = await ControlPlane.start({
      grpc: {
        ...GOOD,
        *registerApplication() {
          throw refusal(Code.InvalidArgument, "There is no machine type XS.");
        },
      },
    });
    const environment = { ...plane.environment, FAL_KEY: KEY_OF_NOBODY };
    await assert.rejects(deployTo(plane, {}, environment), (error) => {
      assert.ok(error instanceof PlatformError);
      assert.doesNotMatch(String(error.stack), /gone-secret/);
      return failing("CREDENTIALS_INVALID", /gone-id/)(error);
    });
    await assert.rejects(deployTo(plane), failing("PLATFORM_REFUSED", /^There is no machine type XS\.$/));
  });

  for (const phase of ["building", "registering"] as const) {
    test(`cancelling while ${phase} ends the call on the server too`, async () => {
      const controller = new AbortController();
      const reason = new Error("enough");
      let left: Promise<unknown> | undefined;
      const waitForEnd = async function* (_request: unknown, { signal }: { readonly signal: AbortSignal }) {
        left = once(signal, "abort");
        yield { logs: [{ message: "working" }] };
        await left;
      };
      await using plane = await ControlPlane.start({
        grpc:
          phase === "building"
            ? { ...GOOD, buildEnvironment: waitForEnd }
            : { ...GOOD, registerApplication: waitForEnd },
      });
      const run = deployTo(plane, { signal: controller.signal, onLog: () => controller.abort(reason) });
      await assert.rejects(run, reason);
      await left;
      assert.equal(plane.calls.at(-1)?.isAborted, true);
      assert.equal(plane.calls.length, phase === "building" ? 1 : 2);
    });
  }
});
