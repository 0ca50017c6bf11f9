import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { Type } from "typebox";
import { App, endpoint, websocket, type RawWebSocket, type RequestContext } from "servable";
import { startTestServer, type TestServer } from "servable/testing";
import { WebSocket } from "ws";
import { captureLogs } from "../helpers/captured-logs.ts";
import { bodyOf, exchange, statusOf } from "../helpers/sockets.ts";

const Named = Type.Object({ name: Type.String() });

class Edge extends App {
  static override version = "3.2.1";
  seen: unknown;

  @endpoint("/health", { input: Named })
  own(input: { name: string }): string {
    return input.name;
  }

  @endpoint("/set", { input: Named })
  set({ name }: { name: string }, ctx: RequestContext): null {
    ctx.setHeader(name, "1");
    return null;
  }

  @endpoint("/set-stream", { input: Named, stream: true })
  async *setStream({ name }: { name: string }, ctx: RequestContext): AsyncGenerator<number> {
    ctx.setHeader(name, "1");
    yield 1;
  }

  @endpoint("/late", { stream: true })
  async *late(ctx: RequestContext): AsyncGenerator<number> {
    yield 1;
    ctx.setHeader("x-late", "1");
    yield 2;
  }

  @endpoint("/context")
  context(ctx: RequestContext): unknown {
    const { requestId, endpoint, lifecyclePreference } = ctx;
    const token = ctx.headers["x-fal-cdn-token"];
    return { requestId, endpoint, lifecyclePreference, token, custom: ctx.headers["x-custom"] };
  }

  @endpoint("/retoken")
  retoken(ctx: RequestContext): null {
    ctx.headers["x-fal-cdn-token"] = "new";
    return null;
  }

  @websocket("/socket")
  socket(socket: RawWebSocket, ctx: RequestContext): void {
    socket.send(JSON.stringify({ id: ctx.requestId, custom: ctx.headers["x-custom"] }));
  }
}

let served: TestServer<Edge>;
const logs = captureLogs();
before(async () => {
  served = await startTestServer(new Edge(), { logger: logs.logger });
});
after(() => served.close());

async function raw(
  line: string,
  headers: readonly string[] = [],
  body: string | Buffer = "",
): Promise<string> {
  const head = [`${line} HTTP/1.1`, "host: localhost", "connection: close", ...headers];
  const bytes = Buffer.from(body);
  return exchange(
    served.port,
    Buffer.concat([
      Buffer.from(`${[...head, `content-length: ${bytes.length}`].join("\r\n")}\r\n\r\n`),
      bytes,
    ]),
  );
}

describe("an app's own endpoint at POST /health", () => {
  test("does not change GET and HEAD /health", async () => {
    const answer = await fetch(`${served.url}/health`);
    assert.deepEqual([answer.status, await answer.json()], [200, { version: "3.2.1" }]);
    assert.equal((await fetch(`${served.url}/health`, { method: "HEAD" })).status, 200);
    assert.equal(await (await served.post("/health", { name: "mine" })).json(), "mine");
  });

  test("is listed in the Allow header for other methods", async () => {
    const answer = await fetch(`${served.url}/health`, { method: "PUT" });
    assert.deepEqual([answer.status, answer.headers.get("allow")], [405, "GET, HEAD, POST"]);
  });
});

