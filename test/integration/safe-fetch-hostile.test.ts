import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { gzipSync } from "node:zlib";
import { FetchError, type FetchFailure } from "../../src/file-errors.ts";

import { createResolver } from "../../src/network/host-names.ts";
import type { FetchParts } from "../../src/media/fetched-file.ts";
import { fetchSafely, type FetchLimits } from "../../src/media/safe-fetch.ts";
import { recordConnectionAttempts } from "../helpers/connection-attempts.ts";
import { startDnsServer } from "../helpers/dns-server.ts";
import { INSIDE_V4, INSIDE_V6, NOTATIONS, PUBLIC } from "../helpers/hostile-addresses.ts";
import { startRawServer } from "../helpers/raw-server.ts";

const LIMITS: FetchLimits = { maxBytes: 64 * 1024, timeoutMs: 60_000 };
const attempts = recordConnectionAttempts();
afterEach(() => attempts.splice(0));

async function size(url: string, limits: Partial<FetchLimits> = {}, parts?: FetchParts): Promise<number> {
  const file = await fetchSafely(url, { ...LIMITS, ...limits }, parts);
  let bytes = 0;
  for await (const chunk of file.body) bytes += chunk.length;
  return bytes;
}

async function failure(attempt: Promise<unknown>): Promise<FetchFailure> {
  try {
    await attempt;
  } catch (error) {
    assert.ok(error instanceof FetchError, String((error as Error).stack));
    return error.reason;
  }
  throw new Error("it did not fail");
}

const INSIDE_HOSTS = [
  ...INSIDE_V4.flatMap((address) => Object.values(NOTATIONS).map((write) => write(address))),
  ...INSIDE_V6.map((address) => `[${address}]`),
  "localhost",
  "LOCALHOST",
  "localhost.",
  "metadata",
  "kubernetes",
];

test("an address that is not public is refused in every notation, before a connection", async () => {
  assert.ok(INSIDE_HOSTS.length > 500, `${INSIDE_HOSTS.length} hosts`);
  for (const host of INSIDE_HOSTS) {
    for (const url of [`http://${host}/`, `https://${host}:8443/a?b`]) {
      assert.equal(await failure(size(url)), "address", url);
    }
  }
  assert.deepEqual(attempts, []);
});

test("a name whose addresses are not all public is refused, before a connection", async () => {
  const inside = [...INSIDE_V4, ...INSIDE_V6, ...INSIDE_V4.map((address) => `::ffff:${address}`)];
  const answers = new Map<string, readonly string[]>(
    inside.flatMap((address, index) => [
      [`only-${index}.test`, [address]],
      [`first-${index}.test`, [address, ...PUBLIC]],
      [`last-${index}.test`, [...PUBLIC, address]],
    ]),
  );
  const dns = await startDnsServer(({ name }) => answers.get(name.toLowerCase()) ?? "missing");
  const resolve = createResolver({ servers: [dns.address] });
  for (const name of answers.keys()) {
    assert.equal(await failure(size(`http://${name}/`, {}, { resolve })), "address", name);
  }
  assert.deepEqual(attempts, []);
});

test("a name that resolves to another address each time is connected to where it was checked", async () => {
  const server = await startRawServer((socket, head) => {
    const isFirst = head.startsWith("GET /redirect");
    socket.end(
      isFirst
        ? "HTTP/1.1 302 x\r\nlocation: /inside\r\n\r\n"
        : "HTTP/1.1 200 x\r\ncontent-length: 2\r\n\r\nok",
    );
  });
  const asked = new Map<string, number>();
  const dns = await startDnsServer(({ name, type }) => {
    const count = asked.get(name + type) ?? 0;
    asked.set(name + type, count + 1);
    return count === 0 ? ["127.0.0.1"] : ["127.0.0.2", "::1"];
  });
  const parts = {
    resolve: createResolver({ servers: [dns.address] }),
    isAllowed: (address: string) => address === "127.0.0.1",
  };
  assert.equal(await size(`http://one.rebinding.test:${server.port}/`, {}, parts), 2);
  const redirected = size(`http://two.rebinding.test:${server.port}/redirect`, {}, parts);
  assert.equal(await failure(redirected), "address");
  assert.deepEqual([...asked.values()], [1, 1, 2, 2]);
  assert.deepEqual(
    attempts.filter(({ port }) => port === server.port).map(({ address }) => address),
    ["127.0.0.1", "127.0.0.1"],
  );
  assert.equal(server.requests.length, 2);
});

