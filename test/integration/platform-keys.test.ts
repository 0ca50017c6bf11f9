import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { PlatformError, UsageError } from "../../src/errors.ts";
import { CreateUserKeyRequest_Scope } from "../../src/platform/generated/controller_pb.ts";
import { KEY_PRESETS, type CreateKeyOptions, type KeyPreset } from "../../src/platform/account/keys.ts";
import { sent, withClient } from "../helpers/platform-client.ts";

describe("key requests to the control plane", () => {
  test("creating sends a preset or a policy and never a scope, and a description only if given", () =>
    withClient(
      { createUserKey: () => ({ keyId: "new-id", keySecret: "new:secret" }) },
      async (client, plane) => {
        const { keyId, key } = await client.keys.create({ scope: "ADMIN" });
        assert.deepEqual([keyId, key.reveal()], ["new-id", "new-id:new:secret"]);
        await client.keys.create({ scope: "API", description: "the website" });
        const presets = Object.keys(KEY_PRESETS) as KeyPreset[];
        for (const preset of presets) await client.keys.create({ preset });
        await client.keys.create({ permissions: [" models:requests:submit", "serverless:apps:run"] });
        assert.deepEqual(sent(plane), [
          ["CreateUserKey", { policyPreset: "FULL" }],
          ["CreateUserKey", { policyPreset: "API", alias: "the website" }],
          ...["FULL", "API", "DEPLOY", "READONLY", "BILLING", "COMPUTE", "SERVERLESS", "AGENT"].map(
            (policyPreset) => ["CreateUserKey", { policyPreset }],
          ),
          ["CreateUserKey", { policy: { permissions: ["models:requests:submit", "serverless:apps:run"] } }],
        ]);
      },
    ));

  // A key without any permission would be one with all of them.
  const wrong: readonly [what: string, options: object, message: RegExp][] = [
    ["nothing", {}, /none is given/],
    ["a preset and permissions", { preset: "API", permissions: ["a"] }, /not with preset, permissions/],
    ["a preset and a scope", { preset: "API", scope: "API" }, /not with preset, scope/],
    ["permissions and a scope", { permissions: ["a"], scope: "API" }, /not with permissions, scope/],
    ["no permissions", { permissions: [] }, /at least one/],
    ["a blank permission", { permissions: ["a", " "] }, /at least one/],
    ["an unknown preset", { preset: "api" }, /preset has to be one of "FULL", /],
    ["an unknown scope", { scope: "FULL" }, /ADMIN or API/],
    ["a name of every object", { scope: "constructor" }, /ADMIN or API/],
  ];
  for (const [what, options, message] of wrong) {
    test(`a key is not created with ${what}`, () =>
      withClient({ createUserKey: () => ({ keyId: "k", keySecret: "s" }) }, async (client, plane) => {
        await assert.rejects(client.keys.create(options as CreateKeyOptions), (error: Error) => {
          assert.ok(error instanceof UsageError);
          assert.match(error.message, message);
          return true;
        });
        assert.deepEqual(plane.calls, []);
      }));
  }

  test("a created key is shown only on request", () =>
    withClient({ createUserKey: () => ({ keyId: "new-id", keySecret: "hidden" }) }, async (client) => {
      const created = await client.keys.create({ scope: "API" });
      for (const text of [JSON.stringify(created), inspect(created), `${created.key}`]) {
        assert.doesNotMatch(text, /hidden/);
      }
    }));

  test("an invalid key in a response is rejected, and not shown", async () => {
    const answers: { keyId?: string; keySecret?: string }[] = [
      {},
      { keyId: "new-id" },
      { keyId: "new:id", keySecret: "hidden" },
      { keyId: "new-id", keySecret: "hidden\nline" },
    ];
    for (const answer of answers) {
      await withClient({ createUserKey: () => answer }, async (client) => {
        await assert.rejects(
          client.keys.create({ scope: "API" }),
          (error) => error instanceof PlatformError && !inspect(error).includes("hidden"),
        );
      });
    }
  });

  test("a list has each key's id, time, scope and description, or undefined for missing fields", () =>
    withClient(
      {
        listUserKeys: () => ({
          userKeys: [
            {
              keyId: "k-1",
              createdAt: { seconds: 1_700_000_000n, nanos: 5_000_000 },
              scope: CreateUserKeyRequest_Scope.API,
              alias: "the website",
            },
            { keyId: "k-2", scope: 7 as CreateUserKeyRequest_Scope },
            { keyId: "k-3" },
          ],
        }),
      },
      async (client, plane) => {
        const nothing = { createdAt: undefined, description: undefined };
        assert.deepEqual(await client.keys.list(), [
          {
            keyId: "k-1",
            createdAt: new Date(1_700_000_000_005),
            scope: "API",
            description: "the website",
          },
          { keyId: "k-2", scope: undefined, ...nothing },
          { keyId: "k-3", scope: "ADMIN", ...nothing },
        ]);
        assert.deepEqual(sent(plane), [["ListUserKeys", {}]]);
      },
    ));

  test("revoking sends the id; a whole key is refused, and neither sent nor shown", () =>
    withClient({ revokeUserKey: () => ({}) }, async (client, plane) => {
      await client.keys.revoke("k-1");
      await assert.rejects(
        client.keys.revoke("k-1:hidden"),
        (error) => error instanceof UsageError && !inspect(error).includes("hidden"),
      );
      await assert.rejects(client.keys.revoke(""), UsageError);
      assert.deepEqual(sent(plane), [["RevokeUserKey", { keyId: "k-1" }]]);
    }));
});
