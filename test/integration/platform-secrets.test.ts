import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UsageError } from "../../src/errors.ts";
import { sent, withClient } from "../helpers/platform-client.ts";

describe("secrets on the wire", () => {
  test("setting says outright who sees it, and deleting sends the name alone", () =>
    withClient({ setSecret: () => ({}) }, async (client, plane) => {
      await client.secrets.set("TOKEN", "");
      await client.secrets.set("TOKEN", "a=b", { defaultExposed: false, environment: "staging" });
      await client.secrets.unset("TOKEN", { environment: "staging" });
      assert.deepEqual(sent(plane), [
        ["SetSecret", { name: "TOKEN", value: "", defaultExposed: true }],
        ["SetSecret", { name: "TOKEN", value: "a=b", defaultExposed: false, environmentName: "staging" }],
        ["SetSecret", { name: "TOKEN", environmentName: "staging" }],
      ]);
    }));

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
