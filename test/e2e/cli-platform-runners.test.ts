import assert from "node:assert/strict";
import { test } from "node:test";
import { RunnerInfo_State } from "../../src/platform/generated/controller_pb.ts";
import { runCli, type Ended } from "../helpers/cli.ts";
import { ControlPlane } from "../helpers/control-plane.ts";

const run = (plane: ControlPlane, ...args: string[]): Promise<Ended> =>
  runCli(["runners", ...args], undefined, plane.environment);

test("servable runners lists the runners of all apps by state, with their apps, and stops and kills them", async () => {
  await using plane = await ControlPlane.start({
    grpc: {
      listRunners: () => ({
        runners: [
          { runnerId: "r-1", alias: "web", revision: "rev-1", machineType: "S", uptime: 61 },
          { runnerId: "r-2", alias: "voice", state: RunnerInfo_State.DRAINING, inFlightRequests: 2 },
          { runnerId: "r-3", alias: "web", state: RunnerInfo_State.PENDING },
        ].map((runner) => ({ state: RunnerInfo_State.RUNNING, ...runner })),
      }),
      stopRunner: () => ({}),
      killRunner: () => ({}),
    },
  });
  const listed = await run(plane, "list", "--state", "running");
  assert.deepEqual([listed.exitCode, listed.stderr], [0, ""]);
  const [counts, heads, first, second] = listed.stdout.split("\n");
  assert.equal(counts, "2 runners, 2 requests in flight");
  assert.match(heads ?? "", /^Alias +Machine Type +Runner ID .* State$/);
  assert.match(first ?? "", /^web +S +r-1 +0 +- +1 min 1 s +rev-1 +RUNNING$/);
  assert.match(second ?? "", /^voice +- +r-2 +2 .* DRAINING$/);
  const asJson = await run(plane, "list", "--json", "--state", "pending");
  const [runner, ...others] = JSON.parse(asJson.stdout) as Record<string, unknown>[];
  assert.deepEqual([runner?.["runner_id"], runner?.["alias"], others], ["r-3", "web", []]);

  const stopped = await run(plane, "stop", "r-1", "-r");
  assert.deepEqual([stopped.exitCode, stopped.stdout], [0, "The runner r-1 is being stopped.\n"]);
  const killed = await run(plane, "kill", "r-2");
  assert.deepEqual([killed.exitCode, killed.stdout], [0, "The runner r-2 is killed.\n"]);
  assert.deepEqual(
    plane.calls.map(({ method, json }) => [method, json]),
    [
      ["ListRunners", { listPending: true }],
      ["ListRunners", { listPending: true }],
      ["StopRunner", { runnerId: "r-1", replaceFirst: true }],
      ["KillRunner", { runnerId: "r-2" }],
    ],
  );
});