describe("the error for a body that is not read as JSON gives the reason", () => {
  const json = '{"name":"x"}';
  const cases: Readonly<Record<string, [headers: string[], body: string | Buffer, cause: RegExp]>> = {
    "no content type": [[], json, /; the body has no content type, send it as application\/json$/],
    text: [
      ["content-type: text/plain"],
      json,
      /content type is "text\/plain", send it as application\/json$/,
    ],
    form: [
      ["content-type: application/x-www-form-urlencoded"],
      "name=x",
      /is "application\/x-www-form-urlencoded"/,
    ],
    multipart: [
      ['content-type: multipart/form-data; boundary="b"'],
      "--b",
      /is "multipart\/form-data; boundary/,
    ],
    garbage: [["content-type: ;;;"], json, /is ";;;"/],
    "a type without a subtype": [["content-type: json"], json, /is "json"/],
    "two types": [["content-type: text/plain", "content-type: application/json"], json, /is "text\/plain"/],
    octets: [["content-type: application/octet-stream"], json, /octet-stream/],
    gzip: [
      ["content-type: application/json", "content-encoding: gzip"],
      gzipSync(json),
      /content-encoding is "gzip", send it unencoded/,
    ],
    br: [
      ["content-type: application/json", "content-encoding: br"],
      brotliCompressSync(json),
      /content-encoding is "br"/,
    ],
    deflate: [
      ["content-type: application/json", "content-encoding: deflate"],
      deflateSync(json),
      /content-encoding is "deflate"/,
    ],
    "gzip of no type": [["content-encoding: GZIP"], gzipSync(json), /content-encoding is "GZIP"/],
    "two encodings": [
      ["content-type: application/json", "content-encoding: br, gzip"],
      gzipSync(json),
      /is "br, gzip"/,
    ],
  };
  for (const [name, [headers, body, cause]] of Object.entries(cases)) {
    test(name, async () => {
      const answer = await raw("POST /set", headers, body);
      assert.equal(statusOf(answer), 422, answer);
      const { detail } = JSON.parse(bodyOf(answer)) as { detail: Record<string, unknown>[] };
      assert.equal(detail.length, 1);
      const { msg, ...rest } = detail[0] ?? {};
      const input = `<binary ${Buffer.byteLength(body)} bytes>`;
      assert.deepEqual(rest, { type: "model_attributes_type", loc: ["body"], input });
      assert.match(String(msg), /^Input should be a valid dictionary or object to extract fields from; /);
      assert.match(String(msg), cause);
    });
  }

  test("a Content-Encoding that does not match the body, and identity, are ignored", async () => {
    for (const encoding of ["identity", "gzip", ""]) {
      const headers = ["content-type: application/json", `content-encoding: ${encoding}`];
      assert.equal(statusOf(await raw("POST /set", headers, '{"name":"x-mine"}')), 200);
    }
  });

  test("an unsupported charset is named in the error; without one the error is unchanged", async () => {
    const latin1 = Buffer.from('{"name":"caf\u00e9"}', "latin1");
    const named = await raw("POST /set", ["content-type: application/json; charset=latin-1"], latin1);
    assert.equal(statusOf(named), 400);
    assert.match(
      bodyOf(named),
      /There was an error parsing the body: the body's charset is \\"latin-1\\", send it in UTF-8/,
    );
    const utf16 = Buffer.from('{"name":"x"}', "utf16le");
    const wide = await raw("POST /set", ['content-type: application/json;charset="UTF-16"'], utf16);
    assert.equal(statusOf(wide), 422);
    assert.match(bodyOf(wide), /"type":"json_invalid".*charset is \\"UTF-16\\"/);
    const plain = await raw("POST /set", ["content-type: application/json"], latin1);
    assert.equal(bodyOf(plain), '{"detail":"There was an error parsing the body"}');
    const utf8 = await raw("POST /set", ["content-type: application/json; charset=UTF-8"], "{");
    assert.match(bodyOf(utf8), /"msg":"JSON decode error"/);
  });
});

describe("a handler's header that HTTP or the framework sets itself", () => {
  const owned = [
    ...[
      "transfer-encoding",
      "Transfer-Encoding",
      "content-length",
      "connection",
      "keep-alive",
      "upgrade",
      "trailer",
    ],
    ...["te", "proxy-connection", "date", "content-type", "content-encoding", "http2-settings"],
    ...["access-control-allow-origin", "access-control-allow-credentials", "x-fal-runner-hints"],
    ...["sec-websocket-accept"],
  ];
  for (const name of owned) {
    test(`${name} is refused with an error that names it, in responses and in streams`, async () => {
      for (const path of ["/set", "/set-stream"]) {
        const before = logs.lines.length;
        const answer = await served.post(path, { name });
        assert.equal(answer.status, 500);
        assert.equal(await answer.text(), '{"detail":"Internal Server Error"}');
        const said = JSON.stringify(logs.lines.slice(before));
        assert.ok(said.includes(`setHeader(\\\\\\"${name}\\\\\\") is refused`) || said.includes(name), said);
      }
    });
  }

  test("any other header is sent", async () => {
    for (const name of [
      "x-mine",
      "cache-control",
      "x-fal-billable-units",
      "etag",
      "access-control-expose-headers",
    ]) {
      for (const path of ["/set", "/set-stream"]) {
        if (path === "/set-stream" && name === "cache-control") continue;
        const answer = await served.post(path, { name });
        assert.deepEqual([answer.status, answer.headers.get(name)], [200, "1"], `${path} ${name}`);
        await answer.text();
      }
    }
  });

  test("a header that is set after the stream's head was sent is reported in the log", async () => {
    const answer = await served.post("/late");
    assert.equal(await answer.text(), "data: 1\n\ndata: 2\n\n");
    assert.ok(JSON.stringify(logs.lines).includes("the header x-late is not sent"));
  });
});

