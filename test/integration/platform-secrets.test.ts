import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UsageError } from "../../src/errors.ts";
import { Code } from "@connectrpc/connect";
import { refusal } from "../helpers/control-plane.ts";
import { sent, withClient } from "../helpers/platform-client.ts";

const LISTED = { secrets: [{ name: "TOKEN", environmentName: "staging" }] };

describe("secrets on the wire", () => {
  test("setting says outright who sees it, and deleting sends the name alone, once it is known to be there", () =>
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
    test(`deleting what is not there says so, and sends nothing: ${what}`, () =>
      withClient({ setSecret: () => ({}), listSecrets: () => LISTED }, async (client, plane) => {
        assert.equal(await client.secrets.unset(name, { environment }), false);
        assert.deepEqual(plane.methods(), ["ListSecrets"]);
      }));
  }

  test("a key that may delete secrets and not list them deletes them", async () => {
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

  test("a list has what was told of each, and no value", () =>
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

  test("what can be no name is refused unsent, and not shown: it may be the value", () =>
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
