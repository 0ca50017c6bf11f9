import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { after, test } from "node:test";
import { DownloadError, downloadModelWeights } from "servable";
import { FileHost } from "../helpers/file-host.ts";
import { createFolder } from "../helpers/folders.ts";

process.env["SERVABLE_CACHE_DIR"] = createFolder();
delete process.env["HF_TOKEN"];
after(() => delete process.env["SERVABLE_CACHE_DIR"]);

const large = randomBytes(300_000);
const small = Buffer.from('{"layers":2}');

async function startHub(): Promise<FileHost> {
  const host = await FileHost.start();
  host.hub.set("org/model/onnx/model.onnx", { content: large, isLarge: true });
  host.hub.set("org/model/config.json", { content: small });
  return host;
}

function failsWith(message: RegExp, reason: DownloadError["reason"] = "hub"): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof DownloadError, String((error as Error).stack));
    assert.match(error.message, message);
    assert.equal(error.reason, reason);
    return true;
  };
}

test("a file of a hub is downloaded once, from the commit that the revision names", async () => {
  const host = await startHub();
  const options = { showProgress: false, hubUrl: `${host.origin}/`, allowedHosts: host.hosts };
  for (const [url, content] of [
    ["hf://org/model@main/onnx/model.onnx", large],
    ["hf://models/org/model/config.json", small],
  ] as const) {
    const path = await downloadModelWeights(url, options);
    assert.equal(basename(path), url.split("/").at(-1));
    assert.deepEqual(readFileSync(path), content);
    const { length } = host.requests;
    assert.equal(await downloadModelWeights(url, options), path);
    assert.equal(host.requests.length, length);
  }
  assert.ok(
    host.requests.some(({ path }) => /^\/org\/model\/resolve\/[0-9a-f]{40}\/onnx\/model.onnx$/.test(path)),
  );
});

test("a broken download from a hub is continued, and the hub's hash verifies it without one from the caller", async () => {
  const host = await startHub();
  host.faults.push({ breakAfter: 100_000 });
  const options = { showProgress: false, hubUrl: host.origin, allowedHosts: host.hosts };
  const url = "hf://org/model/onnx/model.onnx";
  assert.deepEqual(readFileSync(await downloadModelWeights(url, options)), large);
  const stored = host.requests.filter(({ path }) => path.startsWith("/stored/"));
  assert.deepEqual(
    stored.map(({ range }) => range === undefined),
    [true, false],
  );
  for (const name of ["onnx/model.onnx", "config.json"]) {
    const { length = 0 } = host.hub.get(`org/model/${name}`)?.content ?? {};
    host.faults.push({ content: randomBytes(length) });
    await assert.rejects(
      downloadModelWeights(`hf://org/model/${name}`, { ...options, force: true }),
      failsWith(/does not have the expected content/, "hash"),
    );
  }
});

test("a token is sent to the hub, and to no other origin", async () => {
  const host = await startHub();
  host.token = "hf_secret";
  const options = { showProgress: false, hubUrl: host.origin, allowedHosts: host.hosts };
  const url = "hf://org/model/onnx/model.onnx";
  await assert.rejects(downloadModelWeights(url, options), failsWith(/HF_TOKEN/));
  await downloadModelWeights(url, { ...options, token: "hf_secret" });
  process.env["HF_TOKEN"] = "hf_secret";
  await downloadModelWeights("hf://org/model/config.json", options).finally(
    () => delete process.env["HF_TOKEN"],
  );
  const stored = host.requests.filter(({ path }) => path.startsWith("/stored/"));
  assert.equal(stored.length, 2);
  assert.deepEqual(
    stored.filter(({ authorization }) => authorization !== undefined),
    [],
  );
});

test("a repository, a revision or a file that does not exist is an error that says which", async () => {
  const host = await startHub();
  const options = { showProgress: false, hubUrl: host.origin, allowedHosts: host.hosts };
  const get = (url: string): Promise<string> => downloadModelWeights(url, options);
  await assert.rejects(
    get("hf://org/none/x"),
    failsWith(/The model org\/none has no revision "main", or does not exist/),
  );
  await assert.rejects(get("hf://org/model@v2/x"), failsWith(/revision "v2"/));
  await assert.rejects(get("hf://org/model/none.bin"), failsWith(/no file "none.bin" in revision "main"/));
  host.close();
  await assert.rejects(get("hf://org/model/other.bin"), failsWith(/could not be asked.*ECONNREFUSED/));
});

test("other forms of hub URLs and addresses are refused", async () => {
  const options = { showProgress: false };
  for (const path of [
    "",
    "org",
    "org/model",
    "org/model/",
    "org/model@/x",
    "org/model/a/../b",
    "org/model//x",
    "/x/y",
  ]) {
    await assert.rejects(
      downloadModelWeights(`hf://${path}`, options),
      failsWith(/hf:\/\/org\/model@revision/),
      path,
    );
  }
  for (const hubUrl of ["", "x", "ftp://x"]) {
    await assert.rejects(
      downloadModelWeights("hf://org/model/x", { ...options, hubUrl }),
      failsWith(/not a URL/),
    );
  }
  await assert.rejects(downloadModelWeights("not a URL", options), failsWith(/not a URL/, "fetch"));
});
