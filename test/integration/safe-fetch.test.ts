import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { FetchError, type FetchFailure } from "../../src/file-errors.ts";

import { createResolver } from "../../src/network/host-names.ts";
import type { FetchParts } from "../../src/media/fetched-file.ts";
import { fetchSafely, type FetchedFile, type FetchLimits } from "../../src/media/safe-fetch.ts";
import { createCertificate, withoutOpenssl } from "../helpers/certificates.ts";
import { recordConnectionAttempts } from "../helpers/connection-attempts.ts";
import { startDnsServer } from "../helpers/dns-server.ts";

async function startServer(handle: RequestListener): Promise<{ host: string; origin: string; port: number }> {
  const server = createServer(handle);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { host: `127.0.0.1:${port}`, origin: `http://127.0.0.1:${port}`, port };
}

const LIMITS = { maxBytes: 1_000_000, timeoutMs: 30_000 };

async function read(url: string, limits: Partial<FetchLimits> = {}, parts?: FetchParts): Promise<string> {
  return textOf(await fetchSafely(url, { ...LIMITS, ...limits }, parts));
}

async function textOf(file: FetchedFile): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function failsWith(reason: FetchFailure): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof FetchError, String(error));
    assert.equal(error.reason, reason, error.message);
    return true;
  };
}

test("a file comes with its type, length, name and content", async () => {
  const { host, origin } = await startServer((_request, response) => {
    response.setHeader("content-type", "image/png");
    response.setHeader("content-disposition", 'attachment; filename="../a b.png"');
    response.end("pixels");
  });
  const file = await fetchSafely(`${origin}/x?y=1#z`, { ...LIMITS, allowedHosts: [host] });
  assert.equal(file.url, `${origin}/x?y=1#z`);
  assert.equal(file.status, 200);
  assert.equal(file.contentType, "image/png");
  assert.equal(file.contentLength, 6);
  assert.equal(file.fileName, "a b.png");
  assert.equal(await textOf(file), "pixels");
});

test("a local server is reached only as one of the allowed hosts", async () => {
  const { host, origin, port } = await startServer((_request, response) => response.end("inside"));
  const attempts = recordConnectionAttempts();
  await assert.rejects(read(origin), failsWith("address"));
  await assert.rejects(read(origin, { allowedHosts: [`127.0.0.1:${port + 1}`] }), failsWith("address"));
  await assert.rejects(read(origin, { allowedHosts: ["127.0.0.2"] }), failsWith("address"));
  await assert.rejects(read(`http://localhost:${port}/`), failsWith("address"));
  assert.deepEqual(attempts, []);
  for (const allowed of [host, "127.0.0.1"]) {
    assert.equal(await read(origin, { allowedHosts: [allowed] }), "inside");
  }
  assert.equal(await read(`http://localhost:${port}/`, { allowedHosts: ["LOCALHOST"] }), "inside");
});

test("a name is resolved once, and the request has its name as the host", async () => {
  const requests: IncomingMessage[] = [];
  const { port } = await startServer((request, response) => {
    requests.push(request);
    response.end("ok");
  });
  const dns = await startDnsServer(() => ["127.0.0.1"]);
  const resolve = createResolver({ servers: [dns.address] });
  const url = `http://files.example.test:${port}/a`;
  await assert.rejects(read(url, {}, { resolve }), failsWith("address"));
  assert.equal(requests.length, 0);
  assert.equal(await read(url, {}, { resolve, isAllowed: () => true }), "ok");
  assert.equal(requests[0]?.headers.host, `files.example.test:${port}`);
  assert.deepEqual(dns.questions.map(({ type }) => type).toSorted(), ["A", "A", "AAAA", "AAAA"]);
});

