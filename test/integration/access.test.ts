import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { App, endpoint, realtime, websocket, type RawWebSocket, type RequestContext } from "servable";
import { startTestServer } from "servable/testing";
import type { ServerOptions } from "../../src/server/definition.ts";
import { startMetricsServer } from "../../src/server/metrics/metrics-server.ts";
import { ServerMetrics } from "../../src/server/metrics/metrics.ts";
import { silentLogger } from "../helpers/silent-logger.ts";
import { bodyOf, exchange, statusOf } from "../helpers/sockets.ts";

class Guarded extends App {
  ran = 0;

  @endpoint("/none")
  none(): string {
    this.ran++;
    return "ran";
  }

  @endpoint("/any", { input: Type.Unknown() })
  any(): string {
    this.ran++;
    return "ran";
  }

  @endpoint("/stream", { stream: true })
  async *stream(): AsyncGenerator<string> {
    this.ran++;
    yield "ran";
  }

  @websocket("/raw")
  raw(socket: RawWebSocket): void {
    this.ran++;
    socket.close();
  }

  @realtime("/live", {
    input: Type.Object({ n: Type.Integer() }),
    output: Type.Object({ n: Type.Integer() }),
  })
  live(input: { n: number }): { n: number } {
    return input;
  }

  override async *lifespan(server: FastifyInstance): AsyncGenerator<void, void, void> {
    server.get("/custom/*", async () => {
      this.ran++;
      return "custom";
    });
    server.all("/*", async () => {
      this.ran++;
      return "anything";
    });
    yield* super.lifespan(server);
  }
}

interface Running {
  readonly app: Guarded;
  readonly port: number;
  close(): Promise<void>;
}

async function start(host: string, options: ServerOptions = {}): Promise<Running> {
  const app = new Guarded();
  const server = app.buildServer({ logger: silentLogger(), ...options });
  await server.listen({ host, port: 0 });
  return {
    app,
    port: (server.server.address() as AddressInfo).port,
    close: async () => {
      const closed = server.close();
      server.server.closeAllConnections();
      await closed;
    },
  };
}

type Headers = readonly (readonly [name: string, value: string])[];

async function send(port: number, line: string, headers: Headers, body = ""): Promise<string> {
  const all = [...headers, ["connection", "close"], ["content-length", String(body.length)]] as const;
  const text = all.map(([name, value]) => `${name}: ${value.replace("PORT", String(port))}\r\n`).join("");
  return exchange(port, `${line.replace("PORT", String(port))}\r\n${text}\r\n${body}`);
}

const UPGRADE: Headers = [
  ["connection", "upgrade"],
  ["upgrade", "websocket"],
  ["sec-websocket-version", "13"],
  ["sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="],
];

async function upgrade(port: number, path: string, headers: Headers): Promise<number> {
  const text = [...headers, ...UPGRADE]
    .map(([name, value]) => `${name}: ${value.replace("PORT", String(port))}\r\n`)
    .join("");
  const answer = await exchange(port, `GET ${path} HTTP/1.1\r\n${text}\r\n`, (got) =>
    got.includes("\r\n\r\n"),
  );
  return statusOf(answer);
}

const JSON_TYPE = ["content-type", "application/json"] as const;
const LOCAL = ["host", "localhost"] as const;

