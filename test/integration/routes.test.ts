import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { pino } from "pino";
import { App, endpoint } from "servable";
import { startTestServer, type TestServer } from "servable/testing";
import { exchange, rawRequest, statusOf } from "../helpers/sockets.ts";
import { WireApp } from "../helpers/wire-app.ts";

describe("routes of a served app", () => {
  let served: TestServer<WireApp>;
  before(async () => {
    served = await startTestServer(new WireApp());
  });
  after(() => served.close());

  test("an endpoint is POST on its path, and returns JSON", async () => {
    const answer = await served.post("/", { text: "hello" });
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("content-type") ?? "", /^application\/json/);
    assert.deepEqual(await answer.json(), { text: "hello", count: 3 });
  });

  test("an endpoint without an input accepts any body, or none", async () => {
    for (const body of [undefined, "{", new Uint8Array([0xff, 0x00]), { a: 1 }]) {
      const answer = await served.post("/nothing", body);
      assert.equal(answer.status, 200);
      assert.equal(await answer.text(), "null");
    }
    assert.equal((await fetch(`${served.url}/nothing`, { method: "POST" })).status, 200);
    const odd = await served.post("/nothing", "x", { "content-type": "no type at all" });
    assert.equal(odd.status, 200);
  });

  test("a wrong method on a known path returns 405 with the right one in Allow", async () => {
    for (const method of ["GET", "PUT", "DELETE", "PATCH"]) {
      const answer = await fetch(served.url, { method });
      assert.equal(answer.status, 405);
      assert.equal(answer.headers.get("allow"), "POST");
      assert.deepEqual(await answer.json(), { detail: "Method Not Allowed" });
    }
    assert.equal((await fetch(served.url, { method: "HEAD" })).status, 405);
    const health = await fetch(`${served.url}/health`, { method: "POST" });
    assert.equal(health.status, 405);
    assert.equal(health.headers.get("allow"), "GET, HEAD");
  });

  test("an unknown path returns 404, with the decoded path, without the query, and is not billed", async () => {
    const answer = await served.post("/no%20pe?secret=1", { text: "x" });
    assert.equal(answer.status, 404);
    assert.equal(answer.headers.get("x-fal-billable-units"), "0");
    assert.deepEqual(await answer.json(), { detail: "Path /no pe not found" });
  });

  test("a 404 stays a 404 if the body can't be read", async () => {
    assert.equal((await served.post("/nope", "{")).status, 404);
    assert.equal((await served.post("/nope", "x", { "content-type": "garbage" })).status, 404);
  });

  test("a malformed path returns 404 in the documented form", async () => {
    const answer = await exchange(served.port, rawRequest("POST", "/%zz"));
    assert.equal(statusOf(answer), 404);
    assert.match(answer, /\{"detail":"Path \/%zz not found"\}$/);
  });

  test("a missing or extra slash is redirected with 307, keeping the method and the query", async () => {
    const more = await fetch(`${served.url}/raw/?a=1`, { method: "POST", redirect: "manual" });
    assert.equal(more.status, 307);
    assert.equal(more.headers.get("location"), "/raw?a=1");
    const followed = await served.post("/raw/", { kept: true });
    assert.deepEqual(await followed.json(), { kept: true });
  });

  test("paths are case-sensitive", async () => {
    assert.equal((await served.post("/RAW", {})).status, 404);
  });

  test("metrics are not served on the app's port", async () => {
    assert.equal((await fetch(`${served.url}/metrics`)).status, 404);
  });

  test("GET /health returns the version; HEAD works too", async () => {
    const answer = await fetch(`${served.url}/health`);
    assert.deepEqual(await answer.json(), { version: "9.8.7" });
    assert.equal((await fetch(`${served.url}/health`, { method: "HEAD" })).status, 200);
  });

  test("GET /livez and /readyz are green while the app serves", async () => {
    assert.equal((await fetch(`${served.url}/livez`)).status, 200);
    assert.equal((await fetch(`${served.url}/readyz`)).status, 200);
  });

  test("GET /openapi.json returns the document of openapi()", async () => {
    const answer = await fetch(`${served.url}/openapi.json`);
    assert.deepEqual(await answer.json(), JSON.parse(JSON.stringify(await served.app.openapi())));
  });

  test("the docs page and everything that it loads come from this server", async () => {
    const page = await fetch(`${served.url}/docs`);
    assert.equal(page.status, 200);
    const html = await page.text();
    const links = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link as string);
    assert.ok(links.length >= 4);
    for (const link of links) {
      assert.ok(link.startsWith("/docs/"), `${link} leads away`);
      assert.equal((await fetch(served.url + link)).status, 200, link);
    }
    const document = await fetch(`${served.url}/docs/json`);
    assert.deepEqual(await document.json(), JSON.parse(JSON.stringify(await served.app.openapi())));
  });
});

