import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { runCli, type Ended } from "../helpers/cli.ts";
import { ControlPlane } from "../helpers/control-plane.ts";

const run = (plane: ControlPlane, ...args: string[]): Promise<Ended> =>
  runCli(["environments", ...args], undefined, plane.environment);

describe("servable environments", () => {
  test("creates and lists environments", async () => {
    await using plane = await ControlPlane.start({
      grpc: {
        createEnvironment: () => ({}),
        listEnvironments: () => ({
          environments: [
            { name: "main", isDefault: true },
            { name: "qa", description: "for tests" },
          ],
        }),
      },
    });
    const made = await run(plane, "create", "qa", "--description", "for tests");
    assert.deepEqual([made.exitCode, made.stdout, made.stderr], [0, "Made the environment qa.\n", ""]);
    const { stdout } = await run(plane, "list");
    assert.equal(
      stdout,
      "Name  Description  Default  Created At\nmain  -            yes      -\nqa    for tests    no       -\n",
    );
    assert.deepEqual(
      plane.calls.map(({ json }) => json),
      [{ name: "qa", description: "for tests" }, {}],
    );
  });

  test("without a terminal to ask on, deletes only with a flag that skips the question", async () => {
    await using plane = await ControlPlane.start({ grpc: { deleteEnvironment: () => ({}) } });
    const refused = await run(plane, "delete", "qa");
    assert.deepEqual([refused.exitCode, refused.stdout], [1, ""]);
    assert.match(
      refused.stderr,
      /^error: This deletes the environment qa, .* There is no terminal to confirm it on.* add --yes\.\n$/,
    );
    assert.deepEqual(plane.methods(), []);
    const deleted = await run(plane, "delete", "qa", "--yes");
    assert.deepEqual([deleted.exitCode, deleted.stdout], [0, "Deleted the environment qa.\n"]);
    assert.deepEqual(
      plane.calls.map(({ json }) => json),
      [{ name: "qa" }],
    );
  });
});
