import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UsageError } from "../../src/errors.ts";
import { ServerlessClient } from "../../src/platform/serverless-client.ts";
import { ControlPlane, type RestScripts } from "../helpers/control-plane.ts";

const USER: RestScripts = {
  "GET /users/current": () => ({ json: { user_id: "github|1", nickname: "ada" } }),
};

async function withRest(
  rest: RestScripts,
  work: (client: ServerlessClient, plane: ControlPlane) => Promise<void>,
): Promise<void> {
  await using plane = await ControlPlane.start({ rest: { ...USER, ...rest } });
  using client = new ServerlessClient({ environment: plane.environment });
  await work(client, plane);
}

/** The requests, except the one for the key's user. */
function asked(plane: ControlPlane): string[] {
  return plane.requests
    .filter(({ path }) => path !== "/users/current")
    .map(({ method, path }) => `${method} ${path}`);
}

describe("the queue of an app", () => {
  test("is requested under its owner's name, with the app's full name outside the main environment", () =>
    withRest(
      {
        "GET /applications/ada/web/queue": () => ({ json: { size: 3 } }),
        "GET /applications/ada/web--staging/queue": () => ({ json: { queue_size: 0 } }),
      },
      async (client, plane) => {
        assert.deepEqual(await client.queue.size("web"), { size: 3, byUser: undefined });
        assert.deepEqual(await client.queue.size("web", { environment: "staging" }), {
          size: 0,
          byUser: undefined,
        });
        assert.deepEqual(asked(plane), [
          "GET /applications/ada/web/queue",
          "GET /applications/ada/web--staging/queue",
        ]);
        assert.deepEqual(plane.calls, []);
      },
    ));

  test("is reported by user, from a map or a list", async () => {
    const forms = [
      { "github|1": 2, "google|2": 1, odd: "x" },
      [{ caller_user_id: "github|1", size: 2 }, { user_id: "google|2", queue_size: 1 }, null],
    ];
    for (const by_user of forms) {
      await withRest(
        { "GET /applications/ada/web/queue": () => ({ json: { size: 3, by_user } }) },
        async (client, plane) => {
          const { size, byUser } = await client.queue.size("web", { byUser: true });
          assert.deepEqual([size, byUser], [3, { "github|1": 2, "google|2": 1 }]);
          assert.deepEqual(asked(plane), ["GET /applications/ada/web/queue?by_user=true"]);
        },
      );
    }
  });

  test("is flushed, of all requests or of one user's, whatever the response is", () =>
    withRest({ "DELETE /applications/ada/web/queue": () => ({ text: "done" }) }, async (client, plane) => {
      await client.queue.flush("web");
      await client.queue.flush("web", { callerUserId: "github|1" });
      assert.deepEqual(asked(plane), [
        "DELETE /applications/ada/web/queue",
        "DELETE /applications/ada/web/queue?caller_user_id=github%7C1",
      ]);
    }));

  test("of an app that does not exist is a clear one-line error; a refusal is reported with its own message", () =>
    withRest(
      { "DELETE /applications/ada/busy/queue": () => ({ status: 409, json: { detail: "Being deployed" } }) },
      async (client) => {
        const absent = /^There is no app web--staging; "servable apps list" shows those there are\.$/;
        await assert.rejects(client.queue.size("web", { environment: "staging" }), { message: absent });
        await assert.rejects(client.queue.flush("web", { environment: "staging" }), { message: absent });
        await assert.rejects(client.queue.flush("busy"), { message: "Being deployed." });
      },
    ));

  test("without a size in the response, or with an invalid name, is an error", async () => {
    for (const json of [null, {}, { size: "3" }, { size: -1 }, []]) {
      await withRest({ "GET /applications/ada/web/queue": () => ({ json }) }, (client) =>
        assert.rejects(client.queue.size("web"), /does not say how many requests wait/),
      );
    }
    await withRest({}, async (client, plane) => {
      await assert.rejects(client.queue.size("ada/web"), UsageError);
      await assert.rejects(client.queue.flush("web", { callerUserId: "" }), UsageError);
      assert.deepEqual(plane.requests, []);
    });
  });
});
