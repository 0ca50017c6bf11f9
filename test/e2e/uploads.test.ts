import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { ANY_PORT, createProject, startCli } from "../helpers/cli.ts";
import { createFolder } from "../helpers/folders.ts";
import { formOf, storedFiles, untilStored } from "../helpers/uploads.ts";

const SOURCE = `
import { App, bytes, endpoint, form, multipart, upload } from "servable";
import { Type } from "typebox";

const One = multipart({ file: upload({ maxBytes: 150_000_000 }), title: Type.String() });

export default class Uploads extends App {
  @endpoint("/size", { input: One })
  async size({ file, title }) {
    return { title, size: file.size, path: file.path, pid: process.pid };
  }

  @endpoint("/never", { input: One })
  async never() {
    await new Promise(() => {});
  }

  @endpoint("/worker", { input: One, workers: 1 })
  async worker({ file, title }) {
    return { title, text: await file.text(), pid: process.pid };
  }

  @endpoint("/together", { input: One, workers: 1, batch: { maxSize: 4 } })
  async together(inputs) {
    return Promise.all(inputs.map(({ file }) => file.text()));
  }

  @endpoint("/form", { input: form(Type.Object({ age: Type.Integer() })) })
  form({ age }) {
    return age;
  }

  @endpoint("/bytes", { input: bytes({ contentType: "image/png" }) })
  bytes(body) {
    return body.length;
  }
}
`;

/** Starts the app with its files in a folder of its own. */
async function start(folder: string) {
  const project = createProject({ "app.ts": SOURCE });
  const cli = startCli(["run", "app.ts", ...ANY_PORT], project, { TMPDIR: folder });
  return { cli, url: await cli.listening() };
}

const post = (url: string, body: FormData | URLSearchParams | Blob): Promise<Response> =>
  fetch(url, { method: "POST", body });
const note = (text: string): FormData => formOf({ title: "t" }, { file: new Blob([text]) });

test("servable run reads files, forms and raw bodies, and passes files to workers", async () => {
  const folder = createFolder();
  const { cli, url } = await start(folder);
  const { size, path } = (await (await post(`${url}/size`, note("12345"))).json()) as Record<string, unknown>;
  assert.equal(size, 5);
  assert.ok(String(path).startsWith(folder));
  const worker = (await (await post(`${url}/worker`, note("hello"))).json()) as Record<string, unknown>;
  assert.equal(worker["text"], "hello");
  const together = await Promise.all(
    ["a", "b"].map(async (text) => (await post(`${url}/together`, note(text))).json()),
  );
  assert.deepEqual(together, ["a", "b"]);
  assert.equal(await (await post(`${url}/form`, new URLSearchParams({ age: "7" }))).json(), 7);
  assert.equal(await (await post(`${url}/bytes`, new Blob(["1234"], { type: "image/png" }))).json(), 4);
  assert.equal((await post(`${url}/bytes`, new Blob(["1234"], { type: "image/gif" }))).status, 422);
  await untilStored(folder, 0);
  cli.kill("SIGTERM");
  assert.equal((await cli.ended).exitCode, 0);
});

test("the files of a killed process are removed when the next one starts, and those of a forced stop at once", async () => {
  const folder = createFolder();
  const first = await start(folder);
  const lost = post(`${first.url}/never`, note("left")).catch(() => {});
  await untilStored(folder, 1);
  first.cli.kill("SIGKILL");
  await first.cli.ended;
  await lost;
  assert.equal(storedFiles(folder).length, 1);
  const second = await start(folder);
  assert.deepEqual(storedFiles(folder), []);
  const refused = post(`${second.url}/never`, note("cut")).catch(() => undefined);
  await untilStored(folder, 1);
  second.cli.kill("SIGINT");
  await second.cli.logged(/stop/);
  second.cli.kill("SIGINT");
  await second.cli.ended;
  await refused;
  assert.deepEqual(storedFiles(folder), []);
  const parent = readdirSync(folder).find((name) => name.startsWith("servable-uploads-")) ?? "";
  assert.deepEqual(readdirSync(join(folder, parent)), []);
});

test("an upload of 100 MB takes bounded memory", async () => {
  const folder = createFolder();
  const { cli, url } = await start(folder);
  const { pid } = (await (await post(`${url}/size`, note("warm"))).json()) as { pid: number };
  const peak = (): number =>
    Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
  const before = process.platform === "linux" ? peak() : 0;
  const size = 100_000_000;
  const head =
    '--b\r\ncontent-disposition: form-data; name="title"\r\n\r\nt\r\n--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n';
  const chunk = Buffer.alloc(1_000_000, "x");
  const body = Readable.from(
    (function* () {
      yield Buffer.from(head);
      for (let sent = 0; sent < size; sent += chunk.length) yield chunk;
      yield Buffer.from("\r\n--b--\r\n");
    })(),
  );
  const answer = await fetch(`${url}/size`, {
    method: "POST",
    headers: { "content-type": "multipart/form-data; boundary=b" },
    body: Readable.toWeb(body),
    duplex: "half",
  });
  assert.equal(((await answer.json()) as { size: number }).size, size);
  if (process.platform === "linux") {
    const grown = peak() - before;
    assert.ok(grown < size * 0.8, `the peak of memory grew by ${grown} bytes`);
  }
  await untilStored(folder, 0);
  cli.kill("SIGTERM");
  await cli.ended;
});
