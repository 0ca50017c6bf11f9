import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFileSync, mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { connect as connectSecurely, type TLSSocket } from "node:tls";
import { Type, type Static } from "typebox";
import { WebSocket } from "ws";
import {
  App,
  endpoint,
  multipart,
  realtime,
  serve,
  upload,
  websocket,
  type RawWebSocket,
  type RequestContext,
  type ServeOptions,
  type UploadedFile,
} from "servable";
import { connectTestSocket, FakeClock, startTestServer } from "servable/testing";
import { captureLogs, type LogLine } from "../helpers/captured-logs.ts";
import { createCertificate, encryptKey, withoutOpenssl, type Certificate } from "../helpers/certificates.ts";
import { createFolder } from "../helpers/folders.ts";
import { serveApp, serveWith, type ServedApp } from "../helpers/served-app.ts";
import {
  bodyOf,
  exchangeOn,
  openSecureSocket,
  openSocket,
  rawRequest,
  statusOf,
} from "../helpers/sockets.ts";
import { multipartBody, partHeaders } from "../helpers/uploads.ts";

const Text = Type.Object({ text: Type.String() });
type Text = Static<typeof Text>;
const Photo = multipart({ title: Type.String(), photo: upload({ maxBytes: 1024 ** 2 }) });

class Shop extends App {
  isRunning = false;
  isSetUp = false;

  override setup(): void {
    this.isSetUp = true;
  }

  @endpoint("/echo", { input: Text, output: Text })
  echo(input: Text): Text {
    return input;
  }

  @endpoint("/steps", { stream: true })
  async *steps(): AsyncGenerator<string> {
    yield "one";
    yield "two";
  }

  @endpoint("/forever")
  async forever(ctx: RequestContext): Promise<string> {
    this.isRunning = true;
    await once(ctx.signal, "abort");
    return "over";
  }

  @endpoint("/large")
  large(): string {
    return "x".repeat(50_000_000);
  }

  @endpoint("/photo", { input: Photo })
  async photo({ title, photo }: { title: string; photo: UploadedFile }): Promise<unknown> {
    return { title, size: photo.size };
  }

  @websocket("/raw")
  async raw(socket: RawWebSocket, ctx: RequestContext): Promise<void> {
    socket.on("message", (data) => socket.send(String(data)));
    if (!ctx.signal.aborted) await once(ctx.signal, "abort");
  }

  @realtime("/live", { input: Text })
  live({ text }: Text): Text {
    return { text: text.toUpperCase() };
  }
}

const JSON_TYPE = { "content-type": "application/json" };
const WEBSOCKET = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  "sec-websocket-version": "13",
};

