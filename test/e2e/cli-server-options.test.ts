import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { WebSocket } from "ws";
import { ANY_PORT, createProject, runCli, startCli, type LogLine } from "../helpers/cli.ts";
import { bodyOf, exchange, openSocket, rawRequest, statusOf } from "../helpers/sockets.ts";

const APP = `import { Type } from "typebox";
import { App, endpoint, realtime } from "servable";
const Text = Type.Object({ text: Type.String() }, { $id: "Text" });
export class Options extends App {
  static override accessLog = true;
  static override bodyLimitBytes = 1000;
  static override cors = { origins: ["https://static.example"] };

  override configure(server) {
    server.get("/who", (request) => ({ ip: request.ip, protocol: request.protocol, host: request.host }));
    server.get("/slow", async () => new Promise(() => {}));
  }

  @endpoint("/", { input: Text, output: Text })
  say(input) { return input; }

  @endpoint("/stream", { stream: true })
  async *stream() { yield 1; yield 2; }

  @endpoint("/fail")
  fail() { throw new Error("on purpose"); }

  @realtime("/live", { input: Text, output: Text })
  live(input) { return input; }
}
`;

const project = createProject({
  "app.ts": APP,
  "plain.ts": plainApp(""),
  "cros.ts": plainApp("static cros = { origins: [] };"),
});

function plainApp(statics: string): string {
  return `import { App, endpoint } from "servable";
export class Plain extends App {
  ${statics}
  @endpoint("/")
  run() { return 1; }
}
`;
}

interface Served {
  /** The line of the log that announces the app. */
  readonly listening: LogLine;
  readonly url: string;
  readonly port: number;
  /** The lines of the access log, once there are so many. */
  accessLines(count: number): Promise<LogLine[]>;
  stop(): Promise<unknown>;
}

async function run(file: string, ...flags: string[]): Promise<Served> {
  const cli = startCli(["run", file, ...ANY_PORT, ...flags], project);
  const url = await cli.listening();
  const [listening] = await cli.logged(/^listening$/);
  return {
    url,
    listening: listening ?? { msg: "" },
    port: Number(new URL(url).port),
    accessLines: (count) => cli.logged(/^(?:request (?:answered|aborted)|websocket closed)$/, count),
    async stop() {
      cli.kill("SIGTERM");
      return cli.ended;
    },
  };
}

const sendText = (url: string, text: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ text }),
  });