describe("a server bound to a loopback address", () => {
  let served: Running;
  before(async () => {
    served = await start("127.0.0.1");
  });
  after(() => served.close());

  const OWN_HOSTS = [
    ...[
      "localhost",
      "localhost:PORT",
      "localhost:1",
      "LOCALHOST",
      "LocalHost:80",
      "localhost.",
      "localhost.:80",
    ],
    ...["app.localhost", "a.b.c.localhost:3000", "my_app.localhost", "127.0.0.1", "127.0.0.1:PORT"],
    ...["127.1.2.3", "127.255.255.254:9", "[::1]", "[::1]:PORT", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]"],
  ];
  for (const host of OWN_HOSTS) {
    test(`accepts the host ${host}`, async () => {
      const answer = await send(served.port, "POST /any HTTP/1.1", [["host", host], JSON_TYPE], "{}");
      assert.equal(statusOf(answer), 200, answer);
    });
  }

  const OTHER_HOSTS = [
    ...[
      "evil.com",
      "evil.com:8080",
      "evil.com:PORT",
      "localhost.evil.com",
      "127.0.0.1.evil.com",
      "notlocalhost",
    ],
    ...[
      "localhost@evil.com",
      "evil.com@localhost",
      "localhost:80@evil.com",
      "localhost#evil.com",
      "localhost/evil",
    ],
    ...["localhost:evil", "localhost:80:80", "localhost:123456", ".localhost", "a..localhost", "localhost.."],
    ...[
      "0.0.0.0",
      "0.0.0.0:PORT",
      "[::]",
      "[::2]",
      "::1",
      "[::1",
      "[::1]evil.com",
      "[::1].evil.com",
      "[::1%lo]",
    ],
    ...[
      "127.0.0",
      "127.1",
      "2130706433",
      "0x7f.0.0.1",
      "127.0.0.256",
      "128.0.0.1",
      "10.0.0.1",
      "192.168.1.2:PORT",
    ],
    ...["localhost evil.com", "localhost,evil.com", "xn--lcalhost-n1a", "l\u00f6calhost", "", "*"],
  ];
  for (const host of OTHER_HOSTS) {
    test(`refuses the host "${host}", names it in the error, and runs nothing`, async () => {
      const { ran } = served.app;
      for (const line of [
        "POST /any",
        "POST /none",
        "POST /stream",
        "GET /custom/x",
        "GET /else",
        "GET /docs",
      ]) {
        const answer = await send(served.port, `${line} HTTP/1.1`, [["host", host], JSON_TYPE], "{}");
        assert.equal(statusOf(answer), 403, `${line}: ${answer}`);
        const { detail } = JSON.parse(bodyOf(answer)) as { detail: string };
        assert.match(detail, host === "" ? /^An empty host/ : /^The host .* is not allowed.*allowedHosts/);
      }
      assert.equal(served.app.ran, ran);
    });
  }

  test("checks the host on every route", async () => {
    const lines = [
      "/health",
      "/livez",
      "/readyz",
      "/openapi.json",
      "/docs",
      "/docs/",
      "/docs/static/index.css",
    ];
    const requests = [...lines, "/metrics", "/nope", "/any", "/any/", "/%61ny", "//any", "/(refused)"];
    for (const path of requests) {
      for (const method of ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE"]) {
        const answer = await send(served.port, `${method} ${path} HTTP/1.1`, [["host", "evil.com"]]);
        assert.equal(statusOf(answer), 403, `${method} ${path}: ${answer}`);
      }
    }
  });

  test("lets health probes, and no other route, use an IP address as host", async () => {
    for (const path of ["/health", "/livez", "/readyz"]) {
      const answer = await send(served.port, `GET ${path} HTTP/1.1`, [["host", "10.1.2.3:8080"]]);
      assert.equal(statusOf(answer), 200);
    }
    for (const line of ["POST /any", "GET /openapi.json"]) {
      const answer = await send(served.port, `${line} HTTP/1.1`, [["host", "10.1.2.3:8080"]]);
      assert.equal(statusOf(answer), 403);
    }
  });

  test("uses the host of an absolute request target instead of the Host header", async () => {
    for (const [target, host, status] of [
      ["http://evil.com/any", "localhost", 403],
      ["http://localhost/any", "evil.com", 403],
      ["http://localhost.evil.com/any", "localhost", 403],
      ["http://localhost@evil.com/any", "localhost", 403],
      ["HTTP://EVIL.com/any", "localhost", 403],
      ["http://localhost:PORT/any", "localhost:PORT", 200],
      ["http://127.0.0.1/any", "localhost", 200],
    ] as const) {
      const answer = await send(served.port, `POST ${target} HTTP/1.1`, [["host", host], JSON_TYPE], "{}");
      assert.equal(statusOf(answer), status, `${target} ${host}: ${answer}`);
    }
  });

  test("answers 400 to two Host headers, or none in HTTP/1.1, and serves HTTP/1.0 without one", async () => {
    for (const hosts of [
      [LOCAL, ["Host", "evil.com"]],
      [["HOST", "evil.com"], LOCAL],
      [LOCAL, LOCAL],
      [],
    ] as const) {
      const answer = await send(served.port, "POST /any HTTP/1.1", [...hosts, JSON_TYPE], "{}");
      assert.equal(statusOf(answer), 400, answer);
      assert.match(answer, /\{"detail":"Bad Request"\}/);
    }
    assert.equal(statusOf(await send(served.port, "POST /any HTTP/1.0", [JSON_TYPE], "{}")), 200);
    assert.equal(
      statusOf(await send(served.port, "POST /any HTTP/1.0", [["host", "evil.com"], JSON_TYPE])),
      403,
    );
  });

  const OWN_ORIGINS = [
    ...["http://localhost", "http://localhost:3000", "https://localhost:PORT", "http://app.localhost:5173"],
    ...[
      "http://127.0.0.1:PORT",
      "http://127.9.9.9",
      "http://[::1]:8080",
      "HTTP://LOCALHOST",
      "http://localhost.:1",
    ],
  ];
  for (const origin of OWN_ORIGINS) {
    test(`lets a page of ${origin} call it and open sockets`, async () => {
      const headers: Headers = [LOCAL, ["origin", origin]];
      const answer = await send(served.port, "POST /any HTTP/1.1", [...headers, JSON_TYPE], "{}");
      assert.equal(statusOf(answer), 200, answer);
      const sent = origin.replace("PORT", String(served.port));
      assert.ok(answer.toLowerCase().includes(`access-control-allow-origin: ${sent.toLowerCase()}`));
      assert.match(answer, /access-control-allow-credentials: true/);
      for (const path of ["/raw", "/live"]) assert.equal(await upgrade(served.port, path, headers), 101);
    });
  }

  test("admits a host and an origin anew when either changes, whichever came before", async () => {
    const hosts = { own: "localhost", other: "evil.com" };
    const origins = { own: "http://localhost:3000", other: "https://evil.com", none: undefined };
    for (let round = 0; round < 2; round++) {
      for (const first of [origins.own, origins.other, origins.none]) {
        for (const host of [hosts.own, hosts.other]) {
          for (const origin of [origins.own, first, origins.other, origins.none, first]) {
            const headers: Headers = [
              ["host", host],
              ...(origin === undefined ? [] : ([["origin", origin]] as const)),
            ];
            const answer = await send(served.port, "POST /any HTTP/1.1", [...headers, JSON_TYPE], "{}");
            const status = host === hosts.own && origin !== origins.other ? 200 : 403;
            assert.equal(statusOf(answer), status, `${host} ${origin}: ${answer}`);
          }
        }
      }
    }
  });

  const OTHER_ORIGINS = [
    ...[
      "https://evil.com",
      "http://evil.com:PORT",
      "http://localhost.evil.com",
      "http://127.0.0.1.evil.com",
      "null",
    ],
    ...[
      "file://",
      "file:///home/me/page.html",
      "http://localhost@evil.com",
      "http://evil.com@localhost",
      "localhost",
    ],
    ...[
      "http://localhost/",
      "http://localhost/path",
      "http://localhost?x",
      "http://localhost#x",
      "http://",
      "",
      "*",
    ],
    ...[
      "http://localhost, http://evil.com",
      "http://localhost http://evil.com",
      "http://10.0.0.1",
      "http://0.0.0.0",
    ],
    ...[
      "ftp://localhost",
      "chrome-extension://localhost",
      "javascript://localhost",
      "//localhost",
      "http:localhost",
    ],
    ...[
      "http://localhost\\@evil.com",
      "http://[::1]evil.com",
      "http://[::2]",
      "http://127.1",
      "data://localhost",
    ],
  ];
  for (const origin of OTHER_ORIGINS) {
    test(`lets a page of "${origin}" neither call it nor open sockets`, async () => {
      const { ran } = served.app;
      const headers: Headers = [LOCAL, ["origin", origin]];
      for (const line of [
        "POST /any",
        "POST /none",
        "POST /stream",
        "GET /custom/x",
        "GET /health",
        "GET /docs",
      ]) {
        for (const type of ["application/json", "text/plain"]) {
          const all: Headers = [...headers, ["content-type", type]];
          const answer = await send(served.port, `${line} HTTP/1.1`, all, "{}");
          assert.equal(statusOf(answer), 403, `${line}: ${answer}`);
          assert.match(answer, /may not call this server/);
          assert.doesNotMatch(answer, /access-control-/);
        }
      }
      for (const path of ["/raw", "/live"]) assert.equal(await upgrade(served.port, path, headers), 403);
      const preflight = await send(served.port, "OPTIONS /any HTTP/1.1", [
        ...headers,
        ["access-control-request-method", "POST"],
      ]);
      assert.ok([400, 403].includes(statusOf(preflight)), preflight);
      assert.doesNotMatch(preflight, /access-control-/);
      assert.equal(served.app.ran, ran);
    });
  }

  test("refuses cross-site requests without an Origin header, but serves its pages when a link is followed", async () => {
    const cross = ["sec-fetch-site", "cross-site"] as const;
    const { ran } = served.app;
    for (const line of ["POST /none", "POST /any", "GET /health", "GET /custom/x", "GET /openapi.json"]) {
      assert.equal(statusOf(await send(served.port, `${line} HTTP/1.1`, [LOCAL, cross])), 403, line);
    }
    assert.equal(await upgrade(served.port, "/raw", [LOCAL, cross]), 403);
    const link: Headers = [LOCAL, cross, ["sec-fetch-mode", "navigate"], ["sec-fetch-dest", "document"]];
    assert.equal(statusOf(await send(served.port, "POST /none HTTP/1.1", link)), 403, "a form");
    const frame: Headers = [LOCAL, cross, ["sec-fetch-mode", "navigate"], ["sec-fetch-dest", "iframe"]];
    assert.equal(statusOf(await send(served.port, "GET /docs HTTP/1.1", frame)), 403);
    assert.equal(served.app.ran, ran);
    assert.equal(statusOf(await send(served.port, "GET /docs HTTP/1.1", link)), 200);
    for (const site of ["same-origin", "same-site", "none"]) {
      const headers: Headers = [LOCAL, ["sec-fetch-site", site]];
      assert.equal(statusOf(await send(served.port, "POST /none HTTP/1.1", headers)), 200);
    }
  });

  test("does not remember a refused host as accepted, nor the reverse", async () => {
    for (const [host, status] of [
      ["localhost", 200],
      ["evil.com", 403],
      ["evil.com", 403],
      ["localhost", 200],
      ["localhost", 200],
    ] as const) {
      assert.equal(statusOf(await send(served.port, "POST /none HTTP/1.1", [["host", host]])), status);
    }
  });

  test("applies to localhost and ::1, but not to 0.0.0.0", async () => {
    for (const [host, status] of [
      ["localhost", 403],
      ["127.0.0.2", 403],
      ["0.0.0.0", 200],
    ] as const) {
      const other = await start(host);
      try {
        const url = `http://${host === "0.0.0.0" ? "127.0.0.1" : host}:${other.port}/none`;
        const answer = await fetch(url, {
          method: "POST",
          headers: { origin: "https://evil.com", "content-type": "application/json" },
        });
        assert.equal(answer.status, status, host);
      } finally {
        await other.close();
      }
    }
  });
});

