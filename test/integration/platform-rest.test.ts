import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { Code } from "@connectrpc/connect";
import { PlatformError } from "../../src/errors.ts";
import { Connection } from "../../src/platform/transport/connection.ts";
import { resolveCredentials } from "../../src/platform/target/credentials.ts";
import { resolveEndpoints } from "../../src/platform/target/endpoints.ts";
import { IsolateController } from "../../src/platform/generated/controller_pb.ts";
import { Rest } from "../../src/platform/transport/rest.ts";
import { ControlPlane, refusal, type RestAnswer, type RestScripts } from "../helpers/control-plane.ts";

async function withRest(
  rest: RestScripts,
  work: (client: Rest, plane: ControlPlane) => Promise<void>,
  key?: string,
): Promise<void> {
  await using plane = await ControlPlane.start({ rest });
  const environment = { ...plane.environment, ...(key === undefined ? {} : { FAL_KEY: key }) };
  const client = new Rest({
    endpoint: resolveEndpoints({ environment }).rest,
    credentials: resolveCredentials({ environment }),
  });
  await work(client, plane);
}

const answering = (answer: RestAnswer): RestScripts => ({ "GET /thing": () => answer });
const GET = { method: "GET", path: "/thing" } as const;

describe("requests", () => {
  test("JSON is sent and received, with the key", () =>
    withRest({ "POST /echo": ({ body }) => ({ json: JSON.parse(body) }) }, async (rest, plane) => {
      assert.deepEqual(await rest.json({ method: "POST", path: "/echo?x=1", json: { a: [1] } }), { a: [1] });
      const [request] = plane.requests;
      assert.equal(request?.headers.authorization, "Key test-id:test-secret");
      assert.equal(request?.headers["content-type"], "application/json");
      assert.equal(request?.path, "/echo?x=1");
    }));

  test("an empty response is undefined", () =>
    withRest(answering({ status: 200, text: "" }), async (rest) => {
      assert.equal(await rest.json(GET), undefined);
    }));

  test("a plain request returns the response with any status, and may have a stream as body", () =>
    withRest({ "PUT /thing": ({ body }) => ({ status: 418, text: body }) }, async (rest) => {
      const body = new Blob(["hello"]).stream();
      const response = await rest.send({ method: "PUT", path: "/thing", body });
      assert.deepEqual([response.status, await response.text()], [418, "hello"]);
    }));

  test("a signal ends a request with its reason, and no listeners are kept", () =>
    withRest(
      { "GET /thing": () => new Promise(() => {}), "GET /ok": () => ({ json: 1 }) },
      async (rest, plane) => {
        const stop = new AbortController();
        const reason = new Error("Ctrl-C");
        for (let i = 0; i < 20; i += 1) await rest.json({ method: "GET", path: "/ok", signal: stop.signal });
        assert.ok(getEventListeners(stop.signal, "abort").length <= 1);
        const call = assert.rejects(rest.json({ ...GET, signal: stop.signal }), (error) => error === reason);
        while (plane.requests.length < 21) await new Promise(setImmediate);
        stop.abort(reason);
        await call;
        await assert.rejects(rest.send({ ...GET, signal: stop.signal }), (error) => error === reason);
        assert.equal(plane.requests.length, 21);
      },
    ));
});

describe("unsuccessful responses", () => {
  const CASES: readonly (readonly [RestAnswer, code: string, message: RegExp])[] = [
    [{ status: 404, json: { detail: "Not Found" } }, "PLATFORM_REFUSED", /^Not Found\.$/],
    [{ status: 400, json: { detail: [{ msg: "bad" }] } }, "PLATFORM_REFUSED", /^\[\{"msg":"bad"\}\]\.$/],
    [{ status: 409, text: "two\nlines" }, "PLATFORM_REFUSED", /^two lines\.$/],
    [
      { status: 500, text: "<html>\nOops</html>" },
      "PLATFORM_REFUSED",
      /answered GET \/thing with HTTP 500\.$/,
    ],
    [{ status: 500, text: "x".repeat(1e6) }, "PLATFORM_REFUSED", /^x{2000}…$/],
    [
      { status: 403, json: { detail: "No" } },
      "PLATFORM_REFUSED",
      /^No\. The key from FAL_KEY \(id test-id\) .*ADMIN/,
    ],
    [
      { status: 429, json: { detail: "Slow" } },
      "PLATFORM_UNREACHABLE",
      /not available \(HTTP 429\)\. Slow\. Try/,
    ],
    [{ status: 503, text: "" }, "PLATFORM_UNREACHABLE", /not available \(HTTP 503\)\. Try again/],
  ];
  for (const [answer, code, message] of CASES) {
    test(`HTTP ${answer.status} with ${(answer.text ?? JSON.stringify(answer.json)).slice(0, 20)}`, () =>
      withRest(answering(answer), async (rest) => {
        await assert.rejects(rest.json(GET), (error) => {
          assert.ok(error instanceof PlatformError);
          assert.deepEqual([error.code, error.status], [code, `HTTP ${answer.status}`]);
          assert.match(error.message, message);
          return true;
        });
      }));
  }

  test("a rejected key is reported with where it came from", () =>
    withRest(
      {},
      async (rest) => {
        await assert.rejects(rest.json(GET), {
          code: "CREDENTIALS_INVALID",
          message: /does not accept the key from FAL_KEY \(id old\)\. Invalid key\./,
        });
      },
      "old:expired",
    ));
});

test("a key that the server repeats is in no message, stack, cause or printed error", async () => {
  const secret = "s3cret/with+signs";
  const echo = (text: string): string => `Bad key ${text} or ${encodeURIComponent(text)}`;
  await using plane = await ControlPlane.start({
    key: `an-id:${secret}`,
    grpc: {
      listAliases: () => {
        const error = refusal(Code.InvalidArgument, echo(secret));
        error.metadata.set("x-your-key", secret);
        throw error;
      },
    },
    rest: answering({ status: 400, headers: { "x-your-key": secret }, json: { detail: echo(secret) } }),
  });
  const { environment } = plane;
  const endpoints = resolveEndpoints({ environment });
  const credentials = resolveCredentials({ environment });
  using connection = new Connection({ endpoint: endpoints.grpc, credentials });
  const rest = new Rest({ endpoint: endpoints.rest, credentials });
  const errors = await Promise.all([
    connection.unary(IsolateController.method.listAliases, {}).catch((error: unknown) => error),
    rest.json(GET).catch((error: unknown) => error),
  ]);
  for (const error of errors) {
    assert.ok(error instanceof PlatformError);
    const cause = error.cause instanceof Error ? error.cause : undefined;
    const printed = [
      inspect(error, { depth: 9, showHidden: true }),
      JSON.stringify(error),
      error.stack,
      cause?.stack,
      inspect([connection, rest, credentials], { depth: 9, showHidden: true }),
    ].join("\n");
    assert.match(error.message, /Bad key … or …/);
    assert.ok(!printed.includes(secret) && !printed.includes(encodeURIComponent(secret)), printed);
  }
});