describe("servable run and the options of a server", () => {
  test("a static applies, and a flag takes precedence over it", async () => {
    const byStatic = await run("app.ts");
    const byFlag = await run("app.ts", "--body-limit", "2KiB", "--cors-origin", "https://flag.example");
    const text = "a".repeat(1500);
    assert.equal((await sendText(byStatic.url, text)).status, 413);
    assert.equal((await sendText(byFlag.url, text)).status, 200);
    assert.equal((await sendText(byFlag.url, "a".repeat(2500))).status, 413);
    const from = async ({ url }: Served, origin: string): Promise<string | number | null> => {
      const answer = await sendText(url, "a", { origin });
      return answer.status === 200 ? answer.headers.get("access-control-allow-origin") : answer.status;
    };
    assert.equal(await from(byStatic, "https://static.example"), "https://static.example");
    assert.equal(await from(byStatic, "https://flag.example"), 403);
    assert.equal(await from(byFlag, "https://flag.example"), "https://flag.example");
    assert.equal(await from(byFlag, "https://static.example"), 403);
    await Promise.all([byStatic.stop(), byFlag.stop()]);
  });

  test("origins are answered without credentials, unless --cors-credentials is given", async () => {
    const flags = ["--cors-origin", "https://a.example", "--cors-origin", "https://*.b.example"];
    const [plain, trusting] = await Promise.all([
      run("plain.ts", ...flags),
      run("plain.ts", ...flags, "--cors-credentials"),
    ]);
    for (const [{ url }, credentials] of [
      [plain, null],
      [trusting, "true"],
    ] as const) {
      for (const origin of ["https://a.example", "https://x.b.example", "https://x.y.b.example"]) {
        const preflight = await fetch(url, {
          method: "OPTIONS",
          headers: {
            origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "x-a",
          },
        });
        assert.equal(preflight.status, 200);
        assert.equal(preflight.headers.get("access-control-allow-credentials"), credentials);
        assert.equal(preflight.headers.get("access-control-max-age"), "600");
        // Forms need no preflight; listed origins may send them.
        const form = await fetch(url, { method: "POST", headers: { origin, "content-type": "text/plain" } });
        assert.equal(form.status, 200, origin);
        assert.equal(form.headers.get("access-control-allow-origin"), origin);
        assert.equal(form.headers.get("access-control-allow-credentials"), credentials);
      }
      for (const origin of [
        "https://b.example",
        "https://ab.example",
        "http://a.example",
        "https://a.example:8443",
        "https://x.b.example.evil.example",
        "https://evil.example/.b.example",
      ]) {
        const refused = await fetch(url, { method: "POST", headers: { origin } });
        assert.equal(refused.status, 403, origin);
        assert.equal(refused.headers.get("access-control-allow-origin"), null);
      }
    }
    await Promise.all([plain.stop(), trusting.stop()]);
  });

  test("headers of 60 KiB are read; beyond the limit the answer is 431", async () => {
    const [usual, small] = await Promise.all([run("plain.ts"), run("plain.ts", "--header-limit", "4KiB")]);
    const statusWith = async (port: number, kib: number): Promise<number> =>
      statusOf(await exchange(port, rawRequest("POST", "/", { "x-large": "a".repeat(kib * 1024) })));
    assert.equal(await statusWith(usual.port, 60), 200);
    assert.equal(await statusWith(usual.port, 70), 431);
    assert.equal(await statusWith(small.port, 3), 200);
    assert.equal(await statusWith(small.port, 5), 431);
    await Promise.all([usual.stop(), small.stop()]);
  });

  test("requests whose headers or bodies do not arrive in time are answered with 408", async () => {
    const served = await run("app.ts", "--headers-timeout-ms", "300", "--arrival-timeout-ms", "600");
    const head = await exchange(served.port, "POST / HTTP/1.1\r\nhost: localhost\r\n");
    assert.equal(statusOf(head), 408);
    const body = await exchange(
      served.port,
      "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{",
    );
    assert.equal(statusOf(body), 408);
    await served.stop();
  });

  test("idle connections are closed after --keep-alive-timeout-ms", async () => {
    const served = await run("plain.ts", "--keep-alive-timeout-ms", "1000");
    // Without "connection: close", so only the timeout ends it.
    const answer = await exchange(served.port, rawRequest("POST", "/", { connection: "keep-alive" }));
    assert.match(answer, /keep-alive: timeout=1\r\n/i);
    await served.stop();
  });

  test("connections beyond --max-connections are closed at once, and others go on", async () => {
    const served = await run("plain.ts", "--max-connections", "2");
    const open = [await openSocket(served.port), await openSocket(served.port)];
    const third = await openSocket(served.port);
    await once(third, "close");
    open[0]?.write(rawRequest("POST", "/", { connection: "keep-alive" }));
    const [chunk] = (await once(open[0] ?? third, "data")) as [Buffer];
    assert.equal(statusOf(chunk.toString()), 200);
    for (const socket of open) socket.destroy();
    await served.stop();
  });

  test('--no-docs and docs = "document" close the pages they name, and nothing else', async () => {
    const statusesOf = async (url: string): Promise<number[]> =>
      Promise.all(
        ["/docs", "/docs/", "/openapi.json", "/health"].map(async (path) => (await fetch(url + path)).status),
      );
    const off = await run("plain.ts", "--no-docs");
    assert.equal("docs" in off.listening, false, "no page is announced");
    assert.deepEqual(await statusesOf(off.url), [404, 404, 404, 200]);
    const page = await fetch(off.url, { headers: { accept: "text/html" }, redirect: "manual" });
    assert.equal(page.status, 405, "there is no page to lead to");
    await off.stop();
    const folder = createProject({ "app.ts": plainApp('static docs = "document" as const;') });
    const cli = startCli(["run", "app.ts", ...ANY_PORT], folder);
    assert.deepEqual(await statusesOf(await cli.listening()), [404, 404, 200, 200]);
  });

  test("X-Forwarded headers are believed only if they come from a trusted proxy", async () => {
    const forwarded = {
      "x-forwarded-for": "203.0.113.7",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "app.example",
    };
    const who = async ({ url }: Served): Promise<unknown> =>
      (await fetch(`${url}/who`, { headers: forwarded })).json();
    const [none, loopback, elsewhere, all] = await Promise.all([
      run("app.ts"),
      run("app.ts", "--trust-proxy", "loopback"),
      run("app.ts", "--trust-proxy", "10.0.0.0/8,fd00::/8"),
      run("app.ts", "--trust-proxy", "all"),
    ]);
    for (const served of [none, elsewhere]) {
      const own = { ip: "127.0.0.1", protocol: "http", host: new URL(served.url).host };
      assert.deepEqual(await who(served), own);
      assert.equal((await served.accessLines(1))[0]?.["client"], "127.0.0.1");
    }
    for (const served of [loopback, all]) {
      assert.deepEqual(await who(served), { ip: "203.0.113.7", protocol: "https", host: "app.example" });
      assert.equal((await served.accessLines(1))[0]?.["client"], "203.0.113.7");
      // The checks of hosts use the header that the proxy itself sends.
      const foreign = await exchange(
        served.port,
        rawRequest("POST", "/", { host: "app.example", "x-forwarded-host": "localhost" }),
      );
      assert.equal(statusOf(foreign), 403);
    }
    await Promise.all([none, loopback, elsewhere, all].map((served) => served.stop()));
  });

  test("--root-path removes a prefix from paths, and the document names it", async () => {
    const served = await run("plain.ts", "--root-path", "/user/app");
    assert.equal((await fetch(`${served.url}/user/app/`, { method: "POST" })).status, 200);
    const document = (await (await fetch(`${served.url}/user/app/openapi.json`)).json()) as {
      servers: unknown;
    };
    assert.deepEqual(document.servers, [{ url: "/user/app" }]);
    await served.stop();
  });
});