test("a redirect to the inside is refused, by itself and at the end of a chain", async () => {
  const server = await startRawServer((socket, head) => {
    const path = /^GET (\S*)/.exec(head)?.[1] ?? "";
    const [, step = "", target = ""] = /^\/(\d)\/(.*)$/.exec(path) ?? [];
    const location = Number(step) > 0 ? `/${Number(step) - 1}/${target}` : decodeURIComponent(target);
    socket.end(`HTTP/1.1 302 x\r\nlocation: ${location}\r\ncontent-length: 0\r\n\r\n`);
  });
  const targets = [
    ...INSIDE_HOSTS.filter((host, index) => /^[\x21-\x7e]*$/.test(host) && index % 3 === 0).map(
      (host) => `http://${host}:${server.port + 1}/`,
    ),
    `//127.0.0.1:${server.port + 1}/`,
    `https://[::1]/`,
  ];
  for (const [index, target] of targets.entries()) {
    const url = `${server.origin}/${index % 3}/${encodeURIComponent(target)}`;
    assert.equal(await failure(size(url, { allowedHosts: [server.host] })), "address", target);
  }
  assert.deepEqual([...new Set(attempts.map(({ port }) => port))], [server.port]);
  for (const target of [
    "ftp://8.8.8.8/",
    "file:///etc/passwd",
    "data:text/plain,x",
    "gopher://x/",
    "http://a:b@8.8.8.8/",
  ]) {
    const url = `${server.origin}/0/${encodeURIComponent(target)}`;
    assert.equal(await failure(size(url, { allowedHosts: [server.host] })), "url", target);
  }
});

test("URLs that are not those of files on the web are refused", async () => {
  const urls = [
    ...[
      "",
      " ",
      "x",
      "/etc/passwd",
      "//",
      "//x",
      "http:",
      "http://",
      "http:///",
      "https://?",
      "http://#",
      "http://:80",
    ],
    ...[
      "file:///etc/passwd",
      "ftp://x.test/",
      "gopher://x.test/",
      "data:,x",
      "blob:http://x/1",
      "javascript:1",
    ],
    ...[
      "ws://x.test/",
      "unix:/run/docker.sock",
      "http+unix://%2frun%2fdocker.sock/",
      "jar:http://x!/y",
      "dict://x:1/",
    ],
    ...[
      "http://user@x.test/",
      "http://user:password@x.test/",
      "http://x.test@127.0.0.1/",
      "http://:p@x.test/",
    ],
    ...[
      "http://x.test:99999/",
      "http://x.test:-1/",
      "http://[::1",
      "http://[fe80::1%25eth0]/",
      "http://[v1.x]/",
    ],
    ...[
      "http://a b/",
      "http://x^y/",
      "http://x%00y/",
      "http://x\u0000y/",
      "http://1.2.3.4.5/",
      "http://256.1.1.1/",
    ],
    ...["http://0x100000000/", "http://127.0.0.1.1/", "http://x<y/", "http://%/", "\u0000"],
  ];
  for (const url of urls) {
    assert.equal(await failure(size(url)), "url", JSON.stringify(url));
  }
  assert.deepEqual(attempts, []);
});

const HEAD = "HTTP/1.1 200 OK\r\n";
const ENDLESS = Buffer.alloc(16 * 1024, "a");

/** Servers that send too much, too little, too slowly or nonsense, with the failure to expect. */
const SERVERS: Readonly<
  Record<
    string,
    {
      readonly send: (write: (data: string | Buffer) => boolean, end: () => void) => void;
      readonly reason: FetchFailure;
    }
  >
