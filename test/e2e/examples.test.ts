import assert from "node:assert/strict";
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { after, before, suite, test } from "node:test";

const APP = "examples/language/app.ts";

const SNIPPETS: Readonly<Record<string, string>> = {
  ts: "interface User { name: string; age: number }\nexport function greet(user: User): string {\n  return `Hello ${user.name}`;\n}\n",
  py: 'def fib(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a\n\nif __name__ == "__main__":\n    print(fib(10))\n',
  go: 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfor i := 0; i < 3; i++ {\n\t\tfmt.Println("hello", i)\n\t}\n}\n',
  rs: 'use std::collections::HashMap;\n\nfn main() {\n    let mut map: HashMap<String, i32> = HashMap::new();\n    map.insert("a".to_string(), 1);\n    println!("{:?}", map);\n}\n',
};

interface Served {
  readonly url: string;
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
}

/** Runs the command of `npm start`, on ports of its own, and waits for the line with its address. */
async function serveExample(): Promise<Served> {
  const args = ["--conditions=servable-source", "--import", "tsx", "src/cli/main.ts", "run", APP];
  const child = spawn(process.execPath, [...args, "--port", "0", "--metrics-port", "0"], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HOST: "127.0.0.1" },
  });
  let output = "";
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    output += String(chunk);
    const url = /http:\/\/127\.0\.0\.1:\d+(?!\d|\/metrics)/.exec(output)?.[0];
    if (url === undefined) continue;
    child.stdout.resume();
    return { url, child };
  }
  assert.fail(`the example named no address:\n${output}`);
}

async function post(url: string, body: unknown): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
}

suite("examples/language, run by the command line", () => {
  let served: Served;
  before(async () => {
    served = await serveExample();
  });
  after(() => served.child.kill("SIGKILL"));

  for (const [language, text] of Object.entries(SNIPPETS)) {
    test(`the model ranks ${language} first for a text written in it`, async () => {
      const answer = await post(served.url, { text });
      assert.equal(answer.status, 200);
      const { languages } = (await answer.json()) as {
        languages: { language: string; confidence: number }[];
      };
      assert.equal(languages[0]?.language, language);
      assert.equal(languages.length, 3, "the default limit");
      const confidences = languages.map(({ confidence }) => confidence);
      assert.deepEqual(
        confidences,
        confidences.toSorted((a, b) => b - a),
      );
    });
  }

  test("limit sets the number of languages listed", async () => {
    const answer = await post(served.url, { text: SNIPPETS["py"], limit: 54 });
    const { languages } = (await answer.json()) as { languages: { confidence: number }[] };
    assert.equal(languages.length, 54);
    const sum = languages.reduce((total, { confidence }) => total + confidence, 0);
    assert.ok(Math.abs(sum - 1) < 0.05, `all confidences together are ${sum}`);
  });

  test("the stream sends one event per file, in order, with an empty ranking for a text that is too short", async () => {
    const files = [
      { name: "main.go", text: SNIPPETS["go"] },
      { name: "tiny", text: "x = 1" },
      { name: "main.rs", text: SNIPPETS["rs"] },
    ];
    const answer = await post(`${served.url}/files`, { files, limit: 1 });
    assert.match(answer.headers.get("content-type") ?? "", /^text\/event-stream/);
    const events = (await answer.text()).split("\n\n").filter((event) => event.startsWith("data: "));
    const rankings = events.map(
      (event) =>
        JSON.parse(event.slice("data: ".length)) as { name: string; languages: { language: string }[] },
    );
    assert.deepEqual(
      rankings.map(({ name, languages }) => [name, languages[0]?.language]),
      [
        ["main.go", "go"],
        ["tiny", undefined],
        ["main.rs", "rs"],
      ],
    );
  });

  test("a text too short for the model is refused with the reason", async () => {
    const answer = await post(served.url, { text: "x = 1" });
    assert.equal(answer.status, 422);
    assert.deepEqual(await answer.json(), {
      detail: [
        {
          loc: ["body", "text"],
          msg: "The model needs at least 20 characters to tell a language, got 5",
          type: "text_too_short",
        },
      ],
    });
  });

  test("an invalid body is refused with every fault", async () => {
    const answer = await post(`${served.url}/files`, { files: [{ name: 1 }], limit: 0 });
    assert.equal(answer.status, 422);
    const { detail } = (await answer.json()) as { detail: { loc: unknown[]; type: string }[] };
    assert.deepEqual(
      detail.map(({ loc, type }) => [loc.join("."), type]),
      [
        ["body.files.0.name", "string_type"],
        ["body.files.0.text", "missing"],
        ["body.limit", "greater_than_equal"],
      ],
    );
  });

  test("/health reports that the model is loaded", async () => {
    const answer = await fetch(`${served.url}/health`);
    assert.deepEqual(await answer.json(), { version: "1.0.0", modelLoaded: true });
  });

  test("SIGTERM ends it with 0", async () => {
    const exited = once(served.child, "exit");
    served.child.kill("SIGTERM");
    assert.deepEqual(await exited, [0, null]);
  });
});
