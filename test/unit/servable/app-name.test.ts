import assert from "node:assert/strict";
import { test } from "node:test";
import { deriveAppName } from "../../../src/servable/app-name.ts";
import { App } from "../../../src/servable/app.ts";
import { endpoint } from "../../../src/routes/endpoint.ts";

const NAMES: Readonly<Record<string, string>> = {
  TextToImage: "text-to-image",
  textToImage: "text-to-image",
  text_to_image: "text-to-image",
  GPT4App: "gpt4-app",
  SDXLModel: "sdxl-model",
  SDXL: "sdxl",
  App2: "app2",
  V2Model: "v2-model",
  HTTPServer: "http-server",
  MyHTTPServer2: "my-http-server2",
  A: "a",
  $weird$: "weird",
  __private__: "private",
  Größe: "gr-e",
  "": "app",
  $: "app",
  default: "app",
};

for (const [className, name] of Object.entries(NAMES)) {
  test(`${className || "no name"} is deployed as ${name}`, () => {
    assert.equal(deriveAppName(className), name);
  });
}

test("an explicit name takes precedence, and is inherited", () => {
  class Named extends App {
    static override appName = "my-name";
    @endpoint("/")
    run(): void {}
  }
  class Child extends Named {}
  assert.equal(new Named().appName, "my-name");
  assert.equal(new Child().appName, "my-name");
});

test("a derived name is never inherited", () => {
  class FirstModel extends App {
    @endpoint("/")
    run(): void {}
  }
  class SecondModel extends FirstModel {}
  assert.equal(new FirstModel().appName, "first-model");
  assert.equal(new SecondModel().appName, "second-model");
  assert.equal(new FirstModel().appName, "first-model");
});

test("a class without a name is deployed as app", () => {
  const Nameless = (() =>
    class extends App {
      @endpoint("/")
      run(): void {}
    })();
  Object.defineProperty(Nameless, "name", { value: "" });
  assert.equal(new Nameless().appName, "app");
});
