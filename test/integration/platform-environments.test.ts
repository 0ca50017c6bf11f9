import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { UsageError } from "../../src/errors.ts";
import { refusal } from "../helpers/control-plane.ts";
import { sent, withClient } from "../helpers/platform-client.ts";

describe("environment requests to the control plane", () => {
  test("a list has the fields that were sent for each environment", () =>
    withClient(
      {
        listEnvironments: () => ({
          environments: [
            { name: "main", isDefault: true },
            { name: "staging", description: "first", createdAt: { seconds: 1_700_000_000n, nanos: 0 } },
          ],
        }),
      },
      async (client, plane) => {
        assert.deepEqual(await client.environments.list(), [
          { name: "main", description: undefined, isDefault: true, createdAt: undefined },
          {
            name: "staging",
            description: "first",
            isDefault: false,
            createdAt: new Date(1_700_000_000_000),
          },
        ]);
        assert.deepEqual(sent(plane), [["ListEnvironments", {}]]);
      },
    ));

  test("creating sends the name, and a description only if given, even an empty one", () =>
    withClient(
      { createEnvironment: ({ name }, { index }) => (index === 0 ? {} : { environment: { name } }) },
      async (client, plane) => {
        assert.equal(await client.environments.create("staging"), undefined);
        assert.equal((await client.environments.create("qa", { description: "" }))?.name, "qa");
        await assert.rejects(client.environments.create("a b"), UsageError);
        await assert.rejects(client.environments.create(""), UsageError);
        assert.deepEqual(sent(plane), [
          ["CreateEnvironment", { name: "staging" }],
          ["CreateEnvironment", { name: "qa", description: "" }],
        ]);
      },
    ));

  test("deleting sends the name, and a refusal is reported unchanged", () =>
    withClient(
      {
        deleteEnvironment: ({ name }) => {
          if (name === "main") throw refusal(Code.FailedPrecondition, "The main environment stays.");
          return {};
        },
      },
      async (client, plane) => {
        await client.environments.delete("staging");
        await assert.rejects(client.environments.delete("main"), {
          message: "The main environment stays.",
          code: "PLATFORM_REFUSED",
        });
        await assert.rejects(client.environments.delete(""), UsageError);
        assert.deepEqual(sent(plane), [
          ["DeleteEnvironment", { name: "staging" }],
          ["DeleteEnvironment", { name: "main" }],
        ]);
      },
    ));
});