describe("a server bound to another address", () => {
  let served: Running;
  before(async () => {
    served = await start("0.0.0.0");
  });
  after(() => served.close());

  test("answers any host", async () => {
    for (const host of ["app.example.com", "10.0.0.1:8080", "localhost", "evil.com"]) {
      assert.equal(statusOf(await send(served.port, "POST /none HTTP/1.1", [["host", host]])), 200);
    }
  });

  test("answers pages of any origin, without credentials", async () => {
    for (const origin of ["https://page.example", "http://localhost:3000", "null"]) {
      const headers: Headers = [LOCAL, ["origin", origin]];
      const answer = await send(served.port, "POST /none HTTP/1.1", [...headers, JSON_TYPE], "{}");
      assert.equal(statusOf(answer), 200);
      assert.ok(answer.includes(`access-control-allow-origin: ${origin}`));
      assert.doesNotMatch(answer, /allow-credentials/);
      assert.equal(await upgrade(served.port, "/raw", headers), 101);
      const preflight = await send(served.port, "OPTIONS /none HTTP/1.1", [
        ...headers,
        ["access-control-request-method", "POST"],
      ]);
      assert.equal(statusOf(preflight), 200);
      assert.doesNotMatch(preflight, /allow-credentials/);
    }
  });

  const SIMPLE_TYPES = [
    ...["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", undefined],
    ...[
      "text/plain; application/json",
      "text/plain;charset=application/json",
      "garbage",
      "application/jsonp",
    ],
  ];
  for (const type of SIMPLE_TYPES) {
    test(`a page's simple request runs no handler: ${type ?? "no content type"}`, async () => {
      const { ran } = served.app;
      for (const path of ["/none", "/any", "/stream"]) {
        for (const foreign of [
          ["origin", "https://page.example"],
          ["origin", "null"],
          ["sec-fetch-site", "cross-site"],
        ] as const) {
          const headers: Headers = [
            ["host", "app.example"],
            foreign,
            ...(type ? [["content-type", type] as const] : []),
          ];
          const answer = await send(served.port, `POST ${path} HTTP/1.1`, headers, type ? "{}" : "");
          assert.equal(statusOf(answer), 403, `${path}: ${answer}`);
          assert.match(answer, /has to send its request with the content type application\/json/);
        }
      }
      assert.equal(served.app.ran, ran);
    });
  }

  test("the server's own pages, and callers without an Origin header, may omit the content type", async () => {
    for (const headers of [
      [["host", "app.example"]],
      [
        ["host", "app.example"],
        ["origin", "https://app.example"],
      ],
      [
        ["host", "app.example:8080"],
        ["origin", "http://app.example:8080"],
      ],
      [
        ["host", "inner"],
        ["origin", "https://app.example"],
        ["sec-fetch-site", "same-origin"],
      ],
    ] as const) {
      assert.equal(statusOf(await send(served.port, "POST /none HTTP/1.1", headers)), 200);
    }
  });
});

