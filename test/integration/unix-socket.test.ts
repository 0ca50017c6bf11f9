import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { connect as connectSecurely } from "node:tls";
import { once } from "node:events";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { Type, type Static } from "typebox";
import { App, endpoint, realtime, serve, type ServeAddresses, type ServeOptions } from "servable";
import { connectTestSocket } from "servable/testing";
import { captureLogs } from "../helpers/captured-logs.ts";
import { createCertificate, withoutOpenssl } from "../helpers/certificates.ts";
import { createFolder } from "../helpers/folders.ts";
import { serveApp, serveWith } from "../helpers/served-app.ts";
import { exchangeOn, rawRequest } from "../helpers/sockets.ts";

const Text = Type.Object({ text: Type.String() });
type Text = Static<typeof Text>;

class Shop extends App {
  override configure(server: FastifyInstance): void {
    server.get("/who", (asked: FastifyRequest) => ({
      ip: asked.ip ?? null,
      protocol: asked.protocol,
      host: asked.host,
    }));
  }

  @endpoint("/echo", { input: Text })
  echo({ text }: Text): string {
    return text;
  }

  @realtime("/live", { input: Text })
  live({ text }: Text): Text {
    return { text: text.toUpperCase() };
  }
}

const onSocket = (): { unixSocket: string; port: undefined } => ({
  unixSocket: join(createFolder(), "app.sock"),
  port: undefined,
});

function ask(
  socketPath: string,
  method: string,
  path: string,
  { body = "", headers = {} }: { body?: string; headers?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const all = { "content-type": "application/json", ...headers };
    const call = request({ socketPath, method, path, agent: false, headers: all }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (part: string) => (text += part));
      answer.on("end", () => resolve(text));
    });
    call.on("error", reject);
    call.end(body);
  });
}

const skip = process.platform === "win32" && "Windows has no unix sockets in files";

describe("a unix socket", { timeout: 60_000, skip }, () => {
  test("forwarded headers are believed with trustProxy true alone: clients of the socket have no address", async () => {
    const headers = {
      "x-forwarded-for": "203.0.113.7",
      "x-forwarded-proto": "https",
      host: "app.example.com",
    };
    const trusted = { ip: "203.0.113.7", protocol: "https", host: "app.example.com" };
    const plain = { ip: null, protocol: "http", host: "app.example.com" };
    for (const [trustProxy, expected, client] of [
      [true, trusted, "203.0.113.7"],
      [undefined, plain, undefined],
      [["loopback", "10.0.0.0/8"], plain, undefined],
    ] as const) {
      const { logger, lines } = captureLogs();
      const options = onSocket();
      await using served = await serveApp(new Shop(), { ...options, trustProxy, accessLog: true, logger });
      assert.equal(served.url, `unix:${options.unixSocket}`);
      assert.deepEqual(JSON.parse(await ask(options.unixSocket, "GET", "/who", { headers })), expected);
      assert.equal((await served.metrics()).text.includes("servable_"), true);
      const line = lines.find(({ msg }) => msg === "request answered");
      assert.equal(line?.["client"], client);
    }
  });

  test("the signal of serve() stops it and removes the file, as for a port", async () => {
    const options = onSocket();
    const served = await serveApp(new Shop(), options);
    assert.ok(existsSync(options.unixSocket));
    await served[Symbol.asyncDispose]();
    assert.ok(!existsSync(options.unixSocket));
  });

  test("several classes are served", async () => {
    class Upper extends Shop {}
    class Lower extends Shop {}
    const options = onSocket();
    await using served = await serveWith((given) => serve([Upper, Lower], given), options);
    assert.equal(served.url, `unix:${options.unixSocket}`);
    for (const prefix of ["/upper", "/lower"]) {
      const body = '{"text":"hi"}';
      assert.equal(await ask(options.unixSocket, "POST", `${prefix}/echo`, { body }), '"hi"');
      const live = await connectTestSocket(`ws+unix:${options.unixSocket}:${prefix}/live`);
      live.send({ text: "loud" } as never);
      assert.deepEqual(await live.next(), { text: "LOUD" });
      await live.close();
    }
  });

  test(
    "TLS is served, and a stop closes connections whose handshake has not begun",
    { skip: withoutOpenssl },
    async () => {
      const { key, certificate, pem } = createCertificate();
      const { unixSocket, port } = onSocket();
      let addresses: ServeAddresses | undefined;
      const stop = new AbortController();
      const served = await serveWith(
        (given) => {
          const { onListening } = given;
          const tell = (found: ServeAddresses): void => ((addresses = found), onListening?.(found));
          return new Shop().serve({ ...given, onListening: tell });
        },
        { unixSocket, port, https: { key, certificate }, signal: stop.signal },
      );
      assert.equal(addresses?.scheme, "https");
      assert.equal(addresses.port, undefined);
      const silent = [connect(unixSocket), connect(unixSocket)];
      for (const socket of silent) await once(socket, "connect");
      const socket = connectSecurely({ path: unixSocket, ca: pem, servername: "localhost" });
      await once(socket, "secureConnect");
      assert.match(await exchangeOn(socket, rawRequest("GET", "/livez")), /alive/);
      const closed = silent.map((each) => once(each.resume(), "close"));
      stop.abort();
      await Promise.all(closed);
      await served[Symbol.asyncDispose]();
    },
  );
});

const withoutSs = spawnSync("ss", ["-V"]).status === 0 ? false : "the program ss is not installed";

test("backlog is the number of connections that the system lets wait", { skip: withoutSs }, async () => {
  const backlogs: ServeOptions[] = [{ backlog: 7 }, {}];
  for (const [index, options] of backlogs.entries()) {
    await using served = await serveApp(new Shop(), options);
    const { port } = new URL(served.url);
    const line = execFileSync("ss", ["-ltnH", `sport = :${port}`], { encoding: "utf8" });
    const [, , waiting] = line.trim().split(/\s+/);
    assert.equal(waiting, ["7", "511"][index], line);
  }
});
