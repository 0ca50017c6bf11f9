import assert from "node:assert/strict";
import { test } from "node:test";
import { Type, type Static } from "typebox";
import { banner, bannerOfSeveral, tryIt } from "../../../src/cli/banner.ts";
import { App, endpoint } from "../../../src/index.ts";

const Say = Type.Object({ text: Type.String({ examples: ["it's"] }) });

class Speaker extends App {
  static override version = "2.0.0";

  @endpoint("/say", { input: Say })
  say({ text }: Static<typeof Say>): string {
    return text;
  }

  @endpoint("/steps", { stream: true })
  async *steps(): AsyncGenerator<number> {
    yield 1;
  }
}

const addresses = {
  url: "http://127.0.0.1:8080",
  scheme: "http",
  metricsUrl: "http://127.0.0.1:9090/metrics",
  port: 8080,
  metricsPort: 9090,
} as const;

test("the banner shows all URLs and routes, and is plain text in a pipe", () => {
  const text = banner({ name: "Speaker", app: new Speaker() }, addresses, false);
  for (const line of [
    /● Speaker 2\.0\.0 is ready in \d+ ms/,
    /App +http:\/\/127\.0\.0\.1:8080\n/,
    /Docs +http:\/\/127\.0\.0\.1:8080\/docs\n/,
    /Health +http:\/\/127\.0\.0\.1:8080\/health\n/,
    /Metrics +http:\/\/127\.0\.0\.1:9090\/metrics\n/,
    /POST +\/say +say\(\)\n/,
    /STREAM +\/steps +steps\(\)\n/,
    /Ctrl-C stops\./,
  ]) {
    assert.match(text, line);
  }
  assert.ok(!text.includes("\u001B"));
});

test("with HTTPS, URLs and the sample request say so", () => {
  const secure = { ...addresses, url: "https://127.0.0.1:8080", scheme: "https" } as const;
  const text = banner({ name: "Speaker", app: new Speaker() }, secure, false);
  assert.match(text, /App +https:\/\/127\.0\.0\.1:8080\n/);
  assert.match(text, /Docs +https:\/\/127\.0\.0\.1:8080\/docs\n/);
  assert.match(text, /curl https:\/\/127\.0\.0\.1:8080\/say /);
});

test("on a unix socket, requests name its file, and no URL is shown that nothing can open", () => {
  const local = { ...addresses, url: "unix:/run/my app.sock", port: undefined };
  const text = banner({ name: "Speaker", app: new Speaker() }, local, false);
  assert.match(text, /App +unix:\/run\/my app\.sock\n/);
  assert.match(text, /Health +curl --unix-socket '\/run\/my app\.sock' http:\/\/localhost\/health\n/);
  assert.doesNotMatch(text, /Docs|sock\/docs/);
  const plain = { ...local, url: "unix:/run/app.sock", scheme: "https" } as const;
  assert.match(
    tryIt(new Speaker(), plain)[0] ?? "",
    /^curl --unix-socket \/run\/app\.sock https:\/\/localhost\/say -H /,
  );
});

test("the sample request keeps a quote intact, in a POSIX shell and on Windows", () => {
  const head = "curl http://127.0.0.1:8080/say -H";
  assert.deepEqual(tryIt(new Speaker(), addresses, { platform: "linux" }), [
    `${head} 'content-type: application/json' -d '{"text":"it'\\''s"}'`,
  ]);
  assert.deepEqual(tryIt(new Speaker(), addresses, { platform: "win32" }), [
    `${head} "content-type: application/json" -d "{\\"text\\":\\"it's\\"}"`,
  ]);
});

test("the sample request has the method of the endpoint, and parameters that fit", () => {
  class Items extends App {
    @endpoint("/items/:id", {
      method: "GET",
      params: Type.Object({ id: Type.Integer({ examples: [7] }) }),
      query: Type.Object({ q: Type.String({ examples: ["a b"] }) }),
      headers: Type.Object({ "x-count": Type.Integer({ examples: [3] }) }),
    })
    get(): void {}
  }
  class Removals extends App {
    @endpoint("/items/:name", { method: "DELETE" })
    remove(): void {}
  }
  const [get] = tryIt(new Items(), addresses, { platform: "linux" });
  assert.equal(get, "curl 'http://127.0.0.1:8080/items/7?q=a+b' -H 'x-count: 3'");
  assert.deepEqual(tryIt(new Removals(), addresses, { platform: "linux" }), [
    "curl http://127.0.0.1:8080/items/1 -X DELETE",
  ]);
});

test("the banner of several apps shows the address, the routes and a request of each", () => {
  const apps = ["/first", "/team/second"].map((prefix) => ({
    name: `Speaker of ${prefix}`,
    app: new Speaker(),
    prefix,
  }));
  const text = bannerOfSeveral(apps, addresses, true);
  for (const line of [
    /● 2 apps are ready in \d+ ms/,
    /App +http:\/\/127\.0\.0\.1:8080\n/,
    /Health +http:\/\/127\.0\.0\.1:8080\/health\n/,
    /Metrics +http:\/\/127\.0\.0\.1:9090\/metrics\n/,
    /Speaker of \/first 2\.0\.0\n +App +http:\/\/127\.0\.0\.1:8080\/first\n +Docs +\S+\/first\/docs\n +POST +\/say/,
    /Speaker of \/team\/second 2\.0\.0\n[^]*STREAM +\/steps +steps\(\)\n +curl http:\S+\/team\/second\/say/,
    /Watching for changes/,
  ]) {
    assert.match(text, line);
  }
  const local = bannerOfSeveral(apps, { ...addresses, url: "unix:/run/app.sock", port: undefined }, true);
  assert.match(local, /Health +curl --unix-socket \/run\/app\.sock http:\/\/localhost\/health\n/);
  assert.match(local, /Speaker of \/first 2\.0\.0\n +App +\/first\n +POST +\/say/);
  assert.match(local, /curl --unix-socket \/run\/app\.sock http:\/\/localhost\/team\/second\/say /);
});
