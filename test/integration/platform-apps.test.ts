import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { PlatformError, UsageError } from "../../src/errors.ts";
import {
  ApplicationAuthMode,
  RunnerInfo_ReplaceState,
  RunnerInfo_State,
} from "../../src/platform/generated/controller_pb.ts";
import { appsRunners, listApps, scaleApp } from "../../src/platform/operations.ts";
import { ControlPlane, refusal, unavailable } from "../helpers/control-plane.ts";
import { sent, withClient } from "../helpers/platform-client.ts";

const ALIAS = {
  alias: "web--staging",
  environmentName: "staging",
  revision: "rev-1",
  authMode: ApplicationAuthMode.SHARED,
  maxConcurrency: 4,
  minConcurrency: 1,
  maxMultiplexing: 2,
  keepAlive: 300,
  activeRunners: 3,
  machineTypes: ["S", "M"],
  validRegions: ["us-east"],
  scalingDelaySeconds: 5,
};

describe("app requests to the control plane", () => {
  test("a list sends no environment unless one is named, and contains only the fields that were sent", () =>
    withClient({ listAliases: () => ({ aliases: [ALIAS] }) }, async (client, plane) => {
      const [app] = await client.apps.list();
      await client.apps.list({ environment: "staging" });
      assert.deepEqual(app, {
        name: "web",
        environment: "staging",
        revision: "rev-1",
        auth: "shared",
        minConcurrency: 1,
        maxConcurrency: 4,
        concurrencyBuffer: undefined,
        concurrencyBufferPerc: undefined,
        scalingDelay: 5,
        maxMultiplexing: 2,
        keepAlive: 300,
        requestTimeout: undefined,
        startupTimeout: undefined,
        machineTypes: ["S", "M"],
        regions: ["us-east"],
        activeRunners: 3,
        isRolling: false,
      });
      assert.deepEqual(sent(plane), [
        ["ListAliases", {}],
        ["ListAliases", { environmentName: "staging" }],
      ]);
    }));

  test("scaling one value sends only that value, even if it is zero", () =>
    withClient({ updateApplication: () => ({ aliasInfo: ALIAS }) }, async (client, plane) => {
      const app = await client.apps.scale("web", { minConcurrency: 0 });
      assert.equal(app?.name, "web");
      await client.apps.scale("web", { scalingDelay: 7, regions: ["eu-west"], environment: "staging" });
      assert.deepEqual(sent(plane), [
        ["UpdateApplication", { applicationName: "web", minConcurrency: 0 }],
        [
          "UpdateApplication",
          {
            applicationName: "web--staging",
            environmentName: "staging",
            scalingDelaySeconds: 7,
            validRegions: ["eu-west"],
          },
        ],
      ]);
    }));

  test("every value can be set alone, and only that value is sent", () =>
    withClient({ updateApplication: () => ({}) }, async (client, plane) => {
      const amounts = {
        keepAlive: "keepAlive",
        maxMultiplexing: "maxMultiplexing",
        maxConcurrency: "maxConcurrency",
        minConcurrency: "minConcurrency",
        concurrencyBuffer: "concurrencyBuffer",
        concurrencyBufferPerc: "concurrencyBufferPerc",
        requestStartTimeout: "requestStartTimeout",
        scalingDelay: "scalingDelaySeconds",
        requestTimeout: "requestTimeout",
        startupTimeout: "startupTimeout",
      };
      const lists = { machineTypes: "machineTypes", regions: "validRegions" };
      for (const name of Object.keys(amounts)) await client.apps.scale("web", { [name]: 0 });
      for (const name of Object.keys(lists)) await client.apps.scale("web", { [name]: ["x"] });
      assert.deepEqual(
        plane.calls.map(({ json }) => json),
        [
          ...Object.values(amounts).map((field) => ({ applicationName: "web", [field]: 0 })),
          ...Object.values(lists).map((field) => ({ applicationName: "web", [field]: ["x"] })),
        ],
      );
    }));

  test("scaling without values, or with invalid ones, sends nothing", () =>
    withClient({}, async (client, plane) => {
      assert.equal(await client.apps.scale("web", {}), undefined);
      await assert.rejects(
        client.apps.scale("web", { keepAlive: 1.5 }),
        /keepAlive has to be a whole number/,
      );
      await assert.rejects(client.apps.scale("web", { maxConcurrency: 2 ** 31 }), UsageError);
      await assert.rejects(
        client.apps.scale("web", { machineTypes: [] }),
        /machineTypes has to name at least one/,
      );
      await assert.rejects(client.apps.scale("web--staging", { keepAlive: 1 }), /environment by itself/);
      await assert.rejects(client.apps.list({ environment: "x" }), PlatformError);
      await assert.rejects(client.apps.runners("me/web"), /no owner/);
      const since = new Date(Number.NaN);
      await assert.rejects(client.apps.runners("web", { since }), UsageError);
      await assert.rejects(client.runners.list({ since }), UsageError);
      const wrong = JSON.parse('{"strategy":"roling"}') as object;
      await assert.rejects(client.apps.setRevision("web", "r", wrong), /strategy has to be one of/);
      assert.deepEqual(plane.methods(), ["ListAliases"]);
    }));

  test("runners have their state, their times and the requests they work on", () =>
    withClient(
      {
        listAliasRunners: () => ({
          runners: [
            {
              runnerId: "r-1",
              alias: "web",
              revision: "rev-1",
              state: RunnerInfo_State.FAILURE_DELAY,
              machineType: "S",
              inFlightRequests: 1,
              uptime: 12.5,
              replacement: RunnerInfo_ReplaceState.WILL_REPLACE,
              externalMetadata: {
                leases: [{ request_id: "q-1", caller_user_id: "u-1", leased_at_epoch: 1_700_000_000 }, "odd"],
              },
            },
            { runnerId: "r-2" },
          ],
        }),
      },
      async (client, plane) => {
        const since = new Date("2026-01-31T12:00:00.250Z");
        const [first, second] = await client.apps.runners("web", { since, environment: "main" });
        assert.deepEqual(first, {
          runnerId: "r-1",
          alias: "web",
          revision: "rev-1",
          state: "CRASH_BACKOFF",
          machineType: "S",
          inFlightRequests: 1,
          expirationCountdown: undefined,
          uptime: 12.5,
          replacement: "WILL_REPLACE",
          leases: [{ requestId: "q-1", callerUserId: "u-1", leasedAt: new Date(1_700_000_000_000) }],
        });
        assert.equal(second?.state, "UNKNOWN");
        assert.deepEqual(sent(plane), [
          [
            "ListAliasRunners",
            {
              alias: "web",
              listPending: true,
              startTime: "2026-01-31T12:00:00.250Z",
              environmentName: "main",
            },
          ],
        ]);
      },
    ));

  test("rollout, the list of revisions and a change of revision send the given values", () =>
    withClient(
      {
        rolloutApplication: () => ({}),
        listApplications: () => ({
          applications: [
            { applicationId: "rev-0", createdAt: { seconds: 1_700_000_000n, nanos: 5_000_000 } },
          ],
        }),
        setAlias: () => ({ aliasInfo: ALIAS }),
      },
      async (client, plane) => {
        await client.apps.rollout("web");
        await client.apps.rollout("web", { force: true, environment: "staging" });
        const [revision] = await client.apps.revisions("web");
        assert.equal(revision?.revision, "rev-0");
        assert.equal(revision?.createdAt?.getTime(), 1_700_000_000_005);
        await client.apps.setRevision("web", "rev-0");
        await client.apps.setRevision("web", "rev-0", { auth: "private", strategy: "recreate" });
        assert.deepEqual(sent(plane), [
          ["RolloutApplication", { applicationName: "web" }],
          [
            "RolloutApplication",
            { applicationName: "web--staging", force: true, environmentName: "staging" },
          ],
          ["ListApplications", { applicationName: "web" }],
          ["SetAlias", { alias: "web", revision: "rev-0" }],
          [
            "SetAlias",
            { alias: "web", revision: "rev-0", authMode: "PRIVATE", deploymentStrategy: "RECREATE" },
          ],
        ]);
      },
    ));

  test("deleting an app that does not exist succeeds; any other refusal is an error", () =>
    withClient(
      {
        deleteAlias: ({ alias }) => {
          if (alias === "gone") throw refusal(Code.NotFound, "No such alias.");
          if (alias === "mine") throw refusal(Code.FailedPrecondition, "It is locked.");
          return { revision: "rev-1" };
        },
      },
      async (client) => {
        assert.equal(await client.apps.delete("web"), "rev-1");
        assert.equal(await client.apps.delete("gone"), undefined);
        await assert.rejects(client.apps.delete("mine"), {
          message: "It is locked.",
          code: "PLATFORM_REFUSED",
        });
      },
    ));

  test("a closed client makes no further calls", () =>
    withClient({ listAliases: () => ({}) }, async (client, plane) => {
      await client.apps.list();
      client.close();
      await assert.rejects(client.apps.list(), /The client is closed/);
      assert.equal(plane.calls.length, 1);
    }));

  test("the standalone functions do the same with a client of their own", async () => {
    await using plane = await ControlPlane.start({
      grpc: {
        listAliases: unavailable(1, () => ({ aliases: [ALIAS] })),
        listAliasRunners: () => ({}),
        updateApplication: () => ({}),
      },
    });
    const { environment } = plane;
    assert.equal((await listApps({ environment: "staging" }, { environment })).length, 1);
    assert.deepEqual(await appsRunners("web", {}, { environment }), []);
    assert.equal(await scaleApp("web", { keepAlive: 1 }, { environment }), undefined);
    assert.deepEqual(plane.methods(), [
      "ListAliases",
      "ListAliases",
      "ListAliasRunners",
      "UpdateApplication",
    ]);
  });
});