> = {
  "an endless body": {
    reason: "too_large",
    send: (write) => {
      write(`${HEAD}\r\n`);
      while (write(ENDLESS)) continue;
      for (let count = 0; count < 64; count++) write(ENDLESS);
    },
  },
  "an endless body in chunks": {
    reason: "too_large",
    send: (write) => {
      write(`${HEAD}transfer-encoding: chunked\r\n\r\n`);
      for (let count = 0; count < 64; count++) write(`4000\r\n${ENDLESS.toString()}\r\n`);
    },
  },
  "a length above the limit": {
    reason: "too_large",
    send: (write) => void write(`${HEAD}content-length: 65537\r\n\r\n`),
  },
  "more than its length, in a second answer": {
    reason: "network",
    send: (write, end) => {
      write(`${HEAD}content-length: -1\r\n\r\nab`);
      end();
    },
  },
  "less than its length": {
    reason: "incomplete",
    send: (write, end) => {
      write(`${HEAD}content-length: 10\r\n\r\nabc`);
      end();
    },
  },
  "chunks without an end": {
    reason: "incomplete",
    send: (write, end) => {
      write(`${HEAD}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n`);
      end();
    },
  },
  "a chunk without an end": {
    reason: "incomplete",
    send: (write, end) => {
      write(`${HEAD}transfer-encoding: chunked\r\n\r\nff\r\nabc`);
      end();
    },
  },
  "a chunk whose size is not a number": {
    reason: "network",
    send: (write, end) => {
      write(`${HEAD}transfer-encoding: chunked\r\n\r\nxyz\r\nabc`);
      end();
    },
  },
  "a bomb": {
    reason: "too_large",
    send: (write, end) => {
      const bomb = gzipSync(Buffer.alloc(50_000_000));
      write(`${HEAD}content-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`);
      write(bomb);
      end();
    },
  },
  "a bomb in a bomb": {
    reason: "too_large",
    send: (write, end) => {
      const bomb = gzipSync(gzipSync(Buffer.alloc(100_000_000)));
      write(`${HEAD}content-encoding: gzip, gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`);
      write(bomb);
      end();
    },
  },
  "a compressed list of empty files": {
    reason: "too_large",
    send: (write, end) => {
      const empty = gzipSync("");
      const bomb = gzipSync(Buffer.concat(Array.from({ length: 10_000 }, () => empty)));
      write(`${HEAD}content-encoding: gzip, gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`);
      write(bomb);
      end();
    },
  },
  "half of a compressed file": {
    reason: "incomplete",
    send: (write, end) => {
      const half = gzipSync(ENDLESS).subarray(0, 40);
      write(`${HEAD}content-encoding: gzip\r\ncontent-length: ${half.length}\r\n\r\n`);
      write(half);
      end();
    },
  },
  "a compressed file that is none": {
    reason: "network",
    send: (write, end) => {
      write(`${HEAD}content-encoding: gzip\r\ncontent-length: 5\r\n\r\nplain`);
      end();
    },
  },
  "an answer that is not HTTP": {
    reason: "network",
    send: (write, end) => {
      write("SSH-2.0-x\r\n");
      end();
    },
  },
  "no answer": { reason: "network", send: (_write, end) => end() },
  "half of the headers": {
    reason: "network",
    send: (write, end) => {
      write(`${HEAD}content-le`);
      end();
    },
  },
  "endless headers": {
    reason: "network",
    send: (write) => {
      write(HEAD);
      for (let count = 0; count < 200; count++) write(`x-${count}: ${"a".repeat(1000)}\r\n`);
    },
  },
  "two lengths": {
    reason: "network",
    send: (write, end) => {
      write(`${HEAD}content-length: 1\r\ncontent-length: 2\r\n\r\nab`);
      end();
    },
  },
  "a redirect without a target": {
    reason: "redirects",
    send: (write, end) => {
      write("HTTP/1.1 302 x\r\ncontent-length: 0\r\n\r\n");
      end();
    },
  },
  "a redirect to itself": {
    reason: "redirects",
    send: (write, end) => {
      write("HTTP/1.1 302 x\r\nlocation: /\r\ncontent-length: 0\r\n\r\n");
      end();
    },
  },
  "a switch of protocols": {
    reason: "network",
    send: (write) => void write("HTTP/1.1 101 x\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
  },
};

for (const [what, { send, reason }] of Object.entries(SERVERS)) {
  test(`a server that sends ${what} is given up on: ${reason}`, async () => {
    const server = await startRawServer((socket) =>
      send(
        (data) => socket.write(data),
        () => socket.end(),
      ),
    );
    assert.equal(await failure(size(server.origin, { allowedHosts: [server.host] })), reason);
    await Promise.all(
      [...server.sockets].map((socket) => new Promise((resolve) => socket.once("close", resolve))),
    );
  });
}

test("a connection that ends while the reader is busy is no failure, or an error that can be caught", async () => {
  const content = Buffer.alloc(40_000, "a");
  for (const length of [40_000, 40_001]) {
    const server = await startRawServer((socket) => {
      socket.write(`${HEAD}content-length: ${length}\r\n\r\n`);
      socket.end(content);
    });
    const { body } = await fetchSafely(server.origin, { ...LIMITS, allowedHosts: [server.host] });
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    let bytes = 0;
    const read = async (): Promise<void> => {
      for await (const chunk of body) bytes += chunk.length;
    };
    if (length === 40_001) assert.equal(await failure(read()), "incomplete");
    else await read().then(() => assert.equal(bytes, 40_000));
  }
});

test("a server that sends nothing more is given up on after the stall time", async () => {
  for (const begin of ["", HEAD, `${HEAD}content-length: 9\r\n\r\n`, `${HEAD}content-length: 9\r\n\r\nabc`]) {
    const server = await startRawServer((socket) => socket.write(begin));
    const limits = { allowedHosts: [server.host], stallTimeoutMs: 100 };
    assert.equal(await failure(size(server.origin, limits)), "timeout", JSON.stringify(begin));
  }
});

test("a server that sends a byte now and then is given up on when the whole time is up", async () => {
  for (const begin of [`${HEAD}x: `, `${HEAD}content-length: 60000\r\n\r\n`, `${HEAD}\r\n`]) {
    const server = await startRawServer((socket) => {
      socket.write(begin);
      const drip = setInterval(() => socket.write("a"), 5);
      socket.on("close", () => clearInterval(drip));
    });
    const limits = { allowedHosts: [server.host], timeoutMs: 200 };
    assert.equal(await failure(size(server.origin, limits)), "timeout", JSON.stringify(begin));
  }
});

test("endless informational answers end with the time", async () => {
  const server = await startRawServer((socket) => {
    const drip = setInterval(() => socket.write("HTTP/1.1 103 x\r\nlink: y\r\n\r\n"), 5);
    socket.on("close", () => clearInterval(drip));
  });
  const limits = { allowedHosts: [server.host], timeoutMs: 200 };
  assert.equal(await failure(size(server.origin, limits)), "timeout");
});

test("a DNS server that does not answer costs no more than the time of the fetch", async () => {
  const dns = await startDnsServer(() => "silence");
  const resolve = createResolver({ servers: [dns.address] });
  assert.equal(await failure(size("http://slow.test/", { timeoutMs: 100 }, { resolve })), "timeout");
  const missing = await startDnsServer(() => "missing");
  const other = createResolver({ servers: [missing.address] });
  assert.equal(await failure(size("http://missing.test/", {}, { resolve: other })), "dns");
});

test("no more than a few pieces of a large file are read ahead of a slow reader", async () => {
  let sent = 0;
  const total = 64 * 2 ** 20;
  const piece = Buffer.alloc(2 ** 16);
  const server = await startRawServer((socket) => {
    socket.write(`${HEAD}content-length: ${total}\r\n\r\n`);
    const fill = (): void => {
      while (sent < total) {
        sent += piece.length;
        if (!socket.write(piece)) return void socket.once("drain", fill);
      }
    };
    fill();
  });
  const { body } = await fetchSafely(server.origin, {
    ...LIMITS,
    maxBytes: total,
    allowedHosts: [server.host],
  });
  let received = 0;
  let most = 0;
  for await (const chunk of body) {
    received += chunk.length;
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    most = Math.max(most, sent - received);
  }
  assert.equal(received, total);
  // The system's buffers of a connection take a few MiB.
  assert.ok(most < 24 * 2 ** 20, `${most} bytes`);
});

test("a message tells no resolved address and no query", async () => {
  const dns = await startDnsServer(() => ["10.11.12.13"]);
  const resolve = createResolver({ servers: [dns.address] });
  await assert.rejects(size("http://inside.test/?signature=1", {}, { resolve }), ({ message }: Error) => {
    assert.ok(!message.includes("10.11.12.13") && !message.includes("signature"), message);
    return message.includes("inside.test");
  });
});
