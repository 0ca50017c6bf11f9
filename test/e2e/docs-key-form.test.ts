import assert from "node:assert/strict";
import { test } from "node:test";
import { App, bearerTokens, endpoint } from "servable";
import { startTestServer } from "servable/testing";
import { launchBrowser, noBrowser } from "../helpers/browser.ts";

class SecretPlans extends App {
  static override auth = bearerTokens(["the-key"]);

  @endpoint("/plans", { summary: "Hidden plans" })
  plans(): string {
    return "attack at dawn";
  }
}

test("the docs page holds nothing of the app", async () => {
  await using served = await startTestServer(new SecretPlans());
  const page = await (await fetch(`${served.url}/docs`)).text();
  const scripts = [...page.matchAll(/src="([^"]+)"/g)].map(([, path]) => String(path));
  assert.ok(scripts.some((path) => path.endsWith("key-form.js")));
  const texts = await Promise.all(
    scripts.map(async (path) => (await fetch(new URL(path, served.url))).text()),
  );
  assert.doesNotMatch([page, ...texts].join(""), /secret.?plans|hidden plans|\/plans|the-key/i);
});

test(
  "the docs page asks for the key, shows the document, and calls with the key",
  { skip: noBrowser },
  async () => {
    await using served = await startTestServer(new SecretPlans());
    const browser = await launchBrowser();
    const page = await browser.newPage();
    await page.goto(`${served.url}/docs`);
    await page.waitForSelector("#key");
    assert.doesNotMatch(await page.content(), /Hidden plans/);
    await page.fill("#key", "wrong");
    await page.click("form button");
    await page.waitForSelector("[role=alert]:not(:empty)");
    assert.match(await page.content(), /The credentials are not valid/);
    await page.fill("#key", "the-key");
    await page.click("form button");
    await page.waitForSelector(".opblock-summary");
    assert.match(await page.content(), /Hidden plans/);
    await page.click(".opblock-post .opblock-summary-control");
    await page.waitForSelector(".execute");
    await page.click(".execute");
    await page.waitForSelector(".live-responses-table");
    assert.match(await page.content(), /attack at dawn/);
  },
);
