import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { PlatformError, UsageError } from "../../src/errors.ts";
import { CreateUserKeyRequest_Scope } from "../../src/platform/generated/controller_pb.ts";
import { sent, withClient } from "../helpers/platform-client.ts";

describe("keys on the wire", () => {
  test("creating sends the scope, and a description that was given alone", () =>
    withClient(
      { createUserKey: () => ({ keyId: "new-id", keySecret: "new:secret" }) },
      async (client, plane) => {
        const { keyId, key } = await client.keys.create({ scope: "ADMIN" });
        await client.keys.create({ scope: "API", description: "the website" });
        assert.deepEqual([keyId, key.reveal()], ["new-id", "new-id:new:secret"]);
        assert.deepEqual(sent(plane), [
          // ADMIN is 0, which isn't sent.
          ["CreateUserKey", {}],
          ["CreateUserKey", { scope: "API", alias: "the website" }],
        ]);
      },
    ));

  test("a key that was made shows itself to nobody who does not ask for it", () =>
    withClient({ createUserKey: () => ({ keyId: "new-id", keySecret: "hidden" }) }, async (client) => {
      const created = await client.keys.create({ scope: "API" });
      for (const text of [JSON.stringify(created), inspect(created), `${created.key}`]) {
        assert.doesNotMatch(text, /hidden/);
      }
    }));

  test("what is no key is not taken for one, and not shown", async () => {
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

  test("a list has each key's id, time, scope and description, and what was not told is undefined", () =>
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
