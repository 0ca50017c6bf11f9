import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { App, bytes, endpoint, file, type FileAnswer, type FileOptions, type RequestContext } from "servable";
import { startTestServer, type TestServer } from "servable/testing";
import { captureLogs } from "../helpers/captured-logs.ts";
import { openSocket, rawRequest } from "../helpers/sockets.ts";

const folder = mkdtempSync(join(tmpdir(), "servable-files-"));
const root = join(folder, "root");
const LONG_AGO = new Date("2026-01-02T03:04:05.678Z");
const options: Record<string, FileOptions> = {
  plain: {},
  named: { filename: 'résumé "1".txt' },
  download: { download: true },
  shown: { filename: "a.txt", download: false },
  typed: { contentType: "text/csv", cacheControl: "public, max-age=60", etag: '"v1"' },
  untagged: { etag: false },
};

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** The memory of all buffers that are still in use, in bytes. */
function heldBytes(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

class FilesApp extends App {
  @endpoint("/file", { method: "GET" })
  file(ctx: RequestContext): FileAnswer {
    return file(join(root, "digits.txt"), options[String(ctx.query["options"] ?? "plain")]);
  }

  @endpoint("/posted")
  posted(): FileAnswer {
    return file(join(root, "digits.txt"));
  }

  @endpoint("/below", { method: "GET" })
  below(ctx: RequestContext): FileAnswer {
    return file(String(ctx.query["name"]), { root });
  }

  @endpoint("/anywhere", { method: "GET" })
  anywhere(ctx: RequestContext): FileAnswer {
    return file(String(ctx.query["name"]));
  }

  @endpoint("/lost-root", { method: "GET" })
  lostRoot(): FileAnswer {
    return file("digits.txt", { root: join(folder, "nowhere") });
  }

  @endpoint("/declared", { method: "GET", output: bytes({ contentType: "text/plain" }) })
  declared(ctx: RequestContext): FileAnswer {
    return file(join(root, String(ctx.query["name"])));
  }

  @endpoint("/inside", { method: "GET" })
  inside(): object {
    return { picture: file(join(root, "digits.txt")) };
  }

  @endpoint("/large", { method: "GET" })
  large(): FileAnswer {
    return file(join(root, "large.bin"));
  }
}

describe("a file", { timeout: 120_000 }, () => {
  const logs = captureLogs();
  let served: TestServer<FilesApp>;
  before(async () => {
    mkdirSync(join(root, "sub"), { recursive: true });
    for (const name of ["root/digits.txt", "root/sub/page.html", "root/digits.unknown", "secret.txt"]) {
      writeFileSync(join(folder, name), "0123456789");
      utimesSync(join(folder, name), LONG_AGO, LONG_AGO);
    }
    writeFileSync(join(root, "empty.bin"), "");
    symlinkSync(join(folder, "secret.txt"), join(root, "link.txt"));
    symlinkSync(join(root, "digits.txt"), join(root, "inner.txt"));
    symlinkSync(folder, join(root, "up"));
    execFileSync("mkfifo", [join(root, "pipe")]);
    served = await startTestServer(new FilesApp(), { logger: logs.logger });
  });
  after(async () => {
    await served.close();
    rmSync(folder, { recursive: true });
  });

  const get = (path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Response> =>
    fetch(served.url + path, { method, headers });
  const said = (): string => JSON.stringify(logs.lines.at(-1));

  test("is sent with its type, length, ETag and time of change", async () => {
    const answer = await get("/file");
    assert.equal(answer.status, 200);
    const shown = Object.fromEntries(
      [...answer.headers].filter(([name]) => !/^(?:date|connection|keep-alive)$/.test(name)),
    );
    assert.deepEqual(shown, {
      "accept-ranges": "bytes",
      "content-length": "10",
      "content-type": "text/plain; charset=utf-8",
      etag: shown["etag"],
      "last-modified": "Fri, 02 Jan 2026 03:04:05 GMT",
    });
    assert.match(shown["etag"] ?? "", /^"a-[0-9a-f]+"$/);
    assert.equal(await answer.text(), "0123456789");
  });

  test("has the name, type, caching and ETag of its options", async () => {
    const header = async (kind: string, name: string): Promise<string | null> =>
      (await get(`/file?options=${kind}`)).headers.get(name);
    assert.equal(
      await header("named", "content-disposition"),
      `attachment; filename="r?sum? _1_.txt"; filename*=UTF-8''r%C3%A9sum%C3%A9%20%221%22.txt`,
    );
    assert.equal(await header("download", "content-disposition"), 'attachment; filename="digits.txt"');
    assert.equal(await header("shown", "content-disposition"), 'inline; filename="a.txt"');
    assert.equal(await header("typed", "content-type"), "text/csv");
    assert.equal(await header("typed", "cache-control"), "public, max-age=60");
    assert.equal(await header("typed", "etag"), '"v1"');
    assert.equal(await header("untagged", "etag"), null);
  });

  const RANGES: readonly (readonly [
    range: string,
    status: number,
    content: string,
    contentRange?: string,
  ])[] = [
    ["bytes=0-3", 206, "0123", "bytes 0-3/10"],
    ["bytes=4-", 206, "456789", "bytes 4-9/10"],
    ["bytes=-3", 206, "789", "bytes 7-9/10"],
    ["bytes=-99", 206, "0123456789", "bytes 0-9/10"],
    ["bytes=8-99", 206, "89", "bytes 8-9/10"],
    ["bytes=9-9", 206, "9", "bytes 9-9/10"],
    ["BYTES=0-0", 206, "0", "bytes 0-0/10"],
    ["bytes=10-", 416, '{"detail":"Range Not Satisfiable"}', "bytes */10"],
    ["bytes=-0", 416, '{"detail":"Range Not Satisfiable"}', "bytes */10"],
    [`bytes=${"9".repeat(400)}-`, 416, '{"detail":"Range Not Satisfiable"}', "bytes */10"],
    // Several ranges, other units and what is no range: the whole file.
    ["bytes=0-1,4-5", 200, "0123456789"],
    ["bytes=5-2", 200, "0123456789"],
    ["bytes=a-b", 200, "0123456789"],
    ["bytes=-", 200, "0123456789"],
    ["lines=0-3", 200, "0123456789"],
  ];
  for (const [range, status, content, contentRange = null] of RANGES) {
    test(`to "range: ${range.slice(0, 20)}" is answered with ${status}`, async () => {
      const answer = await get("/file", { range });
      assert.equal(answer.status, status);
      assert.equal(answer.headers.get("content-range"), contentRange);
      assert.equal(answer.headers.get("content-length"), String(content.length));
      assert.equal(await answer.text(), content);
    });
  }

  test("to a condition that holds is 304 without a body, to one that fails 412", async () => {
    const etag = (await get("/file")).headers.get("etag") ?? "";
    const modified = "Fri, 02 Jan 2026 03:04:05 GMT";
    const earlier = "Fri, 02 Jan 2026 03:04:04 GMT";
    const cases: readonly (readonly [headers: Record<string, string>, status: number])[] = [
      [{ "if-none-match": etag }, 304],
      [{ "if-none-match": `"x", W/${etag}` }, 304],
      [{ "if-none-match": "*" }, 304],
      [{ "if-none-match": '"x"' }, 200],
      [{ "if-none-match": '"x"', "if-modified-since": modified }, 200],
      [{ "if-modified-since": modified }, 304],
      [{ "if-modified-since": earlier }, 200],
      [{ "if-modified-since": "yesterday" }, 200],
      [{ "if-match": etag }, 200],
      [{ "if-match": "*" }, 200],
      [{ "if-match": '"x"' }, 412],
      [{ "if-match": `W/${etag}` }, 412],
      [{ "if-unmodified-since": modified }, 200],
      [{ "if-unmodified-since": earlier }, 412],
      [{ range: "bytes=0-1", "if-range": etag }, 206],
      [{ range: "bytes=0-1", "if-range": modified }, 206],
      [{ range: "bytes=0-1", "if-range": `W/${etag}` }, 200],
      [{ range: "bytes=0-1", "if-range": '"x"' }, 200],
      [{ range: "bytes=0-1", "if-range": earlier }, 200],
      [{ range: "bytes=0-1", "if-none-match": etag }, 304],
    ];
    for (const [headers, status] of cases) {
      const answer = await get("/file", headers);
      assert.equal(answer.status, status, JSON.stringify(headers));
      const content = await answer.text();
      if (status !== 304) continue;
      assert.equal(content, "");
      assert.equal(answer.headers.get("etag"), etag);
      assert.equal(answer.headers.get("content-type"), null);
    }
  });

  test("that has just changed has a weak ETag, with which no range is continued", async () => {
    writeFileSync(join(root, "fresh.txt"), "0123456789");
    const soon = new Date(Date.now() + 60_000);
    utimesSync(join(root, "fresh.txt"), soon, soon);
    const etag = (await get("/below?name=fresh.txt")).headers.get("etag") ?? "";
    assert.match(etag, /^W\/"/);
    assert.equal((await get("/below?name=fresh.txt", { "if-none-match": etag })).status, 304);
    assert.equal((await get("/below?name=fresh.txt", { range: "bytes=0-1", "if-range": etag })).status, 200);
  });

  test("to HEAD has the head of GET, and a range is ignored", async () => {
    const answer = await get("/file", { range: "bytes=0-1" }, "HEAD");
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("content-length"), "10");
    assert.equal(answer.headers.get("accept-ranges"), "bytes");
    assert.equal(await answer.text(), "");
    const etag = answer.headers.get("etag") ?? "";
    assert.equal((await get("/file", { "if-none-match": etag }, "HEAD")).status, 304);
  });

  test("to POST is the whole file, without conditions", async () => {
    const answer = await served.post("/posted", undefined, { range: "bytes=0-1", "if-none-match": "*" });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("etag"), null);
    assert.equal(await answer.text(), "0123456789");
  });

  test("that is empty is sent", async () => {
    const answer = await get("/below?name=empty.bin");
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("content-length"), "0");
    assert.equal(await answer.text(), "");
    assert.equal((await get("/below?name=empty.bin", { range: "bytes=0-" })).status, 416);
  });

  test("below a root is found by its path, also by a link inside", async () => {
    assert.equal(await (await get("/below?name=digits.txt")).text(), "0123456789");
    assert.equal(await (await get("/below?name=inner.txt")).text(), "0123456789");
    const page = await get("/below?name=sub/page.html");
    assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
  });

  test("outside of its root, or that is no file, is 404", async () => {
    const names = [
      ...[
        "../secret.txt",
        "sub/../../secret.txt",
        "..",
        ".",
        "",
        "sub",
        "sub/",
        "link.txt",
        "up/secret.txt",
        "pipe",
      ],
      ...[
        "missing.txt",
        "digits.txt/x",
        "digits.txt\0",
        "x".repeat(5000),
        join(folder, "secret.txt"),
        "/etc/passwd",
      ],
      ...["..%2fsecret.txt", "....//secret.txt", "..\\secret.txt"],
    ].filter((name) => name !== "");
    for (const name of names) {
      const answer = await get(`/below?name=${encodeURIComponent(name)}`);
      assert.equal(answer.status, 404, name);
      assert.equal(await answer.text(), '{"detail":"Not Found"}');
    }
  });

  test("without a root that can't be read is 500, and the log names it; so is a missing root", async () => {
    for (const name of [join(root, "missing.txt"), root, join(root, "pipe"), "/tmp/cuda-missing"]) {
      const answer = await get(`/anywhere?name=${encodeURIComponent(name)}`);
      assert.equal(answer.status, 500, name);
      assert.equal(await answer.text(), '{"detail":"Internal Server Error"}');
      assert.ok(said().includes(`${name}\\\\\\") can't be sent`) || said().includes(name), said());
    }
    assert.equal((await get("/lost-root")).status, 500);
    assert.match(said(), /its root is not a folder/);
  });

  test("of another type than the output schema is an error", async () => {
    assert.equal((await get("/declared?name=digits.txt")).status, 200);
    assert.equal((await get("/declared?name=digits.unknown")).headers.get("content-type"), "text/plain");
    assert.equal((await get("/declared?name=sub/page.html")).status, 500);
    assert.match(said(), /the result is text\/html, but its output is bytes\(\) of text\/plain/);
  });

  test("of 200 MB is sent in bounded memory, and one that becomes shorter breaks the connection", async () => {
    const size = 200 * 1024 * 1024;
    const large = await open(join(root, "large.bin"), "w");
    await large.truncate(size);
    await large.close();
    const answer = await get("/large");
    assert.equal(answer.headers.get("content-length"), String(size));
    const before = heldBytes();
    let received = 0;
    let most = 0;
    let pieces = 0;
    for await (const piece of answer.body ?? []) {
      received += (piece as Uint8Array).length;
      if (++pieces % 400 === 0) most = Math.max(most, heldBytes() - before);
    }
    assert.equal(received, size);
    assert.ok(most < size / 4, `${most} bytes of buffers at a time`);

    // A client that reads nothing yet: the file is truncated while most of it is not sent.
    const socket = await openSocket(served.port);
    socket.pause();
    socket.write(rawRequest("GET", "/large"));
    await new Promise<void>((resolve) => socket.once("readable", () => resolve()));
    truncateSync(join(root, "large.bin"), 1024);
    let got = 0;
    socket.on("data", (piece: Buffer) => (got += piece.length));
    await new Promise((resolve) => socket.once("close", resolve));
    assert.ok(got < size);
    assert.match(said(), /The file became \d+ bytes shorter while it was sent/);
  });

  test("that is removed while it is sent arrives completely", async () => {
    const size = 40 * 1024 * 1024;
    const path = join(root, "large.bin");
    writeFileSync(path, Buffer.alloc(size, 7));
    const answer = await get("/large");
    rmSync(path);
    assert.equal((await answer.arrayBuffer()).byteLength, size);
  });

  test("can't be a part of a result", async () => {
    assert.equal((await get("/inside")).status, 500);
    assert.match(
      said(),
      /picture can't be converted: its toJSON\(\) threw .*file\(\) can only be the whole result/,
    );
  });

  test("with an invalid option is refused by name", () => {
    const refused: readonly (readonly [make: () => unknown, message: RegExp])[] = [
      [() => file(""), /the path must be a text, got ""/],
      [() => file("a", { etag: "v1" }), /etag must be a text in double quotes/],
      [() => file("a", { root: "" }), /root must be a text that is not empty/],
      [() => file("a", { contentType: "a\nb" }), /content-type/],
      [() => file("a", JSON.parse('{"downlod":true}') as FileOptions), /unknown option "downlod"; known: /],
      [() => file("a", JSON.parse('{"download":1}') as FileOptions), /download must be a boolean, got 1/],
    ];
    for (const [make, message] of refused) assert.throws(make, message);
  });
});
