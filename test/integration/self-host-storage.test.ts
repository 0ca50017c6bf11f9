import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { createFalClient, type FalClient } from "@fal-ai/client";
import { TestPlatform } from "../helpers/self-host.ts";

let host: TestPlatform;
before(async () => {
  host = await TestPlatform.start();
});
after(() => host?.[Symbol.asyncDispose]());

/** The official JavaScript client, whose hosts are fixed; its requests are redirected to the platform. */
function falClient(): FalClient {
  return createFalClient({
    credentials: host.key,
    fetch: (url, init) => fetch(String(url).replace(/^https:\/\/(?:fal\.run|rest\.fal\.ai)/, host.url), init),
  });
}

describe("the official JavaScript client, unchanged but for where it looks", () => {
  test("uploads a file, which is served as it was, with its type and name", async () => {
    const content = randomBytes(70_000);
    const url = await falClient().storage.upload(
      new File([content], "ein Bild ä.png", { type: "image/png" }),
    );
    assert.ok(url.startsWith(`${host.url}/objects/`), url);
    const answer = await fetch(url);
    assert.equal(answer.status, 200);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), content);
    assert.equal(answer.headers.get("content-type"), "image/png");
    assert.equal(
      answer.headers.get("content-disposition"),
      `inline; filename="ein Bild ?.png"; filename*=UTF-8''ein%20Bild%20%C3%A4.png`,
    );
  });
});