test("TLS checks the certificate for the name of the URL", { skip: withoutOpenssl }, async () => {
  const { key, certificate, pem } = createCertificate();
  const server = createSecureServer(
    { key: readFileSync(key), cert: readFileSync(certificate) },
    (_request, response) => response.end("secret"),
  );
  const names: (string | false | null)[] = [];
  server.on("secureConnection", ({ servername }) => names.push(servername));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const resolve = async (): Promise<string[]> => ["127.0.0.1"];
  const parts = { resolve, isAllowed: () => true, ca: pem };
  await assert.rejects(read(`https://other.test:${port}/`, {}, parts), failsWith("network"));
  await assert.rejects(
    read(`https://localhost:${port}/`, { allowedHosts: ["localhost"] }),
    failsWith("network"),
  );
  assert.equal(await read(`https://localhost:${port}/`, { allowedHosts: ["localhost"] }, parts), "secret");
  assert.equal(await read(`https://127.0.0.1:${port}/`, {}, parts), "secret");
  assert.ok(names.includes("localhost"), String(names));
});

test("redirects are followed up to the limit", async () => {
  const { host, origin } = await startServer((request, response) => {
    const left = Number(request.url?.slice(1));
    if (left === 0) return response.end("arrived");
    return response
      .writeHead([301, 302, 303, 307, 308][left % 5] ?? 301, { location: `./${left - 1}` })
      .end();
  });
  const allowedHosts = [host];
  assert.equal(await read(`${origin}/5`, { allowedHosts }), "arrived");
  await assert.rejects(read(`${origin}/6`, { allowedHosts }), failsWith("redirects"));
  await assert.rejects(read(`${origin}/1`, { allowedHosts, maxRedirects: 0 }), failsWith("redirects"));
  const file = await fetchSafely(`${origin}/2`, { ...LIMITS, allowedHosts });
  assert.equal(file.url, `${origin}/0`);
  file.cancel();
});

test("a redirect to another origin gets no credentials, and neither does the way back", async () => {
  const seen: [string | undefined, Readonly<Record<string, unknown>>][] = [];
  const record = ({ url, headers }: IncomingMessage): void => void seen.push([url, headers]);
  const other = await startServer((request, response) => {
    record(request);
    response.writeHead(302, { location: `${first.origin}/back` }).end();
  });
  const first = await startServer((request, response) => {
    record(request);
    if (request.url === "/back") response.end("back");
    else response.writeHead(302, { location: request.url === "/" ? "/same" : `${other.origin}/other` }).end();
  });
  const headers = { Authorization: "Key 1", cookie: "a=1", "X-Api-Key": "2", Range: "bytes=0-" };
  assert.equal(await read(`${first.origin}/`, { headers, allowedHosts: ["127.0.0.1"] }), "back");
  assert.deepEqual(
    seen.map(([url, sent]) => [url, sent["authorization"], sent["cookie"], sent["x-api-key"], sent["range"]]),
    [
      ["/", "Key 1", "a=1", "2", "bytes=0-"],
      ["/same", "Key 1", "a=1", "2", "bytes=0-"],
      ["/other", undefined, undefined, undefined, "bytes=0-"],
      ["/back", undefined, undefined, undefined, "bytes=0-"],
    ],
  );
});

test("a status other than 2xx is an error with the status", async () => {
  const { host, origin } = await startServer((request, response) => {
    response.writeHead(Number(request.url?.slice(1))).end();
  });
  for (const status of [300, 304, 400, 401, 404, 416, 500, 503]) {
    await assert.rejects(read(`${origin}/${status}`, { allowedHosts: [host] }), (error) => {
      assert.ok(failsWith("status")(error));
      return (error as FetchError).status === status;
    });
  }
  await assert.rejects(read(`${origin}/302`, { allowedHosts: [host] }), failsWith("redirects"));
});

