import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import {
  DownloadError,
  downloadFile,
  downloadModelWeights,
  FetchError,
  type DownloadProgress,
} from "servable";
import { startDownload } from "../helpers/download-processes.ts";
import { FileHost, sha256Of } from "../helpers/file-host.ts";
import { createFolder } from "../helpers/folders.ts";

const cache = createFolder();
process.env["SERVABLE_CACHE_DIR"] = cache;
after(() => delete process.env["SERVABLE_CACHE_DIR"]);

const QUIET = { showProgress: false };

function failsWith(reason: DownloadError["reason"], message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof DownloadError, String((error as Error).stack));
    assert.equal(error.reason, reason, error.message);
    assert.match(error.message, message);
    return true;
  };
}

/** The names in a folder but the records of finished downloads. */
function namesIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => !/^\.servable-[0-9a-f]{32}\.json$/.test(name));
}

test("a file gets the server's name, and is there the second time without a request or a server", async () => {
  const host = await FileHost.start();
  const folder = join(createFolder(), "new/folder");
  const content = randomBytes(300_000);
  const url = host.add("/a%20b/x.bin", content, {
    "content-disposition": 'attachment; filename="real name.bin"',
  });
  const options = { ...QUIET, allowedHosts: host.hosts };
  const path = await downloadFile(url, folder, options);
  assert.equal(path, join(folder, "real name.bin"));
  assert.deepEqual(readFileSync(path), content);
  assert.deepEqual(namesIn(folder), ["real name.bin"]);
  host.close();
  assert.equal(await downloadFile(url, folder, options), path);
  assert.equal(host.requests.length, 1);
  await assert.rejects(
    downloadFile(url, folder, { ...options, force: true, maxAttempts: 1 }),
    failsWith("fetch", /reached/),
  );
});

test("a host that is not public is refused unless it is allowed", async () => {
  const host = await FileHost.start();
  const url = host.add("/x", Buffer.from("x"));
  await assert.rejects(downloadFile(url, createFolder(), QUIET), (error) => {
    assert.ok(failsWith("fetch", /not on the public internet/)(error));
    return (error as DownloadError).cause instanceof FetchError;
  });
  assert.deepEqual(host.requests, []);
});

test("a broken download is continued where it broke, and the file is verified as a whole", async () => {
  const host = await FileHost.start();
  const content = randomBytes(1_000_000);
  const url = host.add("/weights.bin", content);
  host.faults.push({ breakAfter: 400_000 }, { breakAfter: 250_000 }, { breakAfter: 0 });
  const reports: DownloadProgress[] = [];
  const path = await downloadModelWeights(url, {
    ...QUIET,
    allowedHosts: host.hosts,
    sha256: sha256Of(content).toUpperCase(),
    onProgress: (progress) => reports.push(progress),
  });
  assert.deepEqual(readFileSync(path), content);
  const begins = host.rangesOf("/weights.bin").map((range) => Number(/\d+/.exec(range ?? "")?.[0] ?? 0));
  assert.equal(begins[0], 0);
  assert.ok(
    begins.length === 4 && (begins[1] ?? 0) > 0 && (begins[2] ?? 0) > (begins[1] ?? 0),
    String(begins),
  );
  assert.equal(begins[3], begins[2]);
  assert.ok(host.requests.slice(1).every(({ ifRange }) => ifRange?.startsWith('"')));
  assert.deepEqual(reports.at(-1), { receivedBytes: 1_000_000, totalBytes: 1_000_000 });
  assert.deepEqual(namesIn(join(path, "..")), ["weights.bin"]);
});

test("a file that has changed since it broke is downloaded from the beginning", async () => {
  const host = await FileHost.start();
  const [before, now] = [randomBytes(100_000), randomBytes(90_000)];
  const url = host.add("/changing.bin", before);
  host.faults.push({ breakAfter: 50_000 });
  const sent = host.contentSent();
  const download = downloadModelWeights(url, { ...QUIET, allowedHosts: host.hosts });
  await sent;
  host.add("/changing.bin", now);
  assert.deepEqual(readFileSync(await download), now);
});

const CASES: Readonly<
  Record<string, { readonly faults: FileHost["faults"]; readonly hasValidator: boolean }>
> = {
  "a server that ignores ranges": {
    faults: [{ breakAfter: 50_000 }, { ignoresRange: true }],
    hasValidator: true,
  },
  "a server without validators": {
    faults: [{ breakAfter: 50_000 }, { breakAfter: 60_000 }],
    hasValidator: false,
  },
  "a server that sends another content at first": {
    faults: [{ breakAfter: 50_000, content: randomBytes(100_000) }],
    hasValidator: true,
  },
  "a server that is busy at first": { faults: [{ status: 503 }, { status: 429 }], hasValidator: true },
};
for (const [what, { faults, hasValidator }] of Object.entries(CASES)) {
  test(`${what} gives the right file`, async () => {
    const host = await FileHost.start();
    const content = randomBytes(100_000);
    const url = host.add("/x.bin", content, {}, hasValidator);
    host.faults.push(...faults);
    const options = { ...QUIET, allowedHosts: host.hosts, sha256: sha256Of(content) };
    assert.deepEqual(readFileSync(await downloadModelWeights(url, options)), content);
  });
}