test("an endpoint at /health does not replace GET /health", async () => {
  class Own extends App {
    @endpoint("/health", { healthCheck: true })
    check(): { fine: boolean } {
      return { fine: true };
    }
  }
  await using served = await startTestServer(new Own());
  assert.deepEqual(await (await served.post("/health")).json(), { fine: true });
  assert.deepEqual(await (await fetch(`${served.url}/health`)).json(), { version: "0.1.0" });
});

test("an endpoint at /livez or /readyz does not replace the probes' GET", async () => {
  class Own extends App {
    @endpoint("/livez")
    livez(): string {
      return "mine";
    }
  }
  await using served = await startTestServer(new Own());
  assert.equal(await (await served.post("/livez")).json(), "mine");
  assert.equal((await fetch(`${served.url}/livez`)).status, 200);
});

test("health() may be overridden, and is red if it throws", async () => {
  class Sick extends App {
    well = true;
    override health(): unknown {
      if (!this.well) throw new Error("the model is gone");
      return { status: "fine" };
    }
    @endpoint("/")
    run(): null {
      return null;
    }
  }
  const lines: string[] = [];
  const logger = pino({}, { write: (line: string) => void lines.push(line) });
  await using served = await startTestServer(new Sick(), { logger });
  assert.deepEqual(await (await fetch(`${served.url}/health`)).json(), { status: "fine" });
  served.app.well = false;
  const red = await fetch(`${served.url}/health`);
  assert.equal(red.status, 500);
  assert.deepEqual(await red.json(), { detail: "Internal Server Error" });
  assert.match(lines.join(""), /the model is gone/);
});

describe("a root path", () => {
  let served: TestServer<WireApp>;
  before(async () => {
    served = await startTestServer(new WireApp(), { rootPath: "/user/app/" });
  });
  after(() => served.close());

  test("is removed from paths that start with it", async () => {
    for (const prefix of ["", "/user/app"]) {
      const answer = await served.post(`${prefix}/raw`, { a: 1 });
      assert.deepEqual(await answer.json(), { a: 1 });
    }
    assert.equal((await served.post("/user/app", { text: "x" })).status, 200);
    assert.equal((await served.post("/user/application", { text: "x" })).status, 404);
  });

  test("is in the document's servers, in redirects and in the links of the docs page", async () => {
    const document = (await (await fetch(`${served.url}/user/app/openapi.json`)).json()) as {
      servers: unknown;
    };
    assert.deepEqual(document.servers, [{ url: "/user/app" }]);
    const redirect = await fetch(`${served.url}/user/app/raw/`, { method: "POST", redirect: "manual" });
    assert.equal(redirect.headers.get("location"), "/user/app/raw");
    const html = await (await fetch(`${served.url}/user/app/docs`)).text();
    const [, script] = /src="([^"]+bundle[^"]*)"/.exec(html) ?? [];
    assert.equal((await fetch(served.url + script)).status, 200);
    assert.ok(script?.startsWith("/user/app/docs/"));
  });

  test("is read from FAL_APP_ROOT_PATH if no option is given", async () => {
    process.env["FAL_APP_ROOT_PATH"] = "/from/env";
    try {
      await using other = await startTestServer(new WireApp());
      assert.equal((await other.post("/from/env/raw", {})).status, 200);
      const document = await other.app.openapi();
      assert.deepEqual(document.servers, [{ url: "/from/env" }]);
    } finally {
      delete process.env["FAL_APP_ROOT_PATH"];
    }
  });
});
