import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UsageError } from "../../src/errors.ts";
import { Code } from "@connectrpc/connect";
import { refusal } from "../helpers/control-plane.ts";
import { sent, withClient } from "../helpers/platform-client.ts";

const LISTED = { secrets: [{ name: "TOKEN", environmentName: "staging" }] };

describe("secret requests to the control plane", () => {
  test("setting always sends who can see the secret, and deleting sends only the name, once it is known to exist", () =>
    withClient({ setSecret: () => ({}), listSecrets: () => LISTED }, async (client, plane) => {
      await client.secrets.set("TOKEN", "");
      await client.secrets.set("TOKEN", "a=b", { defaultExposed: false, environment: "staging" });
      assert.equal(await client.secrets.unset("TOKEN", { environment: "staging" }), true);
      assert.deepEqual(sent(plane), [
        ["SetSecret", { name: "TOKEN", value: "", defaultExposed: true }],
        ["SetSecret", { name: "TOKEN", value: "a=b", defaultExposed: false, environmentName: "staging" }],
        ["ListSecrets", { environmentName: "staging" }],
        ["SetSecret", { name: "TOKEN", environmentName: "staging" }],
      ]);
    }));

  const absences: readonly [what: string, name: string, environment: string | undefined][] = [
    ["another name", "OTHER", "staging"],
    ["the same in other letters", "token", "staging"],
    ["the same in the main environment", "TOKEN", undefined],
    ["the same in an environment that is named", "TOKEN", "main"],
    ["the same in a third one", "TOKEN", "dev"],
  ];
  for (const [what, name, environment] of absences) {
    test(`deleting a missing secret returns false and sends nothing: ${what}`, () =>
      withClient({ setSecret: () => ({}), listSecrets: () => LISTED }, async (client, plane) => {
        assert.equal(await client.secrets.unset(name, { environment }), false);
        assert.deepEqual(plane.methods(), ["ListSecrets"]);
      }));
  }

  test("a key that may delete secrets but not list them can delete them", async () => {
    for (const code of [Code.PermissionDenied, Code.Unimplemented]) {
      const listSecrets = (): never => {
        throw refusal(code, "No.");
      };
      await withClient({ setSecret: () => ({}), listSecrets }, async (client, plane) => {
        assert.equal(await client.secrets.unset("TOKEN"), true);
        assert.deepEqual(plane.methods(), ["ListSecrets", "SetSecret"]);
      });
    }
  });

  test("a list has the fields that were sent for each secret, and no value", () =>
    withClient(
      {
        listSecrets: () => ({
          secrets: [
            {
              name: "TOKEN",
              environmentName: "main",
              createdTime: { seconds: 1_700_000_000n, nanos: 0 },
              defaultExposed: false,
            },
            { name: "OTHER" },
          ],
        }),
      },
      async (client, plane) => {
        assert.deepEqual(await client.secrets.list({ environment: "main" }), [
          {
            name: "TOKEN",
            environment: "main",
            createdAt: new Date(1_700_000_000_000),
            defaultExposed: false,
          },
          { name: "OTHER", environment: undefined, createdAt: undefined, defaultExposed: undefined },
        ]);
        assert.deepEqual(sent(plane), [["ListSecrets", { environmentName: "main" }]]);
      },
    ));

  test("an invalid name is refused without a request, and not shown, since it may be the value", () =>
    withClient({ setSecret: () => ({}) }, async (client, plane) => {
      for (const name of ["", "hidden value", "1hidden", "hidden-value"]) {
        const isQuiet = (error: unknown): boolean =>
          error instanceof UsageError && !error.message.includes("hidden");
        await assert.rejects(client.secrets.set(name, "1"), isQuiet);
        await assert.rejects(client.secrets.unset(name), isQuiet);
      }
      assert.deepEqual(plane.calls, []);
    }));
});
