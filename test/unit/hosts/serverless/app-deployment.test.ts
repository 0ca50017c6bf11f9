import assert from "node:assert/strict";
import { test } from "node:test";
import { appDeployment } from "../../../../src/hosts/serverless/app-deployment.ts";
import { endpoint } from "../../../../src/routes/endpoint.ts";
import { App } from "../../../../src/servable/app.ts";
import type * as appModule from "../../../../src/servable/app.ts";
import { secondCopy } from "../../../helpers/second-copy.ts";

const copy = await secondCopy()<typeof appModule>("servable/app.ts");

for (const [which, Base] of [
  ["this", App],
  ["another", copy.App],
] as const) {
  test(`a class that extends App of ${which} copy of the package is deployed with its settings`, async () => {
    class Bench extends Base {
      static override appName = "my-bench";
      static override appAuth = "public" as const;
      static override machineType = "GPU-A100";
      static override maxMultiplexing = 5_000;
      static override minConcurrency = 1;
      static override keepAlive = 7;
      @endpoint("/")
      answer(): void {}
    }
    const deployment = await appDeployment({ name: "Bench", app: new Bench() });
    assert.equal(deployment.appName, "my-bench");
    assert.equal(deployment.auth, "public");
    const { machineType, maxMultiplexing, minConcurrency, keepAlive } = deployment.machine ?? {};
    assert.deepEqual([machineType, maxMultiplexing, minConcurrency, keepAlive], ["GPU-A100", 5_000, 1, 7]);
  });
}
