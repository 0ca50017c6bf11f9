import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UsageError } from "../../../../src/errors.ts";
import { resolveEndpoints, type ResolveEndpointsOptions } from "../../../../src/platform/target/endpoints.ts";

type Urls = readonly [grpc: string, rest: string, run: string, queue: string];

function urlsOf(environment: NodeJS.ProcessEnv, options: ResolveEndpointsOptions = {}): Urls {
  const { grpc, rest, run, queue } = resolveEndpoints({ environment, ...options });
  return [grpc.url, rest.url, run.url, queue.url];
}

const FAL: Urls = [
  "https://api.alpha.fal.ai",
  "https://rest.alpha.fal.ai",
  "https://fal.run",
  "https://queue.fal.run",
];

const HOSTS: readonly (readonly [what: string, environment: NodeJS.ProcessEnv, urls: Urls])[] = [
  ["nothing set: fal itself", {}, FAL],
  ["an empty variable is none", { FAL_HOST: "", FAL_REST_HOST: "  " }, FAL],
  [
    "FAL_HOST: all follow from its name",
    { FAL_HOST: "api.shark.example.ai" },
    [
      "https://api.shark.example.ai",
      "https://rest.shark.example.ai",
      "https://shark.example.run",
      "https://queue.shark.example.run",
    ],
  ],
  [
    "FAL_GRPC_HOST goes before FAL_HOST, and may have any name",
    { FAL_HOST: "api.example.com", FAL_GRPC_HOST: "control.example.com" },
    [
      "https://control.example.com",
      "https://control.example.com",
      "https://control.example.com",
      "https://queue.control.example.com",
    ],
  ],
  [
    "FAL_REST_HOST counts beside FAL_GRPC_HOST",
    { FAL_GRPC_HOST: "api.alpha.fal.ai", FAL_REST_HOST: "files.example.com:8443" },
    [
      "https://api.alpha.fal.ai",
      "https://files.example.com:8443",
      "https://fal.run",
      "https://queue.fal.run",
    ],
  ],
  [
    "FAL_RUN_HOST moves the queue along",
    { FAL_RUN_HOST: "apps.example.com" },
    [FAL[0], FAL[1], "https://apps.example.com", "https://queue.apps.example.com"],
  ],
  [
    "FAL_QUEUE_RUN_HOST moves the queue alone",
    { FAL_QUEUE_RUN_HOST: "http://queue.local:9000" },
    [FAL[0], FAL[1], FAL[2], "http://queue.local:9000"],
  ],
  [
    "scheme and port are kept",
    { FAL_HOST: "http://api.local:4000/" },
    ["http://api.local:4000", "http://rest.local:4000", "http://local:4000", "http://queue.local:4000"],
  ],
];

for (const [what, environment, urls] of HOSTS) {
  test(`hosts: ${what}`, () => assert.deepEqual(urlsOf(environment), urls));
}

test("the argument takes precedence over the variables, and they over the profile", () => {
  const profile = { name: "staging", host: "api.staging.com" };
  const hostsOf = (environment: NodeJS.ProcessEnv, host?: string): string =>
    resolveEndpoints({ environment, host, profile }).grpc.host;
  assert.equal(hostsOf({ FAL_HOST: "api.a.com", FAL_GRPC_HOST: "api.b.com" }, "api.c.com"), "api.c.com");
  assert.equal(hostsOf({ FAL_HOST: "api.a.com", FAL_GRPC_HOST: "api.b.com" }), "api.b.com");
  assert.equal(hostsOf({ FAL_HOST: "api.a.com" }), "api.a.com");
  assert.equal(hostsOf({}), "api.staging.com");
});

test("an endpoint records whether it is encrypted, and where its host was configured", () => {
  const { grpc, rest } = resolveEndpoints({ environment: { FAL_HOST: "http://127.0.0.1:4000" } });
  assert.deepEqual(grpc, {
    url: "http://127.0.0.1:4000",
    host: "127.0.0.1:4000",
    isPlaintext: true,
    origin: "FAL_HOST",
  });
  assert.deepEqual(rest, grpc);
  assert.equal(resolveEndpoints({ environment: {} }).grpc.isPlaintext, false);
});

test("IPv6 addresses may have ports", () => {
  const { grpc, run } = resolveEndpoints({ environment: { FAL_HOST: "http://[::1]:4000" } });
  assert.deepEqual([grpc.host, run.url], ["[::1]:4000", "http://[::1]:4000"]);
});

test("an IP address has no queue host, so FAL_QUEUE_RUN_HOST must be set", () => {
  for (const host of ["http://127.0.0.1:4000", "http://[::1]:4000", "http://localhost:4000"]) {
    const endpoints = resolveEndpoints({ environment: { FAL_HOST: host } });
    assert.throws(() => endpoints.queue, { name: "UsageError", message: /set FAL_QUEUE_RUN_HOST/ });
  }
});

