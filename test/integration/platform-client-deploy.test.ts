import assert from "node:assert/strict";
import { test } from "node:test";
import { ContainerImage, deploy, ServerlessClient, UsageError } from "servable";
import { HostedRunStatus_State } from "../../src/platform/generated/controller_pb.ts";
import { ContextFolder } from "../helpers/context-folder.ts";
import { ControlPlane, type ControlPlaneOptions } from "../helpers/control-plane.ts";
import { FileStore } from "../helpers/file-store.ts";

const urls = { playground: "p", run: "r", queue: "q", ws: "w", log: "l" };
const GOOD = {
  *buildEnvironment() {
    yield { status: { state: HostedRunStatus_State.SUCCESS } };
  },
  *registerApplication() {
    yield { result: { applicationId: "rev-1" }, serviceUrls: urls };
  },
} satisfies ControlPlaneOptions["grpc"];

const app = { appName: "web", image: ContainerImage.fromImage("ghcr.io/me/app:1").toDict() };
const deployed = { revision: "rev-1", appName: "web", environment: "main", urls };

test("client.deploy() builds and registers over the client's own connection", async () => {
  await using plane = await ControlPlane.start({ grpc: GOOD });
  using client = new ServerlessClient({ environment: plane.environment });
  assert.deepEqual(await client.deploy(app), deployed);
  assert.deepEqual(plane.methods(), ["BuildEnvironment", "RegisterApplication"]);
});

test("a ContainerImage uploads the files that its Dockerfile copies", async () => {
  await using plane = await ControlPlane.start({ grpc: GOOD });
  await using store = await FileStore.start();
  using folder = new ContextFolder({ "src/app.js": "1", "src/app.test.js": "2", "notes.txt": "3" });
  const dockerfile = folder.write("Dockerfile", "FROM scratch\nCOPY src /app\n");
  using client = new ServerlessClient({ environment: { ...plane.environment, FAL_REST_HOST: store.url } });
  const image = ContainerImage.fromDockerfile(dockerfile, { ignore: ["*.test.js"] });
  const phases: string[] = [];
  const onPhase = (phase: string): void => void phases.push(phase);
  assert.deepEqual(await client.deploy({ appName: "web", image, onPhase }), deployed);
  assert.deepEqual(phases, ["uploading", "building", "registering"]);
  const [request] = plane.requestsOf("registerApplication");
  assert.deepEqual(
    request?.files.map(({ relativePath }) => relativePath),
    ["src/app.js"],
  );
  assert.equal(store.files.size, 1);
  const sent = JSON.stringify(plane.calls.map(({ json }) => json));
  assert.match(sent, /COPY src/);
  assert.ok(!sent.includes(folder.path));

  // An invalid name is reported before anything is read or sent; a missing source is reported before the build.
  await assert.rejects(client.deploy({ appName: "a/b", image }), UsageError);
  const missing = ContainerImage.fromDockerfileString("FROM scratch\nCOPY none /\n", {
    contextDirectory: folder.path,
  });
  await assert.rejects(client.deploy({ appName: "web", image: missing }), /copies "none", which is not in/);
  assert.deepEqual([store.questions.length, plane.calls.length], [1, 2]);
});

test("an interrupted upload is continued by the client's next deployment", async () => {
  await using plane = await ControlPlane.start({ grpc: GOOD });
  await using store = await FileStore.start();
  using folder = new ContextFolder({ "model.bin": "weights" });
  using client = new ServerlessClient({ environment: { ...plane.environment, FAL_REST_HOST: store.url } });
  const image = ContainerImage.fromDockerfileString("FROM scratch\nCOPY model.bin /\n", {
    contextDirectory: folder.path,
  });
  store.break("POST", /\/complete$/, { status: 503 });
  await assert.rejects(client.deploy({ appName: "web", image }), /503/);
  store.mend();
  assert.deepEqual(await client.deploy({ appName: "web", image }), deployed);
  assert.deepEqual([store.count(/\/initiate$/), store.count(/^PUT /), store.uploads.size], [1, 1, 0]);
});

test("deploy(), which closes its client, leaves no upload open", async () => {
  await using plane = await ControlPlane.start({ grpc: GOOD });
  await using store = await FileStore.start();
  using folder = new ContextFolder({ "model.bin": "weights" });
  const image = ContainerImage.fromDockerfileString("FROM scratch\nCOPY model.bin /\n", {
    contextDirectory: folder.path,
  });
  store.break("POST", /\/complete$/, { status: 503 });
  const environment = { ...plane.environment, FAL_REST_HOST: store.url };
  await assert.rejects(deploy({ appName: "web", image }, { environment }), /503/);
  assert.deepEqual([store.count(/\/cancel$/), store.uploads.size, plane.calls.length], [1, 0, 0]);
});

test("deploy() deploys with a client of its own", async () => {
  await using plane = await ControlPlane.start({ grpc: GOOD });
  assert.deepEqual(await deploy(app, { environment: plane.environment }), deployed);
});

const NO_IMAGES: readonly (readonly [what: string, options: unknown, message: RegExp])[] = [
  ["none", { appName: "web" }, /^There is no image for the deployment of web: give a ContainerImage, or/],
  ["undefined", { appName: "web", image: undefined }, /^There is no image for the deployment of web/],
  ["null", { appName: "web", image: null }, /^There is no image for the deployment of web/],
  [
    "a name",
    { appName: "web", image: "ghcr.io/me/app:1" },
    /^The image for the deployment of web is not one: give/,
  ],
  ["a list", { appName: "web", image: [] }, /is not one/],
  ["nothing in it", { appName: "web", image: {} }, /is not one/],
  ["an empty Dockerfile", { appName: "web", image: { dockerfile_str: "" } }, /is not one/],
  ["the form of a config", { appName: "web", image: { dockerfile: "Dockerfile" } }, /is not one/],
  ["a function", { appName: "web", image: () => "x" }, /is not one/],
  ["neither image nor name", {}, /^There is no image for a deployment/],
  ["a name that is missing", { image: { image: "x" } }, /^The app has no name\.$/],
];
for (const [what, options, message] of NO_IMAGES) {
  test(`a deployment without an image is rejected, and sends nothing: ${what}`, async () => {
    await using plane = await ControlPlane.start({ grpc: GOOD });
    using client = new ServerlessClient({ environment: plane.environment });
    for (const failed of [
      () => client.deploy(options as typeof app),
      () => deploy(options as typeof app, { environment: plane.environment }),
    ]) {
      await assert.rejects(failed, (error: Error) => {
        assert.ok(error instanceof UsageError, String(error));
        assert.match(error.message, message);
        return true;
      });
    }
    assert.deepEqual(plane.calls, []);
  });
}