describe("the first value of a repeated request header is used", () => {
  test("for every field of the context", async () => {
    const answer = await raw("POST /context", [
      ...["x-fal-request-id: one", "X-Fal-Request-Id: two", "x-fal-endpoint: me/a", "x-fal-endpoint: me/b"],
      ...['x-fal-object-lifecycle-preference: {"a":1}', 'x-fal-object-lifecycle-preference: {"b":2}'],
      ...["x-fal-cdn-token: t1", "x-fal-cdn-token: t2", "x-custom: a, b", "x-custom: c"],
    ]);
    assert.deepEqual(JSON.parse(bodyOf(answer)), {
      requestId: "one",
      endpoint: "me/a",
      lifecyclePreference: { a: 1 },
      token: "t1",
      custom: "a, b",
    });
    assert.doesNotMatch(answer, /^x-fal-cdn-token/im);
  });

  test("and a changed CDN token is still sent back", async () => {
    const answer = await raw("POST /retoken", ["x-fal-cdn-token: t1", "x-fal-cdn-token: t2"]);
    assert.match(answer, /^x-fal-cdn-token: new$/im);
  });

  test("even if the first value is empty", async () => {
    const answer = await raw("POST /context", ["x-custom:", "x-custom: c"]);
    assert.equal((JSON.parse(bodyOf(answer)) as { custom: string }).custom, "");
  });

  test("for websockets too", async () => {
    const socket = new WebSocket(served.url.replace("http", "ws") + "/socket", {
      headers: { "x-fal-request-id": ["one", "two"], "x-custom": ["a", "b"] },
    });
    const [message] = (await once(socket, "message")) as [Buffer];
    assert.deepEqual(JSON.parse(message.toString()), { id: "one", custom: "a" });
    await once(socket, "close");
  });
});

describe("documentation pages", () => {
  test("unknown paths below /docs return a 404 in the documented form", async () => {
    const paths = [
      ...["/docs/nope", "/docs/static/nope.js", "/docs/static/a/b/c", "/docs/static/%2e%2e/x"],
      ...["/docs/static/..%2f..%2fpackage.json", "/docs/a%20b", "/docs/json/x", "/docs/static/.hidden"],
    ];
    for (const path of paths) {
      const answer = await raw(`GET ${path}?query=1`);
      assert.equal(statusOf(answer), 404, `${path}: ${answer}`);
      assert.match(answer, /^x-fal-billable-units: 0$/im);
      assert.match(answer, /^content-type: application\/json/im);
      assert.deepEqual(JSON.parse(bodyOf(answer)), { detail: `Path ${decodeURIComponent(path)} not found` });
    }
  });

  test("are sent with nosniff and a content security policy, as is every other response that a browser may open", async () => {
    const paths = [
      "/docs",
      "/docs/",
      "/docs/static/swagger-ui-bundle.js",
      "/docs/static/index.css",
      "/docs/json",
    ];
    for (const path of [
      ...paths,
      "/docs/nope",
      "/openapi.json",
      "/health",
      "/readyz",
      "/nope",
      "/context",
      "/metrics",
    ]) {
      const answer = await fetch(served.url + path);
      assert.equal(answer.headers.get("x-content-type-options"), "nosniff", path);
      assert.match(answer.headers.get("content-security-policy") ?? "", /^default-src 'none'/, path);
    }
  });

  test("load only files that exist, which a browser need not load again", async () => {
    for (const page of ["/docs", "/docs/"]) {
      const url = served.url + page;
      const links = [...(await (await fetch(url)).text()).matchAll(/(?:src|href)="([^"]+)"/g)];
      assert.equal(links.length, 6);
      for (const [, link = ""] of links) {
        const file = await fetch(new URL(link, url));
        assert.equal(file.status, 200, link);
        assert.match(file.headers.get("content-type") ?? "", /^(?:text\/(?:css|javascript)|image\/png)/);
        const tag = file.headers.get("etag");
        if (link.endsWith("initializer.js")) continue;
        const again = await fetch(new URL(link, url), { headers: { "if-none-match": tag ?? "" } });
        assert.equal(again.status, 304, link);
      }
    }
  });

  test("contain no inline script, which the policy would block", async () => {
    const page = await (await fetch(`${served.url}/docs`)).text();
    assert.match(page, /<script src=/);
    assert.doesNotMatch(page, /<script(?![^>]*src=)[^>]*>\s*\S|\son\w+=/);
  });
});
