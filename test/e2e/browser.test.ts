import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { launchBrowser, noBrowser, serveEmptyPage } from "../helpers/browser.ts";
import { ANY_PORT, createProject, startCli } from "../helpers/cli.ts";

const APP = `
import { Type } from "typebox";
import { App, endpoint, realtime } from "servable";

const Input = Type.Object({ name: Type.String() });

export class Greeter extends App {
  @endpoint("/greet", { input: Input })
  greet({ name }: { name: string }): { text: string } {
    return { text: "Hello " + name };
  }

  @endpoint("/count", { stream: true })
  async *count(): AsyncGenerator<number> {
    yield 1;
    yield 2;
  }

  @realtime("/live", { contentType: "application/json" })
  live(input: object): object {
    return { got: input };
  }
}
`;

const JSON_POST = `method: "POST", headers: { "content-type": "application/json" }`;

describe("a page of another origin, in a browser,", { skip: noBrowser }, async () => {
  const project = createProject({ "app.ts": APP });
  const cli = startCli(["run", "app.ts", "--host", "0.0.0.0", "--log-format", "json", ...ANY_PORT], project);
  const [browser, origin, listening] = await Promise.all([
    launchBrowser(),
    serveEmptyPage(),
    cli.listening(),
  ]);
  const app = listening.replace("localhost", "127.0.0.1");
  const page = await browser.newPage();
  await page.goto(origin);

  test("calls an endpoint and reads the answer", async () => {
    const text = await page.evaluate<string>(
      `fetch("${app}/greet", { ${JSON_POST}, body: JSON.stringify({ name: "you" }) }).then((answer) => answer.text())`,
    );
    assert.equal(text, '{"text":"Hello you"}');
  });

  test("reads a stream", async () => {
    const text = await page.evaluate<string>(
      `fetch("${app}/count", { ${JSON_POST}, body: "{}" }).then((answer) => answer.text())`,
    );
    assert.equal(text, "data: 1\n\ndata: 2\n\n");
  });

  test("opens a realtime session", async () => {
    const message = await page.evaluate<string>(`new Promise((resolve, reject) => {
      const socket = new WebSocket("${app.replace("http", "ws")}/live");
      socket.onopen = () => socket.send('{"a":1}');
      socket.onerror = () => reject(new Error("refused"));
      socket.onmessage = async ({ data }) => {
        resolve(typeof data === "string" ? data : await data.text());
        socket.close();
      };
    })`);
    assert.deepEqual(JSON.parse(message), { got: { a: 1 } });
  });

  test("gets no answer to a request with credentials", async () => {
    const outcome = await page.evaluate<string>(
      `fetch("${app}/greet", { ${JSON_POST}, credentials: "include", body: JSON.stringify({ name: "you" }) })
        .then((answer) => answer.text(), (error) => error.name)`,
    );
    assert.equal(outcome, "TypeError");
  });

  test("can't send a form in place of JSON, which needs no preflight", async () => {
    const outcome = await page.evaluate<string>(
      `fetch("${app}/greet", { method: "POST", body: new URLSearchParams({ name: "you" }) })
        .then((answer) => String(answer.status), (error) => error.name)`,
    );
    assert.equal(outcome, "403");
  });
});