describe("the access log", () => {
  test("has one line for each answer, stream, refusal and websocket, without queries and keys", async () => {
    const served = await run("app.ts");
    const lineOf = async (count: number): Promise<Record<string, unknown>> => {
      const { method, path, status, aborted, msg, requestId } = (await served.accessLines(count)).at(-1) ?? {
        msg: "",
      };
      return JSON.parse(JSON.stringify({ method, path, status, aborted, msg, requestId })) as Record<
        string,
        unknown
      >;
    };
    const answered = { msg: "request answered", method: "POST" };
    await (
      await sendText(`${served.url}/?fal_jwt_token=SECRET`, "a", {
        "x-fal-request-id": "id-1",
        authorization: "SECRET",
      })
    ).text();
    assert.deepEqual(await lineOf(1), { ...answered, path: "/", status: 200, requestId: "id-1" });
    await (await fetch(`${served.url}/stream`, { method: "POST" })).text();
    assert.deepEqual(await lineOf(2), { ...answered, path: "/stream", status: 200 });
    await (await fetch(`${served.url}/fail`, { method: "POST" })).text();
    assert.deepEqual(await lineOf(3), { ...answered, path: "/fail", status: 500 });
    await (await fetch(`${served.url}/nothing?a=SECRET`)).text();
    assert.deepEqual(await lineOf(4), { ...answered, method: "GET", path: "/nothing", status: 404 });
    await exchange(served.port, rawRequest("POST", "/%zz?SECRET"));
    assert.equal((await lineOf(5))["path"], "/%zz");
    const long = "a".repeat(30_000);
    await exchange(
      served.port,
      rawRequest("POST", `/?${long}`, { host: "evil.example", "user-agent": long }),
    );
    assert.ok(String((await served.accessLines(6)).at(-1)?.["userAgent"]).length <= 1_001);
    assert.deepEqual(await lineOf(6), { ...answered, path: "/", status: 403 });
    const socket = new WebSocket(`${served.url.replace("http", "ws")}/live?fal_jwt_token=SECRET`);
    await once(socket, "open");
    socket.close();
    assert.deepEqual(await lineOf(7), { msg: "websocket closed", method: "GET", path: "/live", status: 101 });
    const impatient = await openSocket(served.port);
    impatient.write(rawRequest("GET", "/slow", { connection: "keep-alive" }));
    const [line] = await served.accessLines(7);
    assert.equal(typeof line?.["durationMs"], "number");
    assert.ok(Number(line?.["bytes"]) > 50);
    assert.equal(line?.["client"], "127.0.0.1");
    await (await fetch(`${served.url}/health`)).text(); // after this, the server has read the slow request
    impatient.destroy();
    const lines = await served.accessLines(9);
    const aborted = lines.find(({ path }) => path === "/slow");
    assert.equal(aborted?.["aborted"], true);
    assert.equal(aborted?.msg, "request aborted");
    assert.equal(aborted?.["status"], undefined);
    assert.doesNotMatch(JSON.stringify(lines), /SECRET/);
    await served.stop();
  });

  test("is off by default", async () => {
    const cli = startCli(["run", "plain.ts", ...ANY_PORT], project);
    const url = await cli.listening();
    await (await fetch(url, { method: "POST" })).text();
    cli.kill("SIGTERM");
    await cli.ended;
    assert.deepEqual(
      cli.lines().filter(({ msg }) => /request/.test(msg)),
      [],
    );
  });
});

