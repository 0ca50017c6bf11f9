import assert from "node:assert/strict";
import { test } from "node:test";
import { collectRoutes, recordRoute } from "../../../src/routes/registry.ts";
import { endpoint } from "../../../src/routes/endpoint.ts";
import type { RouteSignature } from "../../../src/routes/signature.ts";
import { assertRefused } from "../../helpers/thrown.ts";

function route(path: string, methodName: string, isWebsocket: boolean): RouteSignature {
  return {
    path,
    methodName,
    isWebsocket,
    input: undefined,
    output: undefined,
    stream: false,
    timeoutMs: undefined,
    healthCheck: undefined,
    summary: undefined,
    description: undefined,
  };
}

test("routes are sorted by path, whatever the order of the methods", () => {
  class Mixed {
    @endpoint("/b")
    b(): void {}
    @endpoint("/")
    root(): void {}
    @endpoint("/health")
    probe(): void {}
    @endpoint("/a/z")
    z(): void {}
    @endpoint("/a")
    a(): void {}
  }
  const paths = [...collectRoutes(new Mixed()).keys()].map(({ path }) => path);
  assert.deepEqual(paths, ["/", "/a", "/a/z", "/b", "/health"]);
});

test("websockets come last, sorted among themselves, and may share a path with an endpoint", () => {
  const metadata = {};
  for (const [path, isWebsocket] of [
    ["/z", false],
    ["/b", true],
    ["/a", true],
    ["/a", false],
  ] as const) {
    recordRoute(metadata, route(path, `${isWebsocket ? "socket" : "post"}${path.slice(1)}`, isWebsocket));
  }
  class Both {
    static readonly [Symbol.metadata] = metadata;
    socketa(): void {}
    socketb(): void {}
    posta(): void {}
    postz(): void {}
  }
  const names = [...collectRoutes(new Both()).keys()].map(({ methodName }) => methodName);
  assert.deepEqual(names, ["posta", "postz", "socketa", "socketb"]);
});

test("two websockets on one path are rejected, and the message calls them websockets", () => {
  const metadata = {};
  recordRoute(metadata, route("/rt", "one", true));
  assertRefused(
    () => recordRoute(metadata, route("/rt", "two", true)),
    "ROUTE_PATH_TAKEN",
    "two() and one() both claim websocket /rt; change one path.",
  );
});

test("two health checks are rejected, even if one is inherited", () => {
  class Probed {
    @endpoint("/a", { healthCheck: true })
    a(): void {}
  }
  class Twice extends Probed {
    @endpoint("/b", { healthCheck: {} })
    b(): void {}
  }
  assert.equal(collectRoutes(new Probed()).size, 1);
  assertRefused(
    () => collectRoutes(new Twice()),
    "HEALTH_CHECK_TWICE",
    "Twice marks /a and /b as its health check; keep one.",
  );
});

test("a field that hides an inherited route is rejected", () => {
  class Served {
    @endpoint("/run")
    run(): void {}
  }
  class Hidden extends Served {}
  const hidden = Object.assign(new Hidden(), { run: "a text" });
  assertRefused(
    () => collectRoutes(hidden),
    "ROUTE_METHOD_REFUSED",
    /^Hidden\.run is a route of the parent class, but no method here/,
  );
});

test("collecting changes nothing: a second call returns the same signatures", () => {
  class Served {
    @endpoint("/run")
    run(): void {}
  }
  const served = new Served();
  assert.deepEqual([...collectRoutes(served).keys()], [...collectRoutes(served).keys()]);
  assert.equal([...collectRoutes(served).keys()][0], [...collectRoutes(new Served()).keys()][0]);
});
