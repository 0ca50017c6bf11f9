import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ANY_PORT, createProject, startCli } from "../helpers/cli.ts";
import { createFolder } from "../helpers/folders.ts";
import { storedFiles, untilStored } from "../helpers/uploads.ts";

const STUCK_COPY = fileURLToPath(new URL("../fixtures/stuck-copy.cjs", import.meta.url));

const SOURCE = `
import { App, endpoint } from "servable";
import { File } from "servable/media";
import { Type } from "typebox";

const One = Type.Object({ file: File() });
const { FOLDER } = process.env;

export default class Keeper extends App {
  static storage = { kind: "local", folder: FOLDER + "/stored" };

  @endpoint("/bytes", { output: One })
  bytes() {
    return { file: File.fromBytes(Buffer.from("complete"), { contentType: "text/x-own", fileName: "a b.txt" }) };
  }

  @endpoint("/path", { output: One })
  path() {
    return { file: File.fromPath(FOLDER + "/source") };
  }
}
`;

test("what a killed server was storing is removed when the next one starts, and what it had stored is served as before", async () => {
  const folder = createFolder();
  const stored = join(folder, "stored");
  writeFileSync(join(folder, "source"), "the whole file");
  const project = createProject({ "app.ts": SOURCE });
  const start = async (env: Readonly<Record<string, string>>) => {
    const cli = startCli(["run", "app.ts", ...ANY_PORT], project, {
      FOLDER: folder,
      TMPDIR: createFolder(),
      ...env,
    });
    return { cli, url: await cli.listening() };
  };
  const post = (url: string): Promise<Response> => fetch(url, { method: "POST" });
  /** The answer with a stored file, by the address of the server that sends it. */
  const read = async (url: string): Promise<readonly unknown[]> => {
    const answer = await fetch(url);
    const { headers } = answer;
    return [
      answer.status,
      headers.get("content-type"),
      headers.get("content-disposition"),
      await answer.text(),
    ];
  };
  const expected = [200, "text/x-own", 'attachment; filename="a b.txt"', "complete"];

  const first = await start({ NODE_OPTIONS: `--require ${STUCK_COPY}` });
  const { file } = (await (await post(`${first.url}/bytes`)).json()) as { file: { url: string } };
  assert.deepEqual(await read(file.url), expected);
  const lost = assert.rejects(post(`${first.url}/path`));
  await untilStored(stored, 1);
  first.cli.kill("SIGKILL");
  await first.cli.ended;
  await lost;
  assert.equal(storedFiles(stored).length, 1, "the kill left the beginning of a file");

  const second = await start({});
  assert.deepEqual(storedFiles(stored), []);
  const { pathname } = new URL(file.url);
  const ids = readdirSync(stored).filter((name) => !name.startsWith("servable-uploads-"));
  assert.deepEqual(ids, [pathname.split("/")[2]], "only the complete file");
  assert.deepEqual(await read(second.url + pathname), expected);
  const again = (await (await post(`${second.url}/path`)).json()) as { file: { url: string } };
  const [status, , , text] = await read(again.file.url);
  assert.deepEqual([status, text], [200, "the whole file"]);
  second.cli.kill("SIGTERM");
  await second.cli.ended;
});
