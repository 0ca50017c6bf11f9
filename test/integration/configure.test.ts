import assert from "node:assert/strict";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { test } from "node:test";
import type { FastifyInstance } from "fastify";
import { App, endpoint, realtime } from "servable";
import { startTestServer } from "servable/testing";

test("hooks of plugins that configure() registers apply to endpoints, probes, docs and unknown paths", async () => {
  const steps: string[] = [];
  class Configured extends App {
    override configure(server: FastifyInstance): void {
      steps.push("configure");
      server.register(
        Object.assign(
          async (scope: FastifyInstance) => {
            await new Promise((resolve) => setImmediate(resolve));
            steps.push("plugin");
            scope.addHook("onRoute", (route) => void steps.push(`${String(route.method)} ${route.url}`));
            scope.addHook("onRequest", async (request, reply) => {
              if (request.headers.authorization !== "Bearer key") {
                await reply.code(401).send({ error: "no key" });
              }
            });
          },
          { [Symbol.for("skip-override")]: true },
        ),
      );
    }
    override setup(): void {
      steps.push("setup");
    }
    @endpoint("/run")
    run(): string {
      return "ran";
    }
    @realtime("/live")
    live(input: Record<string, unknown>): Record<string, unknown> {
      return input;
    }
  }
  await using served = await startTestServer(new Configured());
  assert.deepEqual(steps.slice(0, 2), ["configure", "plugin"]);
  assert.equal(steps.at(-1), "setup");
  assert.ok(steps.includes("POST /run") && steps.includes("GET /health") && steps.includes("GET /live"));
  const paths = ["/run", "/health", "/docs", "/openapi.json", "/nope", "/live", "/run/"];
  for (const path of paths) {
    const method = path === "/run" ? "POST" : "GET";
    const refused = await fetch(served.url + path, { method });
    assert.equal(refused.status, 401, path);
    assert.deepEqual(await refused.json(), { error: "no key" });
  }
  const headers = { authorization: "Bearer key" };
  assert.equal(await (await served.post("/run", undefined, headers)).json(), "ran");
  const wrong = await fetch(`${served.url}/run`, { headers });
  assert.equal(wrong.status, 405);
  assert.equal(wrong.headers.get("allow"), "POST");
  const unknown = await fetch(`${served.url}/nope`, { headers });
  assert.deepEqual(await unknown.json(), { detail: "Path /nope not found" });
  const slash = await fetch(`${served.url}/run/`, { headers, redirect: "manual" });
  assert.equal(slash.status, 307);
  assert.equal((await fetch(`${served.url}/docs`, { headers })).status, 200);
});

test("routes of configure() that carry a schema are in the document, with and without a server", async () => {
  class Documented extends App {
    override configure(server: FastifyInstance): void {
      server.addSchema({ $id: "Item", type: "object", properties: { name: { type: "string" } } });
      server.get("/hidden", { schema: { hide: true } }, () => "hidden");
      server.get("/plain", () => "plain");
      server.get(
        "/items/:id",
        {
          schema: {
            summary: "Shows an item",
            params: { type: "object", properties: { id: { type: "integer" } } },
            response: { 200: { $ref: "Item#" } },
          },
        },
        () => ({ name: "one" }),
      );
    }
    @endpoint("/run")
    run(): string {
      return "ran";
    }
  }
  await using served = await startTestServer(new Documented());
  const shown: unknown = await (await fetch(`${served.url}/openapi.json`)).json();
  const document = await new Documented().openapi();
  assert.deepEqual(shown, JSON.parse(JSON.stringify(document)));
  assert.deepEqual(document["x-fal-order-paths"], ["/run", "/items/{id}", "/health"]);
  const operation = document.paths["/items/{id}"]?.["get"] as Record<string, unknown>;
  assert.equal(operation["summary"], "Shows an item");
  assert.match(JSON.stringify(operation["responses"]), /"#\/components\/schemas\/Item"/);
  assert.deepEqual(document.components.schemas["Item"]?.["properties"], { name: { type: "string" } });
});

test("a document generated where configure() fails lacks its routes, with a warning", async () => {
  class Keyless extends App {
    override configure(): void {
      throw new Error("API_KEY is not set");
    }
    @endpoint("/run")
    run(): string {
      return "ran";
    }
  }
  const warned = once(process, "warning") as Promise<[Error]>;
  const document = await new Keyless().openapi();
  assert.deepEqual(document["x-fal-order-paths"], ["/run", "/health"]);
  const [{ message }] = await warned;
  assert.match(message, /^The OpenAPI document of Keyless lacks .*: API_KEY is not set$/);
});

test("no code of the app runs for a refused host or origin: no hook, route, not-found or error handler", async () => {
  const ran: string[] = [];
  class Open extends App {
    override configure(server: FastifyInstance): void {
      server.addHook("onRequest", async () => void ran.push("hook"));
      server.addHook("onSend", async (_request, reply) => void reply.header("x-sent", "yes"));
      server.all("/own/*", async () => void ran.push("route"));
      server.setNotFoundHandler((_request, reply) => {
        ran.push("not found");
        return reply.code(404).send();
      });
      server.setErrorHandler((_error, _request, reply) => {
        ran.push("error");
        return reply.code(500).send();
      });
    }
    @endpoint("/run")
    run(): void {
      ran.push("endpoint");
    }
    @realtime("/live")
    live(): Record<string, unknown> {
      ran.push("session");
      return {};
    }
  }
  await using served = await startTestServer(new Open());
  const foreign = [
    { host: "evil.example" },
    { host: "localhost", origin: "https://evil.example" },
    { host: "localhost", "sec-fetch-site": "cross-site" },
  ];
  const paths = [
    "/run",
    "/run/",
    "/own/a",
    "/own/%61",
    "//own/a",
    "/nope",
    "/docs",
    "/openapi.json",
    "/health",
    "/",
  ];
  for (const headers of foreign) {
    for (const path of [...paths, "/live", "/(refused)"]) {
      for (const method of ["GET", "POST", "PUT", "HEAD"]) {
        const { statusCode } = await send(served.port, method, path, headers);
        assert.equal(statusCode, 403, `${method} ${path} ${JSON.stringify(headers)}`);
      }
    }
  }
  assert.deepEqual(ran, []);
  assert.equal((await send(served.port, "POST", "/own/a", { host: "localhost" })).statusCode, 200);
  assert.deepEqual(ran, ["hook", "route"]);
});

/** Sends a request whose headers `fetch` would not send. */
async function send(
  port: number,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<IncomingMessage> {
  const sent = request({ host: "127.0.0.1", port, method, path, headers, agent: false }).end();
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  answer.resume();
  await once(answer, "end");
  return answer;
}
