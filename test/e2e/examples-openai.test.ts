import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { ANY_PORT, cleanEnvironment, root, startCli } from "../helpers/cli.ts";
import { createToolProject } from "../helpers/tool-packages.ts";

const run = promisify(execFile);

const CLIENT = `import OpenAI from "openai";
const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "any", maxRetries: 0 });
const messages = [{ role: "user", content: "Hello" }];
const ask = { model: "words-1", messages, max_tokens: 12, seed: 7 };
const seen = {};
seen.models = (await client.models.list()).data.map(({ id }) => id);
seen.single = (await client.chat.completions.create(ask)).choices[0].message.content;
seen.streamed = "";
for await (const chunk of await client.chat.completions.create({ ...ask, stream: true }))
  seen.streamed += chunk.choices[0].delta.content ?? "";
const long = await client.chat.completions.create({ ...ask, max_tokens: 100000, stream: true });
let chunks = 0;
for await (const _chunk of long) if (++chunks === 5) break; // aborts the request
seen.aborted = chunks;
const errorOf = async (body) => {
  try {
    await client.chat.completions.create(body);
  } catch (error) {
    return [error.constructor.name, error.status, error.message];
  }
};
seen.unknown = await errorOf({ ...ask, model: "words-2" });
seen.unknownStream = await errorOf({ ...ask, model: "words-2", stream: true });
seen.invalid = await errorOf({ ...ask, max_tokens: "many" });
console.log(JSON.stringify(seen));
`;

test(
  "OpenAI's client lists models, completes, streams, aborts a stream and reads errors",
  { timeout: 120_000 },
  async () => {
    const example = (name: string): string => readFileSync(join(root, "examples/openai", name), "utf8");
    const folder = await createToolProject("clients", {
      "client.mjs": CLIENT,
      "CONTRIBUTING.md": readFileSync(join(root, "CONTRIBUTING.md"), "utf8"),
      "examples/openai/app.ts": example("app.ts"),
      "examples/openai/word-model.ts": example("word-model.ts"),
    });
    const served = startCli(["run", "examples/openai/app.ts", ...ANY_PORT], folder);
    const url = await served.listening();
    const { stdout } = await run(process.execPath, ["client.mjs", url], {
      cwd: folder,
      env: cleanEnvironment(),
    });
    const seen = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual(seen["models"], ["words-1"]);
    assert.equal(String(seen["single"]).split(" ").length, 12);
    assert.equal(seen["streamed"], seen["single"], "the same seed gives the same words");
    assert.equal(seen["aborted"], 5);
    const missing = ["NotFoundError", 404, '404 The model "words-2" does not exist'];
    assert.deepEqual(seen["unknown"], missing);
    assert.deepEqual(seen["unknownStream"], missing);
    const [name, status, message] = seen["invalid"] as [string, number, string];
    assert.deepEqual([name, status], ["UnprocessableEntityError", 422]);
    assert.match(message, /max_tokens/);
    const ended = await served.logged(/a stream has ended/, 2);
    const counts = ended.map(({ words }) => Number(words));
    assert.ok((counts[1] ?? Infinity) < 100_000, "the generator of the aborted stream has ended early");
  },
);
