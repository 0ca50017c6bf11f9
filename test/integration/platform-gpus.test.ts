import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gpuName } from "../../src/platform/apps/gpu-usage.ts";
import { ServerlessClient } from "../../src/platform/serverless-client.ts";
import { ControlPlane } from "../helpers/control-plane.ts";

/** Recorded with fal 1.83. */
const NAMES: readonly (readonly [type: string, name: string])[] = [
  ["NVIDIA H100 80GB HBM3", "H100"],
  ["NVIDIA H100 80GB HBM3 MIG 3g.40gb", "H100"],
  ["GPU-H100", "H100"],
  ["NVIDIA H200", "H200"],
  ["GPU-B200", "B200"],
  ["NVIDIA A100-SXM4-40GB", "A100"],
  ["NVIDIA L40S", "L40"],
  ["NVIDIA L40", "L40"],
  ["NVIDIA GeForce RTX 5090", "5090"],
  ["GPU-RTX5090", "5090"],
  ["rtx-5090", "5090"],
  ["NVIDIA RTX PRO 6000 Blackwell", "RTX 6000"],
  ["NVIDIA RTX A6000", "RTX A6000"],
  ["NVIDIA GeForce RTX 4090 Ti", "RTX 4090 Ti"],
  ["NVIDIA A30 MIG 1g.6gb", "A30"],
  ["NVIDIA A800 80GB MIG 1g", "A800 MIG"],
  ["NVIDIA V100", "V100"],
  ["NVIDIA A10G", "A10G"],
  ["AMD MI300X", "MI300X"],
  ["Tesla T4", "Tesla T4"],
  ["Something Long", "Somet..."],
  ["GH200", "GH200"],
  ["NVIDIA GH200 480GB", "NVIDI..."],
];
test("GPU types have the same short names as in fal's own command line", () => {
  for (const [type, name] of NAMES) assert.equal(gpuName(type), name, type);
});

describe("GPUs in use", () => {
  const apps = {
    "ada/web": {
      gpu_count_by_type: {
        "NVIDIA A10G": 1,
        "NVIDIA H100 80GB HBM3": 4,
        "GPU-H100": 4,
        XS: 3,
        "GPU-A100": 0,
      },
    },
    "ada/voice": { gpu_count_by_type: null },
    "ada/text": {},
    "bob/voice": { gpu_count_by_type: { "NVIDIA L40S": 1 } },
    "ada/odd": { gpu_count_by_type: { "NVIDIA L40S": "2", "NVIDIA H200": -1 } },
  };
  const withMetrics = async (
    json: unknown,
    work: (client: ServerlessClient) => Promise<void>,
  ): Promise<void> => {
    await using plane = await ControlPlane.start({ rest: { "GET /applications/metrics": () => ({ json }) } });
    using client = new ServerlessClient({ environment: plane.environment });
    await work(client);
  };

  test("by an app, by its name with or without the owner", () =>
    withMetrics({ apps }, async (client) => {
      const web = { gpus: { H100: 8, A10G: 1 }, total: 9 };
      assert.deepEqual(await client.apps.gpus("web"), web);
      assert.deepEqual(Object.keys((await client.apps.gpus("ada/web")).gpus), ["H100", "A10G"]);
      const none = { gpus: {}, total: 0 };
      for (const name of ["text", "odd", "ada/voice"])
        assert.deepEqual(await client.apps.gpus(name), none, name);
      assert.deepEqual(await client.apps.gpus("bob/voice"), { gpus: { L40: 1 }, total: 1 });
    }));

  test("are an error for an app whose name is unknown, ambiguous or empty", () =>
    withMetrics({ apps }, async (client) => {
      await assert.rejects(client.apps.gpus("none"), {
        message: "The control plane has no metrics of an app none.",
      });
      await assert.rejects(client.apps.gpus("constructor"), { name: "UsageError" });
      await assert.rejects(client.apps.gpus("voice"), { message: /several|Several.*ada\/voice, bob\/voice/ });
      await assert.rejects(client.apps.gpus(" "), { message: "The app has no name." });
    }));

  test("by all runners", () =>
    withMetrics({ summary: { total_gpu_by_type: { "GPU-B200": 2, M: 5 } } }, async (client) => {
      assert.deepEqual(await client.runners.gpus(), { gpus: { B200: 2 }, total: 2 });
    }));

  test("are an error or zero if the response has another form", async () => {
    for (const json of [null, [], "x", 5]) {
      await withMetrics(json, async (client) => {
        await assert.rejects(client.runners.gpus(), { code: "PLATFORM_REFUSED" });
      });
    }
    for (const json of [{}, { summary: null }, { summary: [] }, { summary: { total_gpu_by_type: 3 } }]) {
      await withMetrics(json, async (client) => {
        assert.deepEqual(await client.runners.gpus(), { gpus: {}, total: 0 });
      });
    }
  });
});
