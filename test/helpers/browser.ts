import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { join } from "node:path";
import type { AddressInfo } from "node:net";
import { after } from "node:test";
import { pathToFileURL } from "node:url";
import { createToolProject } from "./tool-packages.ts";

/** Debian's browser. */
const PROGRAM = "/usr/bin/chromium";

/** The reason to skip tests that need the browser; undefined where it is installed. */
export const noBrowser: string | undefined = existsSync(PROGRAM) ? undefined : `${PROGRAM} is not installed`;

const FLAGS = [
  ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
];

/** The parts of a page of playwright that tests use. */
interface BrowserPage {
  goto(url: string): Promise<unknown>;
  /** Runs the text of a function in the page, and returns what it resolves to. */
  evaluate<T>(code: string): Promise<T>;
  fill(selector: string, text: string): Promise<void>;
  click(selector: string): Promise<void>;
  waitForSelector(selector: string): Promise<unknown>;
  content(): Promise<string>;
}

interface Browser {
  newPage(): Promise<BrowserPage>;
  close(): Promise<void>;
}

interface Playwright {
  readonly chromium: {
    launch(options: { executablePath: string; args: readonly string[] }): Promise<Browser>;
  };
}

/** Starts a headless browser. Closed after the tests. */
export async function launchBrowser(): Promise<Browser> {
  const folder = await createToolProject("clients", {});
  const module = pathToFileURL(join(folder, "../node_modules/playwright-core/index.mjs")).href;
  const { chromium } = (await import(module)) as Playwright;
  const browser = await chromium.launch({ executablePath: PROGRAM, args: FLAGS });
  after(() => browser.close());
  return browser;
}

/** Serves an empty page on an origin of its own. Closed after the tests. @returns its address */
export async function serveEmptyPage(): Promise<string> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>A page</title>");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
