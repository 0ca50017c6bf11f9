import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Type } from "typebox";
import { App, endpoint, type RequestContext } from "servable";
import { currentApp, currentRequest } from "servable/current";
import { startTestServer, type TestServer } from "servable/testing";
import { WireApp } from "../helpers/wire-app.ts";

describe("CORS", () => {
  let served: TestServer<WireApp>;
  before(async () => {
    served = await startTestServer(new WireApp());
  });
  after(() => served.close());

  test("headers are on every response to a page, whichever part of the server creates it", async () => {
    const origin = "https://page.localhost";
    const requests: [path: string, init: RequestInit][] = [
      ["/", { method: "POST", body: '{"text":"x"}', headers: { "content-type": "application/json" } }],
      ["/", { method: "POST", body: "{", headers: { "content-type": "application/json" } }],
      ["/", { method: "GET" }],
      ["/nope", { method: "POST" }],
      ["/raw/", { method: "POST", redirect: "manual" }],
      [
        "/throw",
        { method: "POST", body: '{"kind":"error"}', headers: { "content-type": "application/json" } },
      ],
      ["/health", {}],
      ["/readyz", {}],
      ["/openapi.json", {}],
      ["/docs", {}],
    ];
    for (const [path, init] of requests) {
      const answer = await fetch(served.url + path, { ...init, headers: { ...init.headers, origin } });
      const label = `${init.method ?? "GET"} ${path} ${answer.status}`;
      assert.equal(answer.headers.get("access-control-allow-origin"), origin, label);
      assert.equal(answer.headers.get("access-control-allow-credentials"), "true", label);
      assert.equal(answer.headers.get("vary"), "Origin", label);
    }
  });

  test("headers are not on responses to other clients", async () => {
    const answer = await served.post("/", { text: "x" });
    assert.equal(answer.headers.get("access-control-allow-origin"), null);
    assert.equal(answer.headers.get("vary"), null);
  });

  test("preflights return 200 on any path, echo the requested headers, and may be cached for 600 seconds", async () => {
    for (const path of ["/", "/health", "/nope"]) {
      const answer = await fetch(served.url + path, {
        method: "OPTIONS",
        headers: {
          origin: "https://page.localhost",
          "access-control-request-method": "POST",
          "access-control-request-headers": "authorization,x-fal-request-id",
        },
      });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get("access-control-max-age"), "600");
      assert.equal(answer.headers.get("access-control-allow-headers"), "authorization,x-fal-request-id");
      assert.match(answer.headers.get("access-control-allow-methods") ?? "", /POST/);
      assert.equal(answer.headers.get("access-control-allow-origin"), "https://page.localhost");
    }
  });

  test("can be limited to a list of origins", async () => {
    await using closed = await startTestServer(new WireApp(), {
      cors: { origins: ["https://ours.test"], credentials: true },
    });
    const ours = await closed.post("/nothing", undefined, { origin: "https://ours.test" });
    assert.equal(ours.headers.get("access-control-allow-origin"), "https://ours.test");
    const other = await closed.post("/nothing", undefined, { origin: "https://other.test" });
    assert.equal(other.headers.get("access-control-allow-origin"), null);
    const preflight = await fetch(closed.url, {
      method: "OPTIONS",
      headers: { origin: "https://other.test", "access-control-request-method": "POST" },
    });
    assert.equal(preflight.status, 400);
  });
});

describe("request context", () => {
  let served: TestServer<WireApp>;
  before(async () => {
    served = await startTestServer(new WireApp());
  });
  after(() => served.close());

  test("takes id, endpoint and preference from their headers, and the query from the URL", async () => {
    const answer = await served.post("/context?a=1&b=2", undefined, {
      "x-fal-request-id": "id-1",
      "x-fal-endpoint": "me/app/path",
      "x-fal-object-lifecycle-preference": '{"expiration_duration_seconds":60}',
      "X-Custom": "Yes",
    });
    assert.deepEqual(await answer.json(), {
      requestId: "id-1",
      endpoint: "me/app/path",
      lifecyclePreference: { expiration_duration_seconds: 60 },
      query: { a: "1", b: "2" },
      custom: "Yes",
    });
  });

  test("generates an id if the header is missing, and has no preference if its JSON is invalid", async () => {
    const answer = await served.post("/context", undefined, { "x-fal-object-lifecycle-preference": "{nope" });
    const seen = (await answer.json()) as { requestId: string; lifecyclePreference: unknown };
    assert.match(seen.requestId, /^[0-9a-f-]{36}$/);
    assert.equal(seen.lifecyclePreference, null);
  });

  test("sends a changed x-fal-cdn-token back, and an unchanged one not", async () => {
    const same = await served.post("/token", {}, { "x-fal-cdn-token": "old" });
    assert.equal(same.headers.get("x-fal-cdn-token"), null);
    const changed = await served.post("/token", { token: "new" }, { "x-fal-cdn-token": "old" });
    assert.equal(changed.headers.get("x-fal-cdn-token"), "new");
    const added = await served.post("/token", { token: "fresh" });
    assert.equal(added.headers.get("x-fal-cdn-token"), "fresh");
    const broken = await served.post("/token", { token: "a\nb" });
    assert.equal(broken.status, 200);
    assert.equal(broken.headers.get("x-fal-cdn-token"), null);
  });
});

test("is separate for concurrent requests, across awaits, by ctx and by currentRequest()", async () => {
  class Tracked extends App {
    @endpoint("/", { input: Type.Object({ ms: Type.Integer() }) })
    async run({ ms }: { ms: number }, ctx: RequestContext): Promise<unknown> {
      await sleep(ms);
      const inner = await this.#deeper();
      return { ctx: ctx.requestId, ...inner, same: currentApp() === this };
    }
    async #deeper(): Promise<{ current: string | undefined }> {
      await sleep(1);
      return { current: currentRequest()?.requestId };
    }
  }
  await using served = await startTestServer(new Tracked());
  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      const answer = await served.post("/", { ms: (index * 7) % 20 }, { "x-fal-request-id": `r${index}` });
      return (await answer.json()) as unknown;
    }),
  );
  assert.deepEqual(
    answers,
    answers.map((_, index) => ({ ctx: `r${index}`, current: `r${index}`, same: true })),
  );
  assert.equal(currentRequest(), undefined);
});

describe("hints", () => {
  class Hinting extends App {
    hints: () => readonly string[] = () => ["a", "b"];
    override provideHints(): readonly string[] {
      return this.hints();
    }
    @endpoint("/")
    run(): null {
      return null;
    }
  }

  test("are on every response, joined by commas", async () => {
    await using served = await startTestServer(new Hinting());
    for (const path of ["/", "/nope"]) {
      assert.equal((await served.post(path)).headers.get("x-fal-runner-hints"), "a,b");
    }
    assert.equal((await fetch(`${served.url}/health`)).headers.get("x-fal-runner-hints"), "a,b");
    served.app.hints = () => [];
    assert.equal((await served.post("/")).headers.get("x-fal-runner-hints"), "");
  });

  test("are omitted if they are not latin-1; an override that throws sends none", async () => {
    await using served = await startTestServer(new Hinting());
    served.app.hints = () => ["été", "日本", "x\ny"];
    assert.equal((await served.post("/")).headers.get("x-fal-runner-hints"), "été");
    served.app.hints = () => {
      throw new Error("no hints today");
    };
    const answer = await served.post("/");
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("x-fal-runner-hints"), null);
  });

  test("are absent from a class that has none", async () => {
    await using served = await startTestServer(new WireApp());
    assert.equal((await served.post("/nothing")).headers.get("x-fal-runner-hints"), null);
  });
});
