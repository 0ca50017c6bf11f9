import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { cleanEnvironment, cliCommand, runCli, type Ended } from "../helpers/cli.ts";
import { ControlPlane } from "../helpers/control-plane.ts";

const run = (plane: ControlPlane, ...args: string[]): Promise<Ended> =>
  runCli(["secrets", ...args], undefined, plane.environment);

describe("servable secrets", () => {
  test("sets values, also with = in them, prints only their names, and deletes by sending no value", async () => {
    const listSecrets = () => ({ secrets: [{ name: "A" }] });
    await using plane = await ControlPlane.start({ grpc: { setSecret: () => ({}), listSecrets } });
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
        {},
        { name: "A" },
      ],
    );
  });

  test("reads the value from standard input, hidden from other users, when only a name is given", async () => {
    await using plane = await ControlPlane.start({ grpc: { setSecret: () => ({}) } });
    const [program = "", ...args] = [...cliCommand(), "secrets", "set", "API_TOKEN"];
    const child = spawn(program, args, { env: cleanEnvironment(plane.environment) });
    child.stdin.end("two\nlines\n");
    const ended = once(child, "close");
    assert.equal(await text(child.stdout), "Set API_TOKEN.\n");
    assert.deepEqual(await ended, [0, null]);
    assert.deepEqual(plane.calls[0]?.json, { name: "API_TOKEN", value: "two\nlines", defaultExposed: true });
  });

  test("lists secrets without their values", async () => {
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

  test("refuses a value without a name before anything is set, and does not print it", async () => {
    await using plane = await ControlPlane.start({ grpc: { setSecret: () => ({}) } });
    const { exitCode, stderr } = await run(plane, "set", "A=1", "hidden");
    assert.deepEqual(
      [exitCode, stderr],
      [
        1,
        "error: A secret is set as NAME=value, or as one NAME in capital letters alone, whose value is then asked for.\n",
      ],
    );
    assert.deepEqual(plane.calls, []);
  });
});
