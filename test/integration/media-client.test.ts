import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createFalClient } from "@fal-ai/client";
import { App, endpoint, serve } from "servable";
import { Image } from "servable/media";
import { startTestServer } from "servable/testing";
import { Type } from "typebox";
import { startFalStore } from "../helpers/fal-store.ts";
import { createFolder } from "../helpers/folders.ts";
import { serveWith } from "../helpers/served-app.ts";
import { png } from "../helpers/pictures.ts";

const Picture = Type.Object({ image: Image() });

class Echo extends App {
  @endpoint("/", { input: Picture, output: Picture })
  run(input: { image: Image }): { image: Image } {
    return input;
  }
}

class Painter extends App {
  @endpoint("/paint", { output: Picture })
  paint(): { image: Image } {
    return { image: Image.fromBytes(png(4, 4)) };
  }
}

test("the official client's upload gives a URL that is an input as it is", async () => {
  const store = await startFalStore();
  await using server = await startTestServer(new Echo());
  const fal = createFalClient({
    credentials: "id:secret",
    fetch: (input, init) => {
      const { pathname, search } = new URL(input instanceof Request ? input.url : String(input));
      return fetch(store.origin + pathname + search, init);
    },
  });
  const image = await fal.storage.upload(new Blob([png(2, 2)], { type: "image/png" }));
  assert.equal(store.files.size, 1);
  const answer = await server.post("/", { image });
  const body = (await answer.json()) as { image: { url: string } };
  assert.deepEqual([answer.status, body.image.url], [200, image]);
});

test("the next start removes the files that a killed process has not completed", async () => {
  const folder = createFolder();
  const parent = join(folder, `servable-uploads-${userInfo().uid}`);
  const killed = join(parent, `${hostname().replaceAll(".", "-")}.999999999..killed`);
  mkdirSync(killed, { recursive: true });
  writeFileSync(join(killed, "unfinished"), "half");
  await using _server = await startTestServer(new Echo(), { storage: { kind: "local", folder } });
  assert.deepEqual(readdirSync(parent), []);
});

test("each of several classes on a port sends its own stored files", async () => {
  class First extends Painter {}
  class Second extends Painter {}
  await using served = await serveWith((given) => serve([First, Second], given), {
    storage: { kind: "local", folder: createFolder() },
  });
  for (const prefix of ["first", "second"]) {
    const answer = await fetch(`${served.url}/${prefix}/paint`, { method: "POST" });
    const { image } = (await answer.json()) as { image: { url: string } };
    assert.ok(image.url.startsWith(`${served.url}/${prefix}/_files/`), image.url);
    assert.deepEqual(new Uint8Array(await (await fetch(image.url)).arrayBuffer()), png(4, 4));
  }
});
