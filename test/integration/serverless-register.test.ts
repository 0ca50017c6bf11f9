import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { App, ContainerImage, endpoint, FalServerlessHost, UsageError } from "servable";
import type { RegisterApplicationRequest } from "../../src/platform/generated/controller_pb.ts";
import { FunctionPlatform } from "../helpers/function-platform.ts";
import { echo } from "../helpers/serverless-functions.ts";
import { greet } from "../helpers/serverless-served.ts";

class Echo extends App {
  static override version = "2.1.0";
  static override image = ContainerImage.fromImage("ghcr.io/me/echo:1");
  static override keepAlive = 30;

  @endpoint("/")
  echo(): string {
    return "echo";
  }
}

class Imageless extends App {
  @endpoint("/")
  echo(): string {
    return "echo";
  }
}

const urls = { playground: "https://p", run: "https://r", queue: "https://q", ws: "", log: "https://l" };
const host = new FalServerlessHost();
let platform: FunctionPlatform;
before(async () => {
  platform = await FunctionPlatform.start({
    *registerApplication() {
      yield { result: { applicationId: "revision-1" }, serviceUrls: urls };
    },
  });
  platform.useEnvironment();
});
after(() => platform[Symbol.asyncDispose]());
beforeEach(() => void platform.plane.calls.splice(0));

function registered(): RegisterApplicationRequest {
  assert.deepEqual(platform.plane.methods(), ["BuildEnvironment", "RegisterApplication"]);
  return platform.plane.requestsOf("registerApplication")[0] as RegisterApplicationRequest;
}

interface Document {
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, { readonly post: { readonly operationId: string } }>>;
}

function openapiOf(metadata: RegisterApplicationRequest["metadata"]): Document {
  assert.ok(metadata !== undefined);
  return metadata["openapi"] as unknown as Document;
}

test("a served function is registered with its image, its document and its health check", async () => {
  const result = await host.register(
    greet.on({ keepAlive: 5, requestStartTimeout: 7, metadata: { team: "speech" } }),
    {
      message: "first",
      auth: "public",
    },
  );
  assert.deepEqual(result, { revision: "revision-1", appName: "greet", environment: "main", urls });
  const { applicationName, machineRequirements, healthCheckConfig, metadata, environments, files, authMode } =
    registered();
  assert.equal(applicationName, "greet");
  assert.equal(authMode, 1);
  assert.equal(healthCheckConfig?.path, "/health");
  assert.deepEqual(
    [
      machineRequirements?.keepAlive,
      machineRequirements?.requestStartTimeout,
      machineRequirements?.exposedPort,
      machineRequirements?.metricsPort,
      machineRequirements?.machineTypes,
    ],
    [5, 7, 8080, 9090, ["XS"]],
  );
  assert.equal(metadata?.["message"], "first");
  assert.equal(metadata?.["team"], "speech");
  const document = openapiOf(metadata);
  assert.equal(document.paths["/"]?.post.operationId, "greet");
  const image = environments[0]?.configuration?.["image"] as Record<string, unknown>;
  assert.equal(image["use_isolate"], false);
  assert.equal(image["docker_context_dir"], ".");
  const names = new Set(files.map(({ relativePath }) => relativePath));
  assert.ok(names.has("function/bundle/bundle.mjs") && names.has("server/server.mjs"));
});

test("a class is registered with its own image and settings, in the host's environment", async () => {
  const { appName, environment } = await new FalServerlessHost({ environmentName: "staging" }).register(
    Echo,
    {
      strategy: "recreate",
    },
  );
  assert.deepEqual([appName, environment], ["echo", "staging"]);
  const {
    applicationName,
    environmentName,
    machineRequirements,
    deploymentStrategy,
    environments,
    metadata,
  } = registered();
  assert.deepEqual([applicationName, environmentName], ["echo--staging", "staging"]);
  assert.deepEqual([machineRequirements?.keepAlive, machineRequirements?.machineTypes], [30, ["S"]]);
  assert.equal(deploymentStrategy, 0);
  assert.deepEqual(environments[0]?.configuration?.["image"], {
    image: "ghcr.io/me/echo:1",
    use_isolate: false,
  });
  assert.equal(openapiOf(metadata).info.version, "2.1.0");
});

test("the environment is read from FAL_ENV if the host names none, and no file is left", async (context) => {
  const temporary = mkdtempSync(join(tmpdir(), "servable-registered-"));
  const before = { FAL_ENV: process.env["FAL_ENV"], TMPDIR: process.env["TMPDIR"] };
  context.after(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    rmSync(temporary, { recursive: true });
  });
  Object.assign(process.env, { FAL_ENV: "testing", TMPDIR: temporary });
  assert.equal((await host.register(greet)).environment, "testing");
  assert.equal(registered().applicationName, "greet--testing");
  const left = readdirSync(temporary).filter((name) => name.startsWith("servable-register-"));
  assert.deepEqual(left, []);
});

test("a class or an instance without an image uses the given one", async () => {
  await host.register(new Imageless(), { image: ContainerImage.fromImage("other:2"), appName: "another" });
  const { applicationName, environments } = registered();
  assert.equal(applicationName, "another");
  assert.deepEqual(environments[0]?.configuration?.["image"], { image: "other:2", use_isolate: false });
});

test("an invalid registration is refused before anything is sent, with what to do", async () => {
  await assert.rejects(host.register(Imageless), (error: UsageError) => {
    assert.ok(error instanceof UsageError);
    assert.match(
      error.message,
      /^Imageless has no image: give it a `static image`.*"servable deploy FILE"\.$/,
    );
    return true;
  });
  for (const other of [undefined, {}, () => 5]) {
    await assert.rejects(
      host.register(other as never),
      /register\(\) takes a function that is served, a class/,
    );
  }
  await assert.rejects(host.register(echo as never), /^UsageError: echo\(\) is not served.*Add serve: true/);
  await assert.rejects(
    host.register(greet.on({ metadata: { openapi: {} } })),
    /No metadata may be called "openapi"/,
  );
  assert.deepEqual(platform.plane.methods(), []);
});
