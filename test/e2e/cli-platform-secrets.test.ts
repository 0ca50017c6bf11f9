import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { runCli, type Ended } from "../helpers/cli.ts";
import { ControlPlane } from "../helpers/control-plane.ts";

const run = (plane: ControlPlane, ...args: string[]): Promise<Ended> =>
  runCli(["secrets", ...args], undefined, plane.environment);

describe("servable secrets", () => {
  test("sets values, with = in them too, says their names alone, and deletes by sending no value", async () => {
    await using plane = await ControlPlane.start({ grpc: { setSecret: () => ({}) } });
    const set = await run(plane, "set", "A=hidden=1", "B=hidden2", "--env", "staging");
    assert.deepEqual([set.exitCode, set.stdout, set.stderr], [0, "Set A.\nSet B.\n", ""]);
    await run(plane, "set", "C=", "--not-exposed-by-default");
    await run(plane, "unset", "A");
    assert.deepEqual(
      plane.calls.map(({ json }) => json),
      [
        { name: "A", value: "hidden=1", defaultExposed: true, environmentName: "staging" },
        { name: "B", value: "hidden2", defaultExposed: true, environmentName: "staging" },
        { name: "C", value: "", defaultExposed: false },
        { name: "A" },
      ],
    );
  });

  test("lists them without values", async () => {
    const createdTime = { seconds: 1_700_000_000n, nanos: 0 };
    const secrets = [
      { name: "A", environmentName: "main", createdTime, defaultExposed: true },
      { name: "B" },
    ];
    await using plane = await ControlPlane.start({ grpc: { listSecrets: () => ({ secrets }) } });
    const { stdout } = await run(plane, "list");
    assert.match(
      stdout,
      /^Name +Env +Created At +Exposed By Default\nA +main +2023-11-14T22:13:20Z +yes\nB +- +- +-\n$/,
    );
    assert.deepEqual(plane.calls[0]?.json, {});
  });

  test("refuses what has no name, without showing it and before anything is set", async () => {
    await using plane = await ControlPlane.start({ grpc: { setSecret: () => ({}) } });
    const { exitCode, stderr } = await run(plane, "set", "A=1", "hidden");
    assert.deepEqual([exitCode, stderr], [1, "error: A secret is set as NAME=value.\n"]);
    assert.deepEqual(plane.calls, []);
  });
});