test("wrong values of flags are refused with what they must be", async () => {
  const wrong: readonly (readonly [flags: readonly string[], message: RegExp])[] = [
    [["--port", "70000"], /It must be a whole number from 0 to 65535\./],
    [["--body-limit", "5XB"], /It must be a whole number of at least 1, or a size such as 64KiB\./],
    [["--header-limit", "10"], /It must be a whole number from 1024 to 16777216, or a size such as 64KiB\./],
    [["--max-connections", "0"], /It must be a whole number of at least 1\./],
    [["--headers-timeout-ms", "1.5"], /It must be a whole number from 1 to \d+\./],
    [["--trust-proxy", "10.0.0.0/40"], /It must be "all" or an address such as "10\.0\.0\.1"/],
    [["--trust-proxy", "2"], /It must be "all" or an address/],
    [["--cors-origin", "example.com"], /cors\.origins\[0\] must be an origin as a browser sends it/],
    [
      ["--cors-origin", "*", "--cors-credentials"],
      /cors\.origins must be a list of origins, because credentials are true/,
    ],
    [["--cors-credentials"], /--cors-credentials needs --cors-origin/],
    [["--https-key", "a.pem"], /--https-key and --https-certificate belong together/],
    [["--unix-socket", "a.sock", "--host", "::1"], /unixSocket and (?:host|port) can't both be set/],
    [["--body-limits", "5"], /unknown option '--body-limits'\s+\(Did you mean --body-limit\?\)/],
  ];
  for (const [flags, message] of wrong) {
    const isAboutAddress = flags.some((flag) => flag === "--port" || flag === "--unix-socket");
    const ended = await runCli(
      ["run", "plain.ts", ...(isAboutAddress ? [] : ["--port", "0"]), "--no-metrics", ...flags],
      project,
    );
    assert.notEqual(ended.exitCode, 0, flags.join(" "));
    assert.match(ended.stderr + ended.stdout, message, flags.join(" "));
    assert.equal(ended.stdout.includes('"listening"'), false);
  }
});

test("a misspelt static of a server option is refused before anything listens", async () => {
  const ended = await runCli(["run", "cros.ts", ...ANY_PORT], project);
  assert.notEqual(ended.exitCode, 0);
  assert.match(ended.stderr, /Plain\.cros is not a setting; did you mean "cors"\?/);
});

test("an answer that the server refused still has a JSON body", async () => {
  const served = await run("plain.ts", "--header-limit", "1KiB");
  const answer = await exchange(served.port, rawRequest("POST", "/", { "x-large": "a".repeat(2048) }));
  assert.equal(typeof (JSON.parse(bodyOf(answer)) as { detail: unknown }).detail, "string");
  await served.stop();
});