test("a wrong hash is an error, and leaves no file and no part", async () => {
  const host = await FileHost.start();
  const url = host.add("/wrong.bin", randomBytes(1000));
  const folder = createFolder();
  const sha256 = "0".repeat(64);
  const options = { ...QUIET, allowedHosts: host.hosts, sha256 };
  await assert.rejects(downloadFile(url, folder, options), failsWith("hash", /instead of 0{64}/));
  assert.deepEqual(readdirSync(folder), []);
  assert.equal(host.requests.length, 1);
  for (const wrong of ["", "abc", "g".repeat(64)]) {
    await assert.rejects(downloadFile(url, folder, { ...options, sha256: wrong }), TypeError);
  }
});

test("a file that is there with another hash than the wanted one is downloaded again", async () => {
  const host = await FileHost.start();
  const [before, now] = [randomBytes(1000), randomBytes(1000)];
  const url = host.add("/again.bin", before);
  const options = { ...QUIET, allowedHosts: host.hosts };
  const path = await downloadModelWeights(url, options);
  host.add("/again.bin", now);
  assert.equal(await downloadModelWeights(url, { ...options, sha256: sha256Of(now) }), path);
  assert.deepEqual(readFileSync(path), now);
  assert.equal(host.requests.length, 2);
  await downloadModelWeights(url, { ...options, force: true });
  assert.equal(host.requests.length, 3);
});

test("a failed attempt to replace a file keeps the file", async () => {
  const host = await FileHost.start();
  const content = randomBytes(1000);
  const url = host.add("/kept.bin", content);
  const options = { ...QUIET, allowedHosts: host.hosts };
  const path = await downloadModelWeights(url, options);
  host.faults.push({ breakAfter: 10 });
  await assert.rejects(
    downloadModelWeights(url, { ...options, force: true, maxAttempts: 1 }),
    failsWith("fetch", /broke/),
  );
  assert.deepEqual(readFileSync(await downloadModelWeights(url, options)), content);
  assert.ok(existsSync(path));
});

test("a file of the same name and size in the folder is kept, with the right hash if one is wanted", async () => {
  const host = await FileHost.start();
  const content = randomBytes(1000);
  const url = host.add("/same.bin", content);
  const other = randomBytes(1000);
  const folder = createFolder({ "same.bin": other });
  const options = { ...QUIET, allowedHosts: host.hosts };
  const path = await downloadFile(url, folder, options);
  assert.deepEqual(readFileSync(path), other);
  await downloadFile(url, folder, { ...options, sha256: sha256Of(content) });
  assert.deepEqual(readFileSync(path), content);
});

test("a file above the limit is refused, whether its size is declared, known or neither", async () => {
  const host = await FileHost.start();
  const url = host.add("/large.bin", randomBytes(2000));
  const options = { ...QUIET, allowedHosts: host.hosts, maxBytes: 1999 };
  await assert.rejects(downloadModelWeights(url, options), failsWith("fetch", /larger than 1999 bytes/));
  await downloadModelWeights(url, { ...options, maxBytes: 2000 });
  await assert.rejects(downloadModelWeights(url, options), failsWith("fetch", /larger than 1999 bytes/));
  assert.equal(host.requests.length, 3);
});

test("a final status is reported at once, and a passing one after the last attempt", async () => {
  const host = await FileHost.start();
  const options = { ...QUIET, allowedHosts: host.hosts, maxAttempts: 2 };
  await assert.rejects(downloadModelWeights(`${host.origin}/none?key=secret`, options), (error) => {
    assert.ok(failsWith("fetch", /status 404/)(error));
    return !(error as Error).message.includes("secret");
  });
  assert.equal(host.requests.length, 1);
  const url = host.add("/busy", Buffer.from("x"));
  host.faults.push({ status: 500 }, { status: 500 });
  await assert.rejects(
    downloadModelWeights(url, options),
    failsWith("fetch", /after 2 attempts.*status 500/),
  );
});

test("an aborted download rejects with the reason, and the next one continues it", async () => {
  const host = await FileHost.start();
  const content = randomBytes(500_000);
  const url = host.add("/aborted.bin", content);
  host.faults.push({ stopAfter: 200_000 });
  const reason = new Error("enough");
  const abort = new AbortController();
  const options = { ...QUIET, allowedHosts: host.hosts };
  const download = downloadModelWeights(url, {
    ...options,
    signal: abort.signal,
    onProgress: ({ receivedBytes }) => receivedBytes > 0 && abort.abort(reason),
  });
  await assert.rejects(download, reason);
  await assert.rejects(downloadModelWeights(url, { ...options, signal: AbortSignal.abort(reason) }), reason);
  assert.deepEqual(readFileSync(await downloadModelWeights(url, options)), content);
  assert.match(host.rangesOf("/aborted.bin")[1] ?? "", /^bytes=[1-9]/);
});

