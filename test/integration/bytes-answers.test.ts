import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { App, endpoint } from "servable";
import { startTestServer, type TestServer } from "servable/testing";
import { AnswersApp, FORMS } from "../fixtures/answers-app.ts";
import { captureLogs } from "../helpers/captured-logs.ts";
import { bodyOf, exchange, rawRequest } from "../helpers/sockets.ts";

async function contentOf(answer: Response): Promise<number[]> {
  return [...new Uint8Array(await answer.arrayBuffer())];
}

describe("an answer", () => {
  const logs = captureLogs();
  let served: TestServer<AnswersApp>;
  before(async () => {
    served = await startTestServer(new AnswersApp(), { logger: logs.logger });
  });
  after(() => served.close());

  const said = (): string => JSON.stringify(logs.lines.at(-1));

  test("has the status that the handler sets, and statuses without a body have none", async () => {
    for (const status of [200, 201, 202, 299, 302, 404, 503, 599]) {
      const answer = await served.post("/status", { status }, { connection: "close" });
      assert.equal(answer.status, status);
      assert.deepEqual(await answer.json(), { status });
    }
    for (const status of [204, 205, 304]) {
      const answer = await exchange(
        served.port,
        rawRequest("POST", "/status", { "content-type": "application/json" }, JSON.stringify({ status })),
      );
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
      assert.doesNotMatch(answer, /content-type|content-length: [1-9]|transfer-encoding/i);
      assert.equal(bodyOf(answer), "");
    }
  });

  test("a status out of range is an error that names it", async () => {
    for (const status of [0, 100, 199, 600, 1000]) {
      assert.equal((await served.post("/status", { status })).status, 500);
      assert.match(
        said(),
        new RegExp(`status\\(${status}\\) is refused: give a whole number from 200 to 599`),
      );
    }
  });

  test("has the status of the endpoint's option", async () => {
    const created = await served.post("/created");
    assert.equal(created.status, 201);
    assert.deepEqual(await created.json(), { id: 7 });
    const deleted = await fetch(`${served.url}/deleted`, { method: "DELETE" });
    assert.equal(deleted.status, 204);
    assert.equal(deleted.headers.get("content-type"), null);
  });

  test("of a stream has the status that was set before the first item, unless that has no body", async () => {
    const answer = await served.post("/status-stream", { status: 202 });
    assert.equal(answer.status, 202);
    assert.equal(await answer.text(), "data: 1\n\n");
    assert.equal((await served.post("/status-stream", { status: 204 })).status, 500);
    assert.match(said(), /set the status 204, but its items are sent as a stream of events or lines/);
  });

  test("has several lines of one header, numbers as values, and a JSON type of its own", async () => {
    const answer = await served.post("/cookies", undefined, { origin: "http://localhost:9" });
    assert.deepEqual(answer.headers.getSetCookie(), ["a=1; HttpOnly", "b=2", "c=3"]);
    assert.equal(answer.headers.get("x-count"), "3");
    assert.equal(answer.headers.get("link"), "<a>; rel=next, <b>; rel=prev");
    assert.equal(answer.headers.get("vary"), "accept-language, Origin");
    assert.match(answer.headers.get("content-type") ?? "", /^application\/problem\+json/);
  });

  for (const [kind, [, type]] of Object.entries(FORMS)) {
    test(`can be bytes in the form ${kind}, with the type of the form or of the output schema`, async () => {
      const free = await served.post("/any", { kind });
      assert.equal(free.status, 200);
      assert.equal(free.headers.get("content-type"), type);
      assert.deepEqual(await contentOf(free), [0x89, 0x50, 0x4e, 0x47]);
      const declared = await served.post("/png", { kind });
      if (["image/webp", "image/gif"].includes(type)) {
        assert.equal(declared.status, 500);
        assert.match(said(), new RegExp(`the result is ${type}, but its output is bytes\\(\\) of image/png`));
      } else {
        assert.equal(declared.headers.get("content-type"), "image/png");
        assert.deepEqual(await contentOf(declared), [0x89, 0x50, 0x4e, 0x47]);
      }
    });
  }

  test("of known length says so, and a stream is chunked", async () => {
    const length = async (kind: string): Promise<string | null> =>
      (await served.post("/any", { kind })).headers.get("content-length");
    assert.equal(await length("bytes"), "4");
    assert.equal(await length("blob"), "4");
    assert.equal(await length("stream"), null);
  });

  test("of an output of bytes can't be anything else", async () => {
    assert.equal((await served.post("/png", { kind: "nothing" })).status, 500);
    assert.match(
      said(),
      /png\(\) returned what can't be sent: a value of type undefined, but its output is bytes\(\)/,
    );
  });

  test("can be a text with a type of its own, and bytes that are already encoded", async () => {
    const page = await fetch(`${served.url}/page`);
    assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
    assert.equal(await page.text(), "<h1>été</h1>");
    const compressed = await fetch(`${served.url}/compressed`);
    assert.equal(compressed.headers.get("content-encoding"), "gzip");
    assert.equal(await compressed.text(), "hello");
  });

  test("to HEAD has the head of GET, and no body", async () => {
    for (const path of ["/picture", "/teapot", "/page"]) {
      const get = await fetch(served.url + path);
      const head = await fetch(served.url + path, { method: "HEAD" });
      assert.equal(head.status, get.status);
      assert.equal(head.headers.get("content-type"), get.headers.get("content-type"));
      assert.equal(head.headers.get("content-length"), get.headers.get("content-length"));
      assert.equal(await head.text(), "");
    }
  });

  test("can be a Response, with its status, headers and cookies beside those of the context", async () => {
    const answer = await fetch(`${served.url}/teapot`);
    assert.equal(answer.status, 418);
    assert.equal(answer.headers.get("x-from"), "response");
    assert.deepEqual(answer.headers.getSetCookie(), ["a=1", "b=2", "c=3"]);
    assert.equal(await answer.text(), "short and stout");
    const redirect = await fetch(`${served.url}/redirect`, { redirect: "manual" });
    assert.equal(redirect.status, 303);
    assert.equal(redirect.headers.get("location"), "https://a.example/b");
    assert.equal(await redirect.text(), "");
  });

  test("can't be a Response that was read, or that sets a header of HTTP", async () => {
    assert.equal((await fetch(`${served.url}/read`)).status, 500);
    assert.match(said(), /the body of the Response was read before it was returned/);
    const forbidden = await fetch(`${served.url}/forbidden`);
    assert.equal(forbidden.status, 500);
    assert.equal(await forbidden.text(), '{"detail":"Internal Server Error"}');
    assert.match(said(), /the header keep-alive of the Response is refused/);
  });

  test("is within the limits of its output schema, and a stream beyond them breaks off", async () => {
    assert.equal((await contentOf(await served.post("/limited", { kind: "b3" }))).length, 3);
    assert.equal((await contentOf(await served.post("/limited", { kind: "s2" }))).length, 2);
    for (const kind of ["b1", "b4"]) {
      assert.equal((await served.post("/limited", { kind })).status, 500);
      assert.match(said(), /the result has \d bytes, against m\w\wBytes/);
    }
    for (const kind of ["s1", "s4"]) {
      await assert.rejects(async () => contentOf(await served.post("/limited", { kind })));
      assert.match(said(), /bytes came/);
    }
  });

  test("to an error has its structured detail and its headers", async () => {
    const answer = await served.post("/conflict");
    assert.equal(answer.status, 409);
    assert.equal(answer.headers.get("www-authenticate"), "Bearer, Key");
    assert.equal(answer.headers.get("retry-after"), "5");
    assert.deepEqual(await answer.json(), { detail: { code: 1, taken: ["name"] } });
  });

  test("to an error in a stream that has begun has the detail in its last event", async () => {
    const answer = await exchange(served.port, rawRequest("POST", "/conflict-stream"));
    assert.ok(answer.includes('event: error\ndata: {"detail":{"code":1},"status":409}\n\n'), answer);
    assert.doesNotMatch(answer, /x-late/);
  });

  test("is in the document with its content type and status", async () => {
    const { paths } = await new AnswersApp().openapi();
    const responses = (path: string, method: string): Record<string, unknown> =>
      (paths as Record<string, Record<string, { responses: Record<string, unknown> }>>)[path]?.[method]
        ?.responses ?? {};
    const schema = { type: "string", format: "binary" };
    assert.deepEqual(responses("/picture", "get"), {
      200: { description: "Successful Response", content: { "image/png": { schema } } },
    });
    assert.deepEqual(responses("/limited", "post")["200"], {
      description: "Successful Response",
      content: { "application/octet-stream": { schema } },
    });
    assert.deepEqual(Object.keys(responses("/created", "post")), ["201"]);
    assert.deepEqual(responses("/deleted", "delete")["204"], { description: "Successful Response" });
  });
});

test("a Response of fetch() is passed on without the headers of its connection and its encoding", async () => {
  const upstream = createServer((_request, response) => {
    response.writeHead(203, {
      "content-type": "text/plain",
      "content-encoding": "gzip",
      "keep-alive": "timeout=9",
      "access-control-allow-origin": "*",
      "x-upstream": "yes",
    });
    response.end(gzipSync("from afar"));
  });
  await once(upstream.listen(0, "127.0.0.1"), "listening");
  const { port } = upstream.address() as AddressInfo;
  class Proxy extends App {
    @endpoint("/", { method: "GET" })
    get(): Promise<Response> {
      return fetch(`http://127.0.0.1:${port}/`);
    }
  }
  try {
    await using served = await startTestServer(new Proxy());
    const answer = await fetch(served.url);
    assert.equal(answer.status, 203);
    assert.equal(answer.headers.get("content-encoding"), null);
    assert.equal(answer.headers.get("access-control-allow-origin"), null);
    assert.equal(answer.headers.get("x-upstream"), "yes");
    assert.equal(await answer.text(), "from afar");
  } finally {
    upstream.closeAllConnections();
    upstream.close();
  }
});
