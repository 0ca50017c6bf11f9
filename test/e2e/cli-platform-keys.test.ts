import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { runCli, type Ended } from "../helpers/cli.ts";
import { ControlPlane } from "../helpers/control-plane.ts";

const run = (plane: ControlPlane, ...args: string[]): Promise<Ended> =>
  runCli(["keys", ...args], undefined, plane.environment);

describe("servable keys", () => {
  test("a new key is printed once, quoted for a shell; no other output contains a secret", async () => {
    await using plane = await ControlPlane.start({
      grpc: {
        createUserKey: () => ({ keyId: "k-1", keySecret: "hid'den" }),
        listUserKeys: () => ({ userKeys: [{ keyId: "k-1", scope: 1, alias: "the website" }] }),
        revokeUserKey: () => ({}),
      },
    });
    const made = await run(plane, "create", "--scope", "API", "--desc", "the website", "--debug");
    assert.deepEqual([made.exitCode, made.stdout], [0, "FAL_KEY='k-1:hid'\\''den'\n"]);
    assert.equal(made.stderr, "Keep it now: it is not shown again.\n");
    const listed = await run(plane, "list");
    assert.equal(
      listed.stdout,
      "Key ID  Created At  Scope  Description\nk-1     -           API    the website\n",
    );
    const asJson = await run(plane, "list", "--json");
    assert.deepEqual(JSON.parse(asJson.stdout), [
      { key_id: "k-1", scope: "API", description: "the website" },
    ]);
    const revoked = await run(plane, "revoke", "k-1");
    assert.deepEqual([revoked.exitCode, revoked.stdout, revoked.stderr], [0, "Revoked k-1.\n", ""]);
    for (const { stdout, stderr } of [listed, asJson, revoked]) {
      assert.doesNotMatch(stdout + stderr, /hid'den|test-secret/);
    }
    assert.deepEqual(plane.methods(), ["CreateUserKey", "ListUserKeys", "ListUserKeys", "RevokeUserKey"]);
  });

  test("an invalid or missing scope, and a whole key to revoke, give a one-line error and are not sent", async () => {
    await using plane = await ControlPlane.start();
    const none = await run(plane, "create");
    assert.deepEqual([none.exitCode, none.stdout], [1, ""]);
    assert.match(
      none.stderr,
      /^error: The permissions of the key are missing, and there is no terminal to ask on: add --preset /,
    );
    const other = await run(plane, "create", "--scope", "all");
    assert.match(other.stderr, /Allowed choices are ADMIN, API\./);
    const whole = await run(plane, "revoke", "k-1:hidden");
    assert.equal(whole.exitCode, 1);
    assert.match(whole.stderr, /^error: A key is revoked by its id alone, .*\n$/);
    assert.doesNotMatch(whole.stderr, /hidden/);
    assert.deepEqual(plane.calls, []);
  });
});
