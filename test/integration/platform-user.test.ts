import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PlatformError } from "../../src/errors.ts";
import { ServerlessClient } from "../../src/platform/serverless-client.ts";
import { ControlPlane, type RestAnswer } from "../helpers/control-plane.ts";

async function withAnswer(
  answer: RestAnswer,
  work: (client: ServerlessClient, plane: ControlPlane) => Promise<void>,
): Promise<void> {
  await using plane = await ControlPlane.start({ rest: { "GET /users/current": () => answer } });
  using client = new ServerlessClient({ environment: plane.environment });
  await work(client, plane);
}

describe("the key's user", () => {
  test("is requested with the key, over REST only", () =>
    withAnswer(
      {
        json: {
          user_id: "github|1",
          nickname: "ada",
          full_name: "Ada Lovelace",
          is_personal: true,
          is_locked: false,
        },
      },
      async (client, plane) => {
        assert.deepEqual(await client.currentUser(), {
          userId: "github|1",
          nickname: "ada",
          fullName: "Ada Lovelace",
          isPersonal: true,
        });
        assert.deepEqual(
          plane.requests.map(({ method, path, headers }) => [method, path, headers.authorization]),
          [["GET", "/users/current", "Key test-id:test-secret"]],
        );
        assert.deepEqual(plane.calls, []);
      },
    ));

  test("may have no full name", () =>
    withAnswer({ json: { user_id: "u-1", nickname: "ada", full_name: "" } }, async (client) => {
      const { fullName, isPersonal } = await client.currentUser();
      assert.deepEqual([fullName, isPersonal], [undefined, undefined]);
    }));

  test("is an error if the response is another one, or a refusal", async () => {
    for (const json of [null, [], { nickname: "ada" }, { user_id: 1, nickname: "ada" }]) {
      await withAnswer({ json }, (client) => assert.rejects(client.currentUser(), /does not say whose/));
    }
    await withAnswer({ status: 500, json: { detail: "Broken." } }, (client) =>
      assert.rejects(client.currentUser(), PlatformError),
    );
  });
});
