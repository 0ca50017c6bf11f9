import assert from "node:assert/strict";
import { test } from "node:test";
import { ContainerImage, deploy, ServerlessClient } from "servable";
import { HostedRunStatus_State } from "../../src/platform/generated/controller_pb.ts";
import { ControlPlane, type ControlPlaneOptions } from "../helpers/control-plane.ts";

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

test("deploy() does so by a client of its own", async () => {
  await using plane = await ControlPlane.start({ grpc: GOOD });
  assert.deepEqual(await deploy(app, { environment: plane.environment }), deployed);
});
