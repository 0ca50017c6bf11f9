import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { ANY_PORT, createProject, startCli } from "../helpers/cli.ts";

/** Answers with everything but a JSON object alone, here and from a worker. */
const APP = `import { Readable } from "node:stream";
import { App, AppException, bytes, endpoint, file } from "servable";
import type { FileAnswer, RequestContext } from "servable";

export default class Answers extends App {
  @endpoint("/created", { status: 201 })
  created(ctx: RequestContext): { id: number } {
    ctx.setHeader("set-cookie", ["a=1", "b=2"]);
    return { id: 1 };
  }

  @endpoint("/conflict", { workers: 1 })
  conflict(): never {
    throw new AppException({ code: 1 }, 409, { headers: { "x-reason": "taken" } });
  }

  @endpoint("/picture", { method: "GET", output: bytes({ contentType: "image/png" }) })
  picture(): Uint8Array {
    return Uint8Array.of(0x89, 0x50);
  }

  @endpoint("/worker-picture", { output: bytes({ contentType: "image/png" }), workers: 1 })
  workerPicture(): Uint8Array {
    return Uint8Array.of(0x89, 0x50);
  }

  @endpoint("/stream", { method: "GET" })
  stream(): Readable {
    return Readable.from(["a", "b"]);
  }

  @endpoint("/page", { method: "GET" })
  page(): Response {
    return new Response("<p>", { status: 203, headers: { "content-type": "text/html" } });
  }

  @endpoint("/file", { method: "GET" })
  file(ctx: RequestContext): FileAnswer {
    return file(String(ctx.query["name"]), { root: import.meta.dirname });
  }
}
`;

test("servable run answers with statuses, headers, bytes, streams, responses and files", async () => {
  const project = createProject({ "app.ts": APP, "digits.txt": "0123456789" });
  const served = startCli(["run", join(project, "app.ts"), ...ANY_PORT], project);
  const url = await served.listening();
  const created = await fetch(`${url}/created`, { method: "POST" });
  assert.equal(created.status, 201);
  assert.deepEqual(created.headers.getSetCookie(), ["a=1", "b=2"]);
  const conflict = await fetch(`${url}/conflict`, { method: "POST" });
  assert.equal(conflict.status, 409);
  assert.equal(conflict.headers.get("x-reason"), "taken");
  assert.deepEqual(await conflict.json(), { detail: { code: 1 } });
  for (const [path, method] of [
    ["/picture", "GET"],
    ["/worker-picture", "POST"],
  ] as const) {
    const picture = await fetch(url + path, { method });
    assert.equal(picture.headers.get("content-type"), "image/png");
    assert.deepEqual([...new Uint8Array(await picture.arrayBuffer())], [0x89, 0x50]);
  }
  assert.equal(await (await fetch(`${url}/stream`)).text(), "ab");
  const page = await fetch(`${url}/page`);
  assert.equal(page.status, 203);
  assert.equal(page.headers.get("content-type"), "text/html");
  const part = await fetch(`${url}/file?name=digits.txt`, { headers: { range: "bytes=2-3" } });
  assert.equal(part.status, 206);
  assert.equal(await part.text(), "23");
  assert.equal((await fetch(`${url}/file?name=../app.ts`)).status, 404);
  served.kill("SIGTERM");
  assert.equal((await served.ended).exitCode, 0);
});
