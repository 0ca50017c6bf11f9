import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { test } from "node:test";
import { App, endpoint, realtime } from "servable";
import { uploadPolicyFault } from "../../src/server/access/upload-policy.ts";
import { startTestServer } from "../../src/testing/test-server.ts";

/** fal 1.83's error for each header, or null if it accepts it. */
const RECORDED = JSON.parse(
  readFileSync(new URL("../fixtures/upload-policies.json", import.meta.url), "utf8"),
) as (readonly [header: string, fault: string | null])[];

test("a policy is accepted or refused as recorded", () => {
  assert.ok(RECORDED.length > 40);
  for (const [header, fault] of RECORDED) {
    const found = uploadPolicyFault(header);
    if (fault === null) assert.equal(found, undefined, header);
    else assert.ok(found?.startsWith(fault), `${header}: ${String(found)}, not ${fault}`);
  }
});

const GOOD = '{"url":"https://bucket.s3.us-east-1.amazonaws.com/","fields":{"key":"out/${filename}"}}';

class Echo extends App {
  calls = 0;

  override provideHints(): readonly string[] {
    return ["hint"];
  }

  @endpoint("/")
  ask(): string {
    this.calls += 1;
    return "1";
  }

  @realtime("/realtime")
  chat(): { text: string } {
    return { text: "1" };
  }
}

test("a bad policy returns 422 on every path before a handler runs, with CORS and hints and without billing", async () => {
  await using served = await startTestServer(new Echo());
  const headers = { "X-App-Fal-Upload-Policy": "{}", origin: "http://localhost:3000" };
  for (const [method, path] of [
    ["POST", "/"],
    ["GET", "/health"],
    ["GET", "/unknown"],
    ["GET", "/openapi.json"],
    ["PUT", "/"],
  ]) {
    const answer = await fetch(`${served.url}${path}`, { method: method as string, headers });
    assert.equal(answer.status, 422, `${method} ${path}`);
    assert.deepEqual(await answer.json(), {
      detail: "Invalid x-app-fal-upload-policy header: must contain string 'url'",
    });
    assert.equal(answer.headers.get("x-fal-billable-units"), "0");
    assert.equal(answer.headers.get("access-control-allow-origin"), "http://localhost:3000");
    assert.equal(answer.headers.get("x-fal-runner-hints"), "hint");
  }
  assert.equal(served.app.calls, 0);
  const good = await served.post("/", undefined, { "x-app-fal-upload-policy": GOOD });
  assert.deepEqual([good.status, served.app.calls], [200, 1]);
});

test("a websocket with a policy returns 403, whatever the policy is", async () => {
  await using served = await startTestServer(new Echo());
  for (const policy of [GOOD, "{}", ""]) {
    const status = await new Promise<number | undefined>((resolve) => {
      const upgrade = request(`${served.url}/realtime`, {
        agent: false,
        headers: {
          connection: "Upgrade",
          upgrade: "websocket",
          "sec-websocket-version": "13",
          "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
          "x-app-fal-UPLOAD-policy": policy,
        },
      });
      upgrade.once("response", (response) => resolve(response.resume().statusCode));
      upgrade.once("upgrade", (response, socket) => {
        socket.destroy();
        resolve(response.statusCode);
      });
      upgrade.once("error", () => resolve(undefined)).end();
    });
    assert.equal(status, 403);
  }
});