describe("a list of allowed origins", () => {
  for (const host of ["127.0.0.1", "0.0.0.0"]) {
    test(`applies to calls and sockets, with credentials, for a server bound to ${host}`, async () => {
      const served = await start(host, {
        cors: { origins: ["https://ours.example", "https://Port.example:443"], credentials: true },
      });
      try {
        for (const origin of ["https://ours.example", "https://port.example"]) {
          const headers: Headers = [LOCAL, ["origin", origin]];
          const answer = await send(served.port, "POST /none HTTP/1.1", headers);
          assert.equal(statusOf(answer), 200);
          assert.match(answer, /access-control-allow-credentials: true/);
          for (const path of ["/raw", "/live"]) assert.equal(await upgrade(served.port, path, headers), 101);
        }
        const { ran } = served.app;
        for (const origin of [
          ...[
            "https://other.example",
            "http://ours.example",
            "https://ours.example:8443",
            "https://ours.example/",
          ],
          ...["https://ours.example.evil.com", "null", "https://a.ours.example", "http://evil.com"],
          ...["https://ours.example, https://evil.com"],
        ]) {
          const headers: Headers = [
            ["host", host === "0.0.0.0" ? "evil.com" : "localhost"],
            ["origin", origin],
          ];
          const answer = await send(served.port, "POST /none HTTP/1.1", [...headers, JSON_TYPE], "{}");
          assert.equal(statusOf(answer), 403, answer);
          for (const path of ["/raw", "/live"]) assert.equal(await upgrade(served.port, path, headers), 403);
        }
        assert.equal(served.app.ran, ran);
        // The docs page calls its own server.
        const own: Headers = [
          ["host", `127.0.0.1:${served.port}`],
          ["origin", `http://127.0.0.1:${served.port}`],
        ];
        assert.equal(statusOf(await send(served.port, "POST /none HTTP/1.1", own)), 200);
      } finally {
        await served.close();
      }
    });
  }

  test('"*" opens a local server to pages of any origin, without credentials; the host is still checked', async () => {
    const served = await start("127.0.0.1", { cors: { origins: "*" } });
    try {
      const page = ["origin", "https://page.example"] as const;
      const answer = await send(served.port, "POST /none HTTP/1.1", [LOCAL, page, JSON_TYPE], "{}");
      assert.equal(statusOf(answer), 200);
      assert.doesNotMatch(answer, /allow-credentials/);
      assert.equal(statusOf(await send(served.port, "POST /none HTTP/1.1", [LOCAL, page])), 403);
      assert.equal(
        statusOf(await send(served.port, "POST /none HTTP/1.1", [["host", "evil.com"], JSON_TYPE])),
        403,
      );
    } finally {
      await served.close();
    }
  });

  test("entries that can never match an origin are rejected with an error that names them", () => {
    for (const origins of [
      ["example.com"],
      ["https://example.com/"],
      ["https://a.com, https://b.com"],
      ["*"],
      [7],
    ]) {
      assert.throws(
        () => new Guarded().buildServer({ cors: { origins: origins as string[] } }),
        /: cors\.origins\[0\] must be an origin as a browser sends it/,
      );
    }
    assert.throws(
      () => new Guarded().buildServer({ cors: { origins: "https://a.com" as "*" } }),
      /or a list of origins/,
    );
  });
});

