import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createFalClient } from "@fal-ai/client";
import { WebSocket } from "ws";
import { startTestServer } from "servable/testing";
import { RealtimeApp } from "../helpers/realtime-app.ts";

/** The official client connects to fal's host; this socket redirects it to the test server. */
function redirectTo(url: string): new (address: string | URL) => WebSocket {
  return class Redirected extends WebSocket {
    constructor(address: string | URL) {
      const { pathname, search } = new URL(address);
      super(url.replace("http", "ws") + pathname.replace("/me/app", "") + search);
    }
  };
}

describe("the official JavaScript client", { timeout: 30_000 }, () => {
  test("holds a realtime conversation without errors, and closes cleanly", async () => {
    await using served = await startTestServer(new RealtimeApp());
    const globals = globalThis as { WebSocket?: unknown };
    const original = globals.WebSocket;
    globals.WebSocket = redirectTo(served.url);
    try {
      const fal = createFalClient({ credentials: "none" });
      const results: { n: number }[] = [];
      const errors: unknown[] = [];
      let asked: string | undefined;
      let onResult: () => void = () => {};
      const connection = fal.realtime.connect<{ n: number }, { n: number }>("me/app", {
        path: "/timed",
        throttleInterval: 0,
        maxBuffering: 5,
        tokenProvider: async (app) => {
          asked = app;
          return "a-token";
        },
        onResult: (result) => {
          results.push(result);
          onResult();
        },
        onError: (error) => errors.push(error),
      });
      for (let n = 1; n <= 3; n++) {
        const answered = new Promise<void>((resolve) => (onResult = resolve));
        connection.send({ n });
        await answered;
      }
      assert.deepEqual(
        results.map(({ n }) => n),
        [1, 2, 3],
      );
      connection.close();
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(asked, "me/app/timed");
      assert.deepEqual(errors, []);
    } finally {
      globals.WebSocket = original;
    }
  });

  test("reports no error for TIMEOUT, and one error with its reason for a failure", async () => {
    await using served = await startTestServer(new RealtimeApp());
    const globals = globalThis as { WebSocket?: unknown };
    const original = globals.WebSocket;
    globals.WebSocket = redirectTo(served.url);
    try {
      const fal = createFalClient({ credentials: "none" });
      const errors: Error[] = [];
      const open = (path: string) =>
        fal.realtime.connect<{ n: number }, { n: number }>("me/app", {
          path,
          connectionKey: path,
          tokenProvider: async () => "a-token",
          onResult: () => {},
          onError: (error) => errors.push(error),
        });
      open("/timed").send({ n: 1 }); // the session ends after 0.15 s
      await new Promise((resolve) => setTimeout(resolve, 500));
      assert.deepEqual(errors, []);
      open("/double").send({ n: 13 });
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.equal(errors.length, 1);
      assert.match(JSON.stringify(errors[0]) + String(errors[0]), /unlucky/);
    } finally {
      globals.WebSocket = original;
    }
  });
});