test("encoded answers are decoded, whether they were asked for or not", async () => {
  const text = "decoded ".repeat(10_000);
  const encoders = new Map([
    ["gzip", gzipSync],
    ["x-gzip", gzipSync],
    ["br", brotliCompressSync],
    ["deflate", deflateSync],
  ]);
  const { host, origin } = await startServer((request, response) => {
    const names = (request.url ?? "").slice(1).split("+");
    let body: Uint8Array = Buffer.from(text);
    for (const name of names) body = encoders.get(name)?.(body) ?? body;
    response.writeHead(200, { "content-encoding": names.join(", "), "content-length": body.length });
    response.end(body);
  });
  const allowedHosts = [host];
  for (const name of ["gzip", "x-gzip", "br", "deflate", "gzip+br", "identity"]) {
    assert.equal(await read(`${origin}/${name}`, { allowedHosts }), text, name);
    const exact = { allowedHosts, maxBytes: text.length };
    assert.equal(await read(`${origin}/${name}`, exact), text, name);
    await assert.rejects(
      read(`${origin}/${name}`, { allowedHosts, maxBytes: text.length - 1 }),
      failsWith("too_large"),
    );
  }
  for (const name of ["compress", "zstd", "gzip+gzip+gzip", "__proto__"]) {
    await assert.rejects(read(`${origin}/${name}`, { allowedHosts }), failsWith("network"), name);
  }
});

test("an abort ends the fetch with its own reason, before the answer and during the body", async () => {
  const { host, origin } = await startServer((request, response) => {
    if (request.url === "/body") response.write("begin");
  });
  const reason = new Error("the caller left");
  const early = AbortSignal.abort(reason);
  await assert.rejects(read(origin, { allowedHosts: [host], signal: early }), reason);
  const waiting = new AbortController();
  const answer = read(`${origin}/wait`, { allowedHosts: [host], signal: waiting.signal });
  setImmediate(() => waiting.abort(reason));
  await assert.rejects(answer, reason);
  const reading = new AbortController();
  const limits = { ...LIMITS, allowedHosts: [host], signal: reading.signal };
  const file = await fetchSafely(`${origin}/body`, limits);
  await assert.rejects(async () => {
    for await (const _ of file.body) reading.abort(reason);
  }, reason);
});

test("the connection is closed when the reader stops, and when the file is cancelled unread", async () => {
  const { promise: bothClosed, resolve: closed } = createCounter(2);
  const { host, origin } = await startServer((request, response) => {
    request.socket.on("close", closed);
    response.write("begin");
  });
  const limits = { ...LIMITS, allowedHosts: [host] };
  for await (const _ of (await fetchSafely(origin, limits)).body) break;
  const unread = await fetchSafely(origin, limits);
  unread.cancel();
  await bothClosed;
  await assert.rejects(async () => {
    for await (const _ of unread.body) assert.fail();
  }, failsWith("incomplete"));
});

function createCounter(count: number): { promise: Promise<void>; resolve: () => void } {
  let left = count;
  let done = (): void => {};
  const promise = new Promise<void>((resolve) => (done = resolve));
  return { promise, resolve: () => void (--left === 0 && done()) };
}

test("variables for proxies have no effect", async () => {
  const proxied: string[] = [];
  const proxy = await startServer((request, response) => {
    proxied.push(String(request.url));
    response.end("proxy");
  });
  const { host, origin } = await startServer((_request, response) => response.end("direct"));
  const names = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
  for (const name of names) process.env[name] = proxy.origin;
  after(() => names.forEach((name) => delete process.env[name]));
  assert.equal(await read(origin, { allowedHosts: [host] }), "direct");
  assert.deepEqual(proxied, []);
});

test("invalid limits are refused by name", async () => {
  const wrong: [Partial<FetchLimits>, RegExp][] = [
    [{ maxBytes: -1 }, /maxBytes/],
    [{ maxBytes: Number.NaN }, /maxBytes/],
    [{ timeoutMs: 0 }, /timeoutMs/],
    [{ stallTimeoutMs: 0 }, /stallTimeoutMs/],
    [{ maxRedirects: -1 }, /maxRedirects/],
    [{ allowedHosts: ["http://x"] }, /allowedHosts/],
    [{ allowedHosts: ["*.x/y"] }, /allowedHosts/],
    [{ allowedHosts: [""] }, /allowedHosts/],
    [{ headers: { Host: "x" } }, /Host/],
    [{ headers: { connection: "x" } }, /connection/],
    [{ headers: { "x y": "x" } }, /x y/],
    [{ headers: { x: "a\r\nb: c" } }, /"x"/],
  ];
  for (const [limits, message] of wrong) await assert.rejects(read("http://x.test/", limits), message);
});