describe("allowed hosts", () => {
  test("a proxy's or tunnel's host and its pages are accepted; all others are refused", async () => {
    const served = await start("127.0.0.1", {
      allowedHosts: ["App.Example.com", ".tunnel.dev", "*.other.dev"],
    });
    try {
      for (const [host, status] of [
        ["app.example.com", 200],
        ["APP.example.com:443", 200],
        ["x.tunnel.dev", 200],
        ["a.b.other.dev", 200],
        ["localhost", 200],
        ["tunnel.dev", 403],
        ["eviltunnel.dev", 403],
        ["app.example.com.evil.com", 403],
        ["evil.com", 403],
      ] as const) {
        assert.equal(
          statusOf(await send(served.port, "POST /none HTTP/1.1", [["host", host]])),
          status,
          host,
        );
      }
      const tunnel: Headers = [
        ["host", "x.tunnel.dev"],
        ["origin", "https://x.tunnel.dev"],
      ];
      assert.equal(statusOf(await send(served.port, "POST /none HTTP/1.1", tunnel)), 200);
      const foreign: Headers = [
        ["host", "x.tunnel.dev"],
        ["origin", "https://evil.com"],
      ];
      assert.equal(statusOf(await send(served.port, "POST /none HTTP/1.1", foreign)), 403);
    } finally {
      await served.close();
    }
  });

  test("are checked on any bind address, except for probes that use an IP address", async () => {
    const served = await start("0.0.0.0", { allowedHosts: ["app.example"] });
    try {
      assert.equal(statusOf(await send(served.port, "POST /none HTTP/1.1", [["host", "app.example"]])), 200);
      assert.equal(statusOf(await send(served.port, "POST /none HTTP/1.1", [["host", "10.0.0.1"]])), 403);
      assert.equal(statusOf(await send(served.port, "GET /readyz HTTP/1.1", [["host", "10.0.0.1"]])), 200);
    } finally {
      await served.close();
    }
  });

  test('"*" accepts any host, but pages of other origins stay refused', async () => {
    const served = await start("127.0.0.1", { allowedHosts: ["*"] });
    try {
      assert.equal(statusOf(await send(served.port, "POST /none HTTP/1.1", [["host", "any.example"]])), 200);
      const page: Headers = [["host", "any.example"], ["origin", "https://evil.com"], JSON_TYPE];
      assert.equal(statusOf(await send(served.port, "POST /none HTTP/1.1", page)), 403);
    } finally {
      await served.close();
    }
  });

  test("are read from SERVABLE_ALLOWED_HOSTS if the option is not set", async () => {
    process.env["SERVABLE_ALLOWED_HOSTS"] = "one.example, two.example";
    const served = await start("127.0.0.1");
    delete process.env["SERVABLE_ALLOWED_HOSTS"];
    try {
      for (const host of ["one.example", "two.example"]) {
        assert.equal(statusOf(await send(served.port, "POST /none HTTP/1.1", [["host", host]])), 200);
      }
    } finally {
      await served.close();
    }
  });

  test("are rejected with an error that names the entry if it is not a valid host", () => {
    for (const host of ["https://a.com", "a.com:8080", "a.com/x", "", "a b", "[::1]:80", 7, "a..b", "*.*"]) {
      assert.throws(
        () => new Guarded().buildServer({ allowedHosts: [host as string] }),
        /allowedHosts: .* is not a host|allowedHosts\[0\] must be a text/,
        String(host),
      );
    }
  });
});