describe("HTTPS", { timeout: 60_000, skip: withoutOpenssl }, () => {
  const made = createCertificate();
  const https = (): ServeOptions["https"] => ({ key: made.key, certificate: made.certificate });
  const portOf = ({ url }: ServedApp): number => Number(new URL(url).port);
  const open = (served: ServedApp): Promise<TLSSocket> => openSecureSocket(portOf(served), made.pem);
  const ask = async (served: ServedApp, bytes: string | Uint8Array): Promise<string> =>
    exchangeOn(await open(served), bytes);

  test("calls, streams, uploads, HEAD and the documents are served as over HTTP", async () => {
    await using served = await serveApp(new Shop(), { https: https() });
    assert.match(served.url, /^https:\/\/127\.0\.0\.1:\d+$/);
    const call = await ask(served, rawRequest("POST", "/echo", JSON_TYPE, '{"text":"hi"}'));
    assert.equal(bodyOf(call), '{"text":"hi"}');
    assert.match(await ask(served, rawRequest("POST", "/steps")), /data: "one"[^]*data: "two"/);
    const body = multipartBody([
      { headers: partHeaders("title"), content: "cat" },
      { headers: partHeaders("photo", "cat.png", "image/png"), content: new Uint8Array(100_000) },
    ]);
    const photo = await ask(
      served,
      rawRequest("POST", "/photo", { "content-type": "multipart/form-data; boundary=b" }, body),
    );
    assert.deepEqual(JSON.parse(bodyOf(photo)), { title: "cat", size: 100_000 });
    const head = await ask(served, rawRequest("HEAD", "/readyz"));
    assert.match(head, /^HTTP\/1\.1 200 [^]*\r\n\r\n$/);
    assert.match(await ask(served, rawRequest("GET", "/docs")), /^HTTP\/1\.1 200 [^]*<!doctype html>/i);
    const document = JSON.parse(bodyOf(await ask(served, rawRequest("GET", "/openapi.json")))) as object;
    assert.ok("/echo" in (document as { paths: object }).paths);
  });

  test("several requests share a connection, and a declined upgrade does not end it", async () => {
    await using served = await serveApp(new Shop(), { https: https() });
    const keepAlive = { ...JSON_TYPE, connection: "keep-alive" };
    const h2c = {
      ...JSON_TYPE,
      connection: "Upgrade, HTTP2-Settings",
      upgrade: "h2c",
      "http2-settings": "AAMAAABk",
    };
    const answers = await ask(
      served,
      Buffer.concat([
        rawRequest("POST", "/echo", keepAlive, '{"text":"one"}'),
        rawRequest("POST", "/echo", h2c, '{"text":"two"}'),
        rawRequest("POST", "/echo", { ...WEBSOCKET, ...JSON_TYPE }, '{"text":"three"}'),
        rawRequest("POST", "/echo", JSON_TYPE, '{"text":"four"}'),
      ]),
    );
    assert.deepEqual(
      answers.match(/\{"text":"\w+"\}/g),
      ["one", "two", "three", "four"].map((text) => `{"text":"${text}"}`),
    );
    // Later on the same connection, when the first part of it has been read.
    const socket = await open(served);
    socket.write(rawRequest("POST", "/echo", h2c, '{"text":"five"}'));
    const [first] = (await once(socket, "data")) as [Buffer];
    assert.match(first.toString(), /\{"text":"five"\}$/);
    assert.match(await exchangeOn(socket, rawRequest("POST", "/echo", JSON_TYPE, '{"text":"six"}')), /"six"/);
  });

  test("websockets and realtime sessions are served", async () => {
    await using served = await serveApp(new Shop(), { https: https() });
    const raw = new WebSocket(`${served.url.replace("https", "wss")}/raw`, { ca: made.pem });
    await once(raw, "open");
    raw.send("hello");
    const [echoed] = (await once(raw, "message")) as [Buffer];
    assert.equal(String(echoed), "hello");
    raw.close();
    await once(raw, "close");
    const live = await connectTestSocket(
      `${served.url}/live`,
      { input: Text, output: Text },
      { ca: made.pem },
    );
    live.send({ text: "loud" });
    assert.deepEqual(await live.next(), { text: "LOUD" });
    await live.close();
  });

  test("malformed requests are answered with 400, too large headers with 431", async () => {
    await using served = await serveApp(new Shop(), { https: https(), headerLimitBytes: 2048 });
    const malformed = await ask(served, "HELLO\r\n\r\n");
    assert.equal(statusOf(malformed), 400);
    assert.deepEqual(JSON.parse(bodyOf(malformed)), { detail: "Bad Request" });
    const large = await ask(served, rawRequest("GET", "/health", { "x-large": "x".repeat(4096) }));
    assert.equal(statusOf(large), 431);
  });

  test("plain HTTP on the port, and a client that knows no common version, are closed", async () => {
    const { logger, lines } = captureLogs();
    await using served = await serveApp(new Shop(), { https: https(), logger });
    const plain = await openSocket(portOf(served));
    await exchangeOn(plain, rawRequest("GET", "/health"));
    const old = connectSecurely({
      port: portOf(served),
      host: "127.0.0.1",
      ca: made.pem,
      maxVersion: "TLSv1.1",
      minVersion: "TLSv1",
    });
    await once(old, "error");
    assert.match(await ask(served, rawRequest("GET", "/livez")), /alive/);
    assert.deepEqual(
      lines.filter(({ level }) => level >= 40),
      [],
    );
  });

  test("a client that never completes the handshake is closed after the time for headers", async () => {
    await using served = await serveApp(new Shop(), { https: https(), headersTimeoutMs: 50 });
    const silent = await openSocket(portOf(served));
    const half = await openSocket(portOf(served));
    half.write(HALF_HELLO);
    for (const socket of [silent, half]) await exchangeOn(socket, "");
  });

  test("connections count from before the handshake against maxConnections", async () => {
    await using served = await serveApp(new Shop(), { https: https(), maxConnections: 1 });
    const first = await openSocket(portOf(served));
    await assert.rejects(open(served));
    first.destroy();
    await once(first, "close");
    for (;;) {
      const answer = await ask(served, rawRequest("GET", "/livez")).catch(() => "");
      if (answer !== "") return assert.match(answer, /alive/);
    }
  });

  test("a reader that receives nothing is disconnected and counted", async () => {
    const clock = new FakeClock();
    await using served = await serveApp(new Shop(), { https: https(), clock, sendTimeoutMs: 8_000 });
    const socket = await open(served);
    socket.pause();
    const closed = once(socket, "close");
    socket.write(rawRequest("POST", "/large"));
    for (let turn = 0; turn < 2_000; turn++) {
      await nextTurn();
      clock.advance(0.01);
    }
    const stalled = async (): Promise<number> =>
      (await served.metrics()).value("servable_stalled_readers_total");
    clock.advance(5_000);
    assert.equal(await stalled(), 0);
    while ((await stalled()) === 0) clock.advance(2_000);
    assert.equal(await stalled(), 1);
    socket.resume();
    await closed;
  });

  test("a reader that receives a little now and then is not disconnected", async () => {
    const clock = new FakeClock();
    await using served = await serveApp(new Shop(), { https: https(), clock, sendTimeoutMs: 8_000 });
    const socket = await open(served);
    socket.pause();
    socket.write(rawRequest("POST", "/large"));
    let taken = 0;
    while (taken < 50_000_000) {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) {
        let isReadable = false;
        socket.once("readable", () => void (isReadable = true));
        while (!isReadable) {
          assert.ok(!socket.destroyed, `closed after ${taken} bytes`);
          await nextTurn();
          clock.advance(0.01);
        }
      } else taken += chunk.length;
      clock.advance(12); // per record of 16 KiB
    }
    assert.equal((await served.metrics()).value("servable_stalled_readers_total"), 0);
    assert.ok(clock.now() > 8_000, `${clock.now()} ms`);
    socket.destroy();
  });

  test("a stop waits for a running call alone: not for idle connections, handshakes or readers that stall", async () => {
    const app = new Shop();
    const stop = new AbortController();
    const cut = new AbortController();
    const served = await serveApp(app, { https: https(), signal: stop.signal, cutSignal: cut.signal });
    const stopped = served[Symbol.asyncDispose].bind(served);
    const idle = await open(served);
    idle.write(rawRequest("GET", "/livez", { connection: "keep-alive" }));
    await once(idle, "data");
    const running = await open(served);
    running.write(rawRequest("POST", "/forever"));
    while (!app.isRunning) await nextTurn();
    // Accepted later, so that the time for new connections is over for the one above once these are closed.
    const fresh = await open(served);
    const silent = await openSocket(portOf(served));
    const half = await openSocket(portOf(served));
    half.write(HALF_HELLO);
    const reader = await open(served);
    reader.pause();
    reader.write(rawRequest("POST", "/large"));
    const others = [idle, fresh, silent, half].map((socket) => once(socket.resume(), "close"));
    const answered = exchangeOn(running, "");
    stop.abort();
    await Promise.all(others);
    assert.ok(!running.destroyed);
    cut.abort();
    assert.equal(statusOf(await answered), 503);
    reader.destroy();
    await stopped();
  });

  test("replaced files are served to new connections, and open ones go on", async () => {
    const other = createCertificate("other");
    const folder = createFolder();
    const files = { key: join(folder, "key.pem"), certificate: join(folder, "cert.pem") };
    const put = ({ key, certificate }: Certificate): void => {
      // By renaming, as programs that renew certificates do.
      for (const [from, to] of [
        [key, files.key],
        [certificate, files.certificate],
      ] as const) {
        copyFileSync(from, `${to}.new`);
        renameSync(`${to}.new`, to);
      }
    };
    put(made);
    const { logger, lines } = captureLogs();
    const clock = new FakeClock();
    await using served = await serveApp(new Shop(), { https: files, logger, clock });
    const port = portOf(served);
    const old = await openSecureSocket(port, made.pem);
    put(other);
    await read(clock, lines, /was read again/);
    assert.equal(nameOf(await openSecureSocket(port, other.pem)), "other");
    assert.match(await exchangeOn(old, rawRequest("GET", "/livez")), /alive/);
    // Half of a renewal, and files that are none.
    copyFileSync(made.key, files.key);
    await read(clock, lines, /last valid ones stay in use/);
    writeFileSync(files.certificate, "no certificate");
    await read(clock, lines, /last valid ones stay in use/, 2);
    unlinkSync(files.certificate);
    await read(clock, lines, /last valid ones stay in use/, 3);
    assert.equal(nameOf(await openSecureSocket(port, other.pem)), "other");
    put(made);
    await read(clock, lines, /was read again/, 2);
    assert.equal(nameOf(await openSecureSocket(port, made.pem)), "localhost");
    const reasons = lines
      .filter(({ level }) => level === 50)
      .map(({ err }) => (err as { message: string }).message);
    assert.equal(reasons.length, 3); // each change once, however often the files are read
    assert.match(reasons[0] ?? "", /that of another certificate/);
    assert.match(reasons[1] ?? "", /not in PEM/);
    assert.match(reasons[2] ?? "", /ENOENT/);
    assert.doesNotMatch(JSON.stringify(lines), /BEGIN/);
  });

  test("files behind a swapped link to their folder are read again, and those that changed during setup", async () => {
    const other = createCertificate("other");
    const folder = createFolder();
    for (const [name, { key, certificate }] of [
      ["old", made],
      ["new", other],
    ] as const) {
      mkdirSync(join(folder, name));
      copyFileSync(key, join(folder, name, "tls.key"));
      copyFileSync(certificate, join(folder, name, "tls.crt"));
    }
    const link = join(folder, "data");
    const swap = (to: string): void => {
      symlinkSync(to, `${link}.new`);
      renameSync(`${link}.new`, link);
    };
    swap("old");
    class Slow extends Shop {
      override setup(): void {
        swap("new");
      }
    }
    const { logger, lines } = captureLogs();
    const clock = new FakeClock();
    const files = { key: join(link, "tls.key"), certificate: join(link, "tls.crt") };
    await using served = await serveApp(new Slow(), { https: files, logger, clock });
    await read(clock, lines, /was read again/);
    assert.equal(nameOf(await openSecureSocket(portOf(served), other.pem)), "other");
    swap("old");
    await read(clock, lines, /was read again/, 2);
    assert.equal(nameOf(await openSecureSocket(portOf(served), made.pem)), "localhost");
  });

  test("a stopped server reads the files no more", async () => {
    const folder = createFolder();
    const files = { key: join(folder, "key.pem"), certificate: join(folder, "cert.pem") };
    copyFileSync(made.key, files.key);
    copyFileSync(made.certificate, files.certificate);
    const { logger, lines } = captureLogs();
    const clock = new FakeClock();
    await (await serveApp(new Shop(), { https: files, logger, clock }))[Symbol.asyncDispose]();
    unlinkSync(files.key);
    for (let turn = 0; turn < 20; turn++) {
      clock.advance(5_000);
      await readFile(files.certificate); // what the server would do takes no longer
    }
    assert.deepEqual(
      lines.filter(({ level }) => level === 50),
      [],
    );
  });

  test("files that can't be used are refused before setup, with the reason and none of their content", async () => {
    const other = createCertificate("other");
    const folder = createFolder({ "text.pem": "secret text" });
    const text = join(folder, "text.pem");
    const { key, certificate } = made;
    const encrypted = encryptKey(key, "pass word");
    for (const [files, reason] of [
      [{ key: join(folder, "none.pem"), certificate }, /^https: the key can't be read: ENOENT.*none\.pem/],
      [{ key, certificate: folder }, /^https: the certificate can't be read: EISDIR/],
      [{ key: other.key, certificate }, /do not fit: the key is that of another certificate\.$/],
      [{ key: text, certificate }, /do not fit: the key is not a private key in PEM\.$/],
      [{ key: certificate, certificate }, /do not fit: the key is not a private key in PEM\.$/],
      [{ key, certificate: text }, /do not fit: the certificate, or the key, is not in PEM\.$/],
      [
        { key: encrypted, certificate },
        /^https: the key .*encrypted has a password; set passphrase to it\.$/,
      ],
      [
        { key: encrypted, certificate, passphrase: "wrong one" },
        /^https: the key .*encrypted has another passphrase\.$/,
      ],
    ] as const) {
      const app = new Shop();
      await assert.rejects(serveApp(app, { https: files }), (error: Error & { code: string }) => {
        assert.equal(error.code, "SETTING_INVALID");
        assert.match(error.message, reason);
        assert.doesNotMatch(error.message, /BEGIN|wrong one|secret text/);
        return true;
      });
      assert.ok(!app.isSetUp);
    }
    await using served = await serveApp(new Shop(), {
      https: { key: encrypted, certificate, passphrase: "pass word" },
    });
    assert.match(await ask(served, rawRequest("GET", "/livez")), /alive/);
  });

  test("several classes share the certificate, and each declines upgrades and accepts websockets", async () => {
    class Upper extends Shop {}
    class Lower extends Shop {}
    await using served = await serveWith((given) => serve([Upper, Lower], given), { https: https() });
    assert.match(served.url, /^https:/);
    for (const prefix of ["/upper", "/lower"]) {
      const h2c = { ...JSON_TYPE, connection: "Upgrade", upgrade: "h2c" };
      const answers = await ask(
        served,
        Buffer.concat([
          rawRequest("POST", `${prefix}/echo`, h2c, '{"text":"one"}'),
          rawRequest("POST", `/upper/echo`, JSON_TYPE, '{"text":"two"}'),
        ]),
      );
      assert.deepEqual(answers.match(/\{"text":"\w+"\}/g), ['{"text":"one"}', '{"text":"two"}']);
      const live = await connectTestSocket(
        `${served.url}${prefix}/live`,
        { input: Text, output: Text },
        { ca: made.pem },
      );
      live.send({ text: "loud" });
      assert.deepEqual(await live.next(), { text: "LOUD" });
      await live.close();
    }
    const index = await ask(served, rawRequest("GET", "/", { accept: "application/json" }));
    assert.match(index, /"\/upper"[^]*"\/lower"/);
  });

  test("a class has its files as a static, and the app's test server knows the scheme", async () => {
    class Own extends Shop {
      static override https = { key: made.key, certificate: made.certificate };
    }
    await using server = await startTestServer(new Own());
    assert.match(server.url, /^https:/);
    const socket = await openSecureSocket(server.port, made.pem);
    assert.match(await exchangeOn(socket, rawRequest("GET", "/livez")), /alive/);
  });
});

/** The beginning of a TLS handshake: a record that says it holds 512 bytes, without them. */
const HALF_HELLO = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]);

function nameOf(socket: TLSSocket): string {
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}

/** Lets time pass until a message has been logged this number of times. */
async function read(clock: FakeClock, lines: readonly LogLine[], message: RegExp, times = 1): Promise<void> {
  while (lines.filter(({ msg }) => message.test(msg)).length < times) {
    clock.advance(500);
    await nextTurn();
  }
}
