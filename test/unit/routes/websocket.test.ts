import assert from "node:assert/strict";
import { test } from "node:test";
import { collectRoutes, recordedRoutes } from "../../../src/routes/registry.ts";
import { endpoint } from "../../../src/routes/endpoint.ts";
import { realtime } from "../../../src/routes/realtime.ts";
import { websocket } from "../../../src/routes/websocket.ts";
import { methodContext } from "../../helpers/decorators.ts";
import { assertRefused } from "../../helpers/thrown.ts";

function run(): void {}

test("a raw websocket records its path, method and description, and no session options", () => {
  class Raw {
    @websocket("/ws", { description: "Anything goes" })
    run(): void {}
  }
  assert.deepEqual(
    [...recordedRoutes(Raw).values()],
    [
      {
        path: "/ws",
        methodName: "run",
        isWebsocket: true,
        input: undefined,
        output: undefined,
        stream: false,
        timeoutMs: undefined,
        healthCheck: undefined,
        summary: undefined,
        description: "Anything goes",
      },
    ],
  );
});

test("a raw websocket rejects session options", () => {
  assertRefused(
    () => websocket("/ws", { buffering: 2 } as object)(run, methodContext()),
    "ROUTE_OPTION_INVALID",
    '@websocket on run(): unknown option "buffering"; known: public, description, maxFrameBytes.',
  );
  assertRefused(
    () => websocket("/ws", { descripton: "" } as object)(run, methodContext()),
    "ROUTE_OPTION_INVALID",
    '@websocket on run(): unknown option "descripton"; did you mean "description"?',
  );
});

test("a raw websocket can share its path with an endpoint, but not with a session", () => {
  class Both {
    @endpoint("/ws")
    post(): void {}
    @websocket("/ws")
    socket(): void {}
  }
  assert.equal(collectRoutes(new Both()).size, 2);
  assertRefused(
    () =>
      class {
        @websocket("/ws")
        socket(): void {}
        @realtime("/ws")
        live(): object {
          return {};
        }
      },
    "ROUTE_PATH_TAKEN",
    "live() and socket() both claim websocket /ws; change one path.",
  );
});

test("a session on the path of an inherited websocket is rejected when routes are collected", () => {
  class Base {
    @websocket("/ws")
    socket(): void {}
  }
  class Child extends Base {
    @realtime("/ws")
    live(): object {
      return {};
    }
  }
  assertRefused(
    () => collectRoutes(new Child()),
    "ROUTE_PATH_TAKEN",
    "live() and socket() both claim websocket /ws; change one path, or name the method socket to replace the " +
      "inherited one.",
  );
});

test("private and static methods, legacy decorators and invalid paths are rejected with the decorator's name", () => {
  assertRefused(
    () => websocket("/ws")(run, methodContext({ private: true, name: "#run" })),
    "ROUTE_METHOD_REFUSED",
    "@websocket on #run: a private method can't be served; drop the #.",
  );
  assertRefused(
    () => websocket("/ws")(run, methodContext({ static: true })),
    "ROUTE_METHOD_REFUSED",
    "@websocket on run: a static method can't be served; drop static.",
  );
  const legacy = websocket("/ws") as unknown as (...args: unknown[]) => void;
  assertRefused(() => legacy({}, "run", { value: run }), "LEGACY_DECORATORS", /^@websocket needs standard/);
  assertRefused(() => websocket("ws")(run, methodContext()), "ROUTE_PATH_INVALID", /write "\/ws"/);
  assertRefused(
    () => websocket("/docs")(run, methodContext()),
    "ROUTE_PATH_INVALID",
    "The path of run(): GET /docs is the framework's own; choose another for the websocket.",
  );
});
