import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { UsageError } from "../../src/errors.ts";
import { RunnerInfo_State } from "../../src/platform/generated/controller_pb.ts";
import { listRunners } from "../../src/platform/operations.ts";
import { ControlPlane, refusal } from "../helpers/control-plane.ts";
import { sent, withClient } from "../helpers/platform-client.ts";

const RUNNER = { runnerId: "r-1", alias: "web--staging", revision: "rev-1", state: RunnerInfo_State.IDLE };

describe("runner requests to the control plane", () => {
  test("a list requests runners that are still starting, and with a start time also those that have ended", () =>
    withClient({ listRunners: () => ({ runners: [RUNNER] }) }, async (client, plane) => {
      const since = new Date("2026-01-31T12:00:00.250Z");
      const [runner, ...others] = await client.runners.list();
      await client.runners.list({ since });
      assert.deepEqual(others, []);
      assert.deepEqual(
        [runner?.runnerId, runner?.alias, runner?.revision, runner?.state],
        ["r-1", "web--staging", "rev-1", "IDLE"],
      );
      assert.deepEqual(sent(plane), [
        ["ListRunners", { listPending: true }],
        ["ListRunners", { listPending: true, startTime: "2026-01-31T12:00:00.250Z" }],
      ]);
    }));

  test("stopping sends the id, and whether a replacement has to be ready first; killing sends only the id", () =>
    withClient({ stopRunner: () => ({}), killRunner: () => ({}) }, async (client, plane) => {
      await client.runners.stop("r-1");
      await client.runners.stop("r-1", { replaceFirst: true });
      await client.runners.kill("r-2");
      assert.deepEqual(sent(plane), [
        ["StopRunner", { runnerId: "r-1" }],
        ["StopRunner", { runnerId: "r-1", replaceFirst: true }],
        ["KillRunner", { runnerId: "r-2" }],
      ]);
    }));

  test("a missing runner is an error; an empty id is refused without a request", () =>
    withClient(
      {
        killRunner: () => {
          throw refusal(Code.NotFound, "No such runner.");
        },
      },
      async (client, plane) => {
        await assert.rejects(client.runners.kill("r-9"), {
          message: "No such runner.",
          code: "PLATFORM_REFUSED",
          status: "NOT_FOUND",
        });
        await assert.rejects(client.runners.kill(" "), UsageError);
        await assert.rejects(client.runners.stop(""), UsageError);
        assert.deepEqual(plane.methods(), ["KillRunner"]);
      },
    ));

  test("the standalone function lists them with a client of its own", async () => {
    await using plane = await ControlPlane.start({ grpc: { listRunners: () => ({ runners: [RUNNER] }) } });
    const { environment } = plane;
    assert.equal((await listRunners({}, { environment })).length, 1);
  });
});
