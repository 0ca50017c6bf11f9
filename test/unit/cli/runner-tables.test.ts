import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { inStates } from "../../../src/cli/platform/runner-filter.ts";
import { printRunners, printRunnersJson } from "../../../src/cli/platform/runner-tables.ts";
import type { RunnerInfo } from "../../../src/platform/runners/runner-info.ts";

const RUNNER: RunnerInfo = {
  runnerId: "r-1",
  alias: "web",
  revision: "rev-1",
  state: "RUNNING",
  machineType: "S",
  inFlightRequests: 1,
  expirationCountdown: 3_725,
  uptime: 61,
  replacement: "WILL_REPLACE",
  leases: [
    { requestId: "q-1", callerUserId: "github|1", leasedAt: new Date(Date.now() - 90_000) },
    { requestId: "q-2", callerUserId: undefined, leasedAt: undefined },
  ],
};

/** Runs an action and returns its output. */
function printed(work: () => void): string {
  const { mock: log } = mock.method(console, "log", () => {});
  try {
    work();
    return log.calls.map((call) => (call.arguments as readonly unknown[]).join(" ")).join("\n");
  } finally {
    log.restore();
  }
}

const cellsOf = (line = ""): string[] => line.split(/ {2,}/);

test("runners are counted, and listed with the requests they work on", () => {
  const lines = printed(() => printRunners([RUNNER], true)).split("\n");
  assert.equal(lines[0], "1 runner, 1 request in flight");
  const heads = [
    "Machine Type",
    "Runner ID",
    "In Flight Requests",
    "Expires In",
    "Uptime",
    "Revision",
    "State",
  ];
  assert.deepEqual(cellsOf(lines[1]), ["Alias", ...heads]);
  assert.deepEqual(cellsOf(lines[2]), [
    ...["web", "S", "r-1", "1", "1 h 2 min", "1 min 1 s", "rev-1", "RUNNING (will be replaced)"],
  ]);
  assert.deepEqual(cellsOf(lines[4]), ["Runner ID", "Request ID", "Caller ID", "Time Running"]);
  assert.deepEqual(cellsOf(lines[5]), ["r-1", "q-1", "github|1", "1 min 30 s"]);
  assert.deepEqual(cellsOf(lines[6]), ["r-1", "q-2", "-", "-"]);
  const [, ofOneApp] = printed(() => printRunners([RUNNER], false)).split("\n");
  assert.deepEqual(cellsOf(ofOneApp), heads);
  assert.equal(
    printed(() => printRunners([], true)),
    "0 runners, 0 requests in flight",
  );
});

test("a runner in JSON has fal's field names", () => {
  const [runner = {}] = JSON.parse(printed(() => printRunnersJson([RUNNER]))) as Record<string, unknown>[];
  assert.deepEqual(
    Object.keys(runner).toSorted(),
    [
      ...["alias", "machine_type", "runner_id", "in_flight_requests", "expiration_countdown"],
      ...["uptime_seconds", "revision", "state", "replacement", "leases"],
    ].toSorted(),
  );
});

test("a state on the command line stands for one or several states of the protocol", () => {
  const states = [
    "RUNNING",
    "DRAINING",
    "IDLE",
    "DEAD",
    "TERMINATED",
    "DOCKER_PULL",
    "CRASH_BACKOFF",
  ] as const;
  const runners = states.map((state) => ({ ...RUNNER, state }));
  const found = (...names: string[]): string[] => inStates(runners, names).map(({ state }) => state);
  assert.deepEqual(found("running"), ["RUNNING", "DRAINING"]);
  assert.deepEqual(found("terminated", "pending"), ["DEAD", "TERMINATED", "DOCKER_PULL"]);
  assert.deepEqual(found("crash_backoff", "idle"), ["IDLE", "CRASH_BACKOFF"]);
  assert.deepEqual(found("idle", "all"), [...states]);
});
