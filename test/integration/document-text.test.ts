import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { App, endpoint } from "servable";
import { Type } from "typebox";
import { startTestServer } from "../../src/testing/index.ts";
import { EverythingApp, OwnHealthApp, OwnRoutesApp } from "../fixtures/documents/everything-app.ts";
import { assertValidDocument } from "../helpers/documents.ts";

const RECORDED = [
  [EverythingApp, "everything-app.json"],
  [OwnRoutesApp, "own-routes-app.json"],
  [OwnHealthApp, "own-health-app.json"],
] as const;

for (const [Served, file] of RECORDED) {
  test(`the document of ${Served.name} is the recorded text, also as it is served`, async () => {
    const url = new URL(`../fixtures/documents/${file}`, import.meta.url);
    const recorded = JSON.stringify(JSON.parse(readFileSync(url, "utf8")));
    const document = await new Served().openapi();
    assert.equal(JSON.stringify(document), recorded);
    await assertValidDocument(document);
    await using server = await startTestServer(new Served());
    const headers = { authorization: "Bearer any" };
    for (const path of ["/openapi.json", "/docs/json"]) {
      const response = await fetch(server.url + path, { headers });
      assert.equal(await response.text(), recorded, path);
    }
  });
}

const ENDPOINTS = 300;

/** A class with many endpoints, whose schemas differ. A decorator is a function, so none has to be written out. */
function manyEndpoints(): App {
  class Many extends App {}
  const metadata = Object.create(null) as DecoratorMetadataObject;
  Object.defineProperty(Many, Symbol.metadata, { value: metadata });
  for (let index = 0; index < ENDPOINTS; index++) {
    const input = Type.Object({ [`field${index}`]: Type.String() });
    const name = `method${index}`;
    const method = (): void => {};
    const decorate = endpoint(`/path-${index}`, { input }) as (method: unknown, context: object) => void;
    decorate(method, { kind: "method", name, static: false, private: false, metadata });
    Object.defineProperty(Many.prototype, name, { value: method });
  }
  return new Many();
}

test("requests are answered while the document of many endpoints is made, which is made once", async () => {
  await using server = await startTestServer(manyEndpoints());
  let isMade = false;
  const documents = Promise.all(
    [1, 2].map(async () => {
      const text = await (await fetch(`${server.url}/openapi.json`)).text();
      isMade = true;
      return text;
    }),
  );
  let answered = 0;
  while (!isMade) {
    assert.equal((await fetch(`${server.url}/health`)).status, 200);
    answered++;
  }
  const [one = "", two] = await documents;
  assert.equal(one, two);
  const { paths, components } = JSON.parse(one) as Awaited<ReturnType<App["openapi"]>>;
  assert.equal(Object.keys(paths).length, ENDPOINTS + 1);
  assert.equal(Object.keys(components.schemas).length, ENDPOINTS + 2);
  assert.ok(answered >= 10, `${answered} requests were answered meanwhile`);
});