test("a server without a socket is treated as bound to a non-loopback address", async () => {
  const server = new Guarded().buildServer({ logger: silentLogger() });
  const headers = { host: "any.example", origin: "https://page.example", "content-type": "application/json" };
  const answer = await server.inject({ method: "POST", url: "/none", headers });
  assert.equal(answer.statusCode, 200);
  assert.equal(answer.headers["access-control-allow-credentials"], undefined);
  await server.close();
});

test("the metrics port has the same host and origin checks", async () => {
  const options = { port: 0, allowedHosts: ["scrape.example"] };
  const local = await startMetricsServer(new ServerMetrics("1", { held: 0 }), {
    host: "127.0.0.1",
    ...options,
  });
  const open = await startMetricsServer(new ServerMetrics("1", { held: 0 }), { host: "0.0.0.0", ...options });
  try {
    const ask = async (server: typeof local, headers: Headers): Promise<number> =>
      statusOf(await send((server.address() as AddressInfo).port, "GET /metrics HTTP/1.1", headers));
    assert.equal(await ask(local, [LOCAL]), 200);
    assert.equal(await ask(local, [["host", "scrape.example:9090"]]), 200);
    assert.equal(await ask(local, [["host", "evil.com"]]), 403);
    assert.equal(await ask(local, [LOCAL, ["host", "evil.com"]]), 400);
    assert.equal(await ask(local, [LOCAL, ["origin", "https://evil.com"]]), 403);
    assert.equal(await ask(local, [LOCAL, ["sec-fetch-site", "cross-site"]]), 403);
    assert.equal(await ask(local, []), 400);
    assert.equal(await ask(open, [["host", "app:9090"]]), 200);
  } finally {
    for (const server of [local, open]) await new Promise((resolve) => server.close(resolve));
  }
});