describe("bad hosts", () => {
  const BAD: readonly (readonly [text: string, what: RegExp])[] = [
    ["api.example.com:port", /is not a valid host/],
    ["api.example.com:99999", /is not a valid host/],
    ["api.example.com:0", /has the port 0/],
    ["ftp://api.example.com", /has a scheme other than http/],
    ["https://id:hidden@api.example.com", /has a user in it/],
    ["api.example.com/v1", /has more than a host in it/],
    ["api.example.com?key=hidden", /has more than a host in it/],
    ["api example.com", /has spaces/],
    ["http://", /is not a valid host/],
    ["01234567-hidden:0123456789abcdef", /is not a valid host/],
  ];
  for (const name of ["FAL_HOST", "FAL_GRPC_HOST", "FAL_REST_HOST", "FAL_RUN_HOST", "FAL_QUEUE_RUN_HOST"]) {
    test(`${name} is named in the message, its value is not shown`, () => {
      for (const [text, what] of BAD) {
        assert.throws(
          () => resolveEndpoints({ environment: { [name]: text } }),
          (error) => {
            assert.ok(error instanceof UsageError);
            assert.ok(error.message.startsWith(`${name} `), error.message);
            assert.match(error.message, what);
            assert.doesNotMatch(error.message, /hidden|\n/);
            return true;
          },
          text,
        );
      }
    });
  }

  test('a host whose name does not begin with "api" must be written with https://', () => {
    assert.throws(() => resolveEndpoints({ environment: { FAL_HOST: "fal.run" } }), {
      message: /^FAL_HOST does not begin with "api".*write https:\/\/ before it/,
    });
    assert.throws(() => resolveEndpoints({ environment: {}, profile: { name: "work", host: "fal.ai" } }), {
      message: /^The profile work does not begin/,
    });
    assert.equal(resolveEndpoints({ environment: { FAL_HOST: "https://fal.ai" } }).rest.host, "fal.ai");
  });
});

test("the websocket host is the variable's, otherwise the apps' host after ws.", () => {
  const rows: readonly [NodeJS.ProcessEnv, string][] = [
    [{}, "https://ws.fal.run"],
    [{ FAL_WS_RUN_HOST: "sockets.example.com" }, "https://sockets.example.com"],
    [{ FAL_WS_RUN_HOST: " http://127.0.0.1:9000 " }, "http://127.0.0.1:9000"],
    [{ FAL_RUN_HOST: "run.example.com:8443" }, "https://ws.run.example.com:8443"],
    [{ FAL_HOST: "api.example.ai" }, "https://ws.example.run"],
    [{ FAL_WS_RUN_HOST: "", FAL_HOST: "api.example.ai" }, "https://ws.example.run"],
  ];
  for (const [environment, url] of rows) assert.equal(resolveEndpoints({ environment }).ws.url, url);
  const address = resolveEndpoints({ environment: { FAL_HOST: "http://127.0.0.1:4000" } });
  assert.throws(() => address.ws, {
    message: /The host of websockets cannot be derived .*: set FAL_WS_RUN_HOST\./,
  });
  assert.throws(() => resolveEndpoints({ environment: { FAL_WS_RUN_HOST: "a b" } }), {
    message: /^FAL_WS_RUN_HOST has spaces/,
  });
});

test("with ISOLATE_TEST_MODE hosts without a scheme are plaintext, and may have any name", () => {
  const hosts = { FAL_GRPC_HOST: "localhost:5000", FAL_REST_HOST: "localhost:5001" };
  for (const value of ["1", "true", "yes", " 1 "]) {
    const { grpc, rest } = resolveEndpoints({ environment: { ...hosts, ISOLATE_TEST_MODE: value } });
    assert.deepEqual([grpc.url, rest.url], ["http://localhost:5000", "http://localhost:5001"]);
  }
  for (const value of ["0", "false", "False", "", " "]) {
    const { grpc } = resolveEndpoints({ environment: { ...hosts, ISOLATE_TEST_MODE: value } });
    assert.equal(grpc.url, "https://localhost:5000");
  }
  const test = { ISOLATE_TEST_MODE: "1" };
  assert.equal(
    resolveEndpoints({ environment: { ...test, FAL_HOST: "plane.local" } }).grpc.url,
    "http://plane.local",
  );
  assert.equal(
    resolveEndpoints({ environment: { ...test, FAL_HOST: "https://api.x.com" } }).grpc.url,
    "https://api.x.com",
  );
  // fal's own host is never plaintext.
  assert.equal(resolveEndpoints({ environment: test }).grpc.url, "https://api.alpha.fal.ai");
});