test("a folder that can't be written is an error that names it", async () => {
  const host = await FileHost.start();
  const url = host.add("/x", Buffer.from("x"));
  const folder = createFolder({ file: "" });
  const options = { ...QUIET, allowedHosts: host.hosts };
  await assert.rejects(
    downloadFile(url, join(folder, "file/below"), options),
    failsWith("disk", /file\/below.*ENOTDIR/),
  );
  mkdirSync(join(folder, "x"));
  await assert.rejects(downloadFile(url, folder, options), failsWith("disk", /can't be stored in .*x /));
});

test("a name that a caller gives is used, and one with a folder is refused", async () => {
  const host = await FileHost.start();
  const url = host.add("/x", Buffer.from("x"));
  const folder = createFolder();
  const options = { ...QUIET, allowedHosts: host.hosts };
  assert.equal(await downloadFile(url, folder, { ...options, fileName: "own.txt" }), join(folder, "own.txt"));
  for (const fileName of ["", "..", "a/b", "a\\b", ".servable-x"]) {
    await assert.rejects(downloadFile(url, folder, { ...options, fileName }), TypeError, fileName);
  }
});

test("several calls and several processes download a file once", async () => {
  const host = await FileHost.start();
  const content = randomBytes(800_000);
  const url = host.add("/shared.bin", content);
  const options = { ...QUIET, allowedHosts: host.hosts, sha256: sha256Of(content) };
  const processes = [1, 2, 3].map(() => startDownload(cache, "downloadModelWeights", url, options));
  const here = [1, 2, 3].map(() => downloadModelWeights(url, options));
  const paths = [
    ...(await Promise.all(here)),
    ...(await Promise.all(processes.map(({ result }) => result))).map(({ path }) => path),
  ];
  assert.equal(new Set(paths).size, 1, String(paths));
  assert.deepEqual(readFileSync(paths[0] ?? ""), content);
  assert.equal(host.requests.length, 1);
});

test("a killed process leaves a part that the next one continues, and nothing else", async () => {
  const host = await FileHost.start();
  const content = randomBytes(700_000);
  const url = host.add("/killed.bin", content);
  const options = { ...QUIET, allowedHosts: host.hosts, sha256: sha256Of(content) };
  host.faults.push({ stopAfter: 300_000 });
  const folder = createFolder();
  const killed = startDownload(cache, "downloadFile", url, folder, options);
  await host.contentSent();
  const part = (): string | undefined => readdirSync(folder).find((name) => name.endsWith(".part"));
  while (statSync(join(folder, part() ?? "none"), { throwIfNoEntry: false })?.size !== 300_000) {
    await new Promise((resolve) => setTimeout(resolve, 5)); // There is no event for a file that another process writes.
  }
  killed.child.kill("SIGKILL");
  await killed.result;
  assert.ok(!existsSync(join(folder, "killed.bin")));
  const { path = "" } = await startDownload(cache, "downloadFile", url, folder, options).result;
  assert.deepEqual(readFileSync(path), content);
  assert.deepEqual(host.rangesOf("/killed.bin"), [undefined, "bytes=300000-"]);
  assert.deepEqual(namesIn(folder), ["killed.bin"]);
});

test("a complete part of a killed process is not requested again", async () => {
  const host = await FileHost.start();
  const content = randomBytes(1000);
  const url = host.add("/complete.bin", content);
  const options = { ...QUIET, allowedHosts: host.hosts };
  const folder = createFolder();
  const path = await downloadFile(url, folder, options);
  const record = readdirSync(folder).find((name) => name.startsWith(".servable-")) ?? "";
  const prefix = join(folder, basename(record, ".json"));
  const damage = (): void => {
    writeFileSync(`${prefix}.part`, content);
    writeFileSync(
      `${prefix}.part.json`,
      JSON.stringify({ source: url, name: "complete.bin", totalBytes: 1000 }),
    );
    writeFileSync(`${prefix}.json`, "{");
  };
  damage();
  assert.equal(await downloadFile(url, folder, options), path);
  assert.equal(host.requests.length, 1);
  damage();
  await assert.rejects(
    downloadFile(url, folder, { ...options, sha256: "1".repeat(64) }),
    failsWith("hash", /deleted/),
  );
});

test("the time of the last use is noted at most daily", async () => {
  const host = await FileHost.start();
  const url = host.add("/used.bin", Buffer.from("x"));
  const options = { ...QUIET, allowedHosts: host.hosts };
  const folder = join(await downloadModelWeights(url, options), "..");
  const record = join(folder, readdirSync(folder).find((name) => name.endsWith(".json")) ?? "");
  const ago = (hours: number): Date => new Date(Math.floor(Date.now() / 1000) * 1000 - hours * 3_600_000);
  for (const [hours, isNoted] of [
    [23, false],
    [25, true],
  ] as const) {
    utimesSync(record, ago(hours), ago(hours));
    await downloadModelWeights(url, options);
    assert.equal(Date.now() - statSync(record).mtimeMs < 3_600_000, isNoted, `${hours} hours`);
  }
});