test("exposedHeaders and maxAgeSeconds are sent to allowed origins, and an app's own exposed headers are kept", async () => {
  class Exposing extends App {
    static override cors = { origins: "*" as const, exposedHeaders: ["x-a", "x-b"], maxAgeSeconds: 5 };

    @endpoint("/usual")
    usual(): void {}

    @endpoint("/stream", { stream: true })
    async *stream(): AsyncGenerator<number> {
      yield 1;
    }

    @endpoint("/own")
    own(ctx: RequestContext): void {
      ctx.setHeader("access-control-expose-headers", "x-own");
    }
  }
  await using served = await startTestServer(new Exposing());
  const headers = { origin: "https://page.example" };
  for (const [path, exposed] of [
    ["/usual", "x-a, x-b"],
    ["/stream", "x-a, x-b"],
    ["/nothing", "x-a, x-b"],
    ["/own", "x-own"],
  ] as const) {
    const answer = await served.post(path, {}, headers);
    assert.equal(answer.headers.get("access-control-expose-headers"), exposed, path);
    const plain = await served.post(path, {});
    assert.equal(plain.headers.get("access-control-expose-headers"), path === "/own" ? exposed : null, path);
  }
  const preflight = await served.request("OPTIONS", "/usual", {
    headers: { ...headers, "access-control-request-method": "POST" },
  });
  assert.equal(preflight.headers.get("access-control-max-age"), "5");
});
