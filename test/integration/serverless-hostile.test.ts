import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { serialize } from "node:v8";
import { Code } from "@connectrpc/connect";
import { FalServerlessHost, RequestCancelledException, type FalServerlessError } from "servable";
import { END_OF_OUTPUT } from "../../src/hosts/serverless/server/call-protocol.ts";
import { LogLevel, LogSource } from "../../src/platform/generated/common_pb.ts";
import { cutConnection, refusal, type MethodScript } from "../helpers/control-plane.ts";
import { FunctionPlatform } from "../helpers/function-platform.ts";
import { echo, lines } from "../helpers/serverless-functions.ts";
import type { IsolateController } from "../../src/platform/generated/controller_pb.ts";

type RunScript = MethodScript<(typeof IsolateController.method)["run"]>;
type Answer = (response: ServerResponse, request: IncomingMessage) => void | Promise<void>;

/** The response at the app's URL, and the control plane's reaction to a run. */
let answer: Answer;
let run: RunScript;
/** Requests to the app's URL: method and path. */
const requests: string[] = [];
const gateway = createServer((request, response) => {
  requests.push(`${request.method} ${request.url}`);
  void answer(response, request);
});
let url: string;
let platform: FunctionPlatform;

const value = (given: unknown): string => JSON.stringify({ result: serialize(given).toString("base64") });
const line = (
  message: string,
  level = LogLevel.STDOUT,
): { message: string; source: LogSource; level: LogLevel } => ({
  message,
  source: LogSource.USER,
  level,
});
const ends = [line(END_OF_OUTPUT), line(END_OF_OUTPUT, LogLevel.STDERR)];

/** Sends the URL, and runs until the caller disconnects. */
const stays: RunScript = async function* (_request, { signal }) {
  yield { runId: "run", serviceUrls: { run: url } };
  if (!signal.aborted) await once(signal, "abort");
};

before(async () => {
  await once(gateway.listen(0, "127.0.0.1"), "listening");
  url = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}/app`;
  platform = await FunctionPlatform.start({ run: (request, call) => run(request, call) });
  platform.useEnvironment();
});
after(async () => {
  gateway.closeAllConnections();
  gateway.close();
  await platform[Symbol.asyncDispose]();
});
beforeEach(() => {
  requests.length = 0;
  lines.length = 0;
  run = stays;
});
afterEach(async () => {
  const last = platform.plane.calls.at(-1);
  assert.equal(last?.method, "Run");
});

/** Resolves once the control plane has noticed that the caller ended the last run. */
async function ended(): Promise<void> {
  while (platform.plane.calls.at(-1)?.isAborted !== true) await delay(5);
}

async function fails(message: RegExp, call: Promise<unknown> = echo(1)): Promise<void> {
  await assert.rejects(call, (error: FalServerlessError) => {
    assert.equal(error.code, "RUN_FAILED");
    assert.match(error.message, message);
    return true;
  });
  await ended();
  assert.equal(requests.length, 1, "a call is made once");
}

describe("a call is one clear error, and its app is deleted, when the app's response", () => {
  test("breaks off in the middle", async () => {
    answer = (response) => {
      response.writeHead(200, { "content-length": 1000 }).write('{"result":"AAAA');
      setImmediate(() => response.destroy());
    };
    await fails(/^The call of echo\(\) broke off: aborted\.$/);
  });

  test("is not a valid result", async () => {
    const bodies = [
      "<!doctype html><html><body>Sign in</body></html>",
      '{"result":"AAAA"}',
      `{"thrown":"${serialize({ error: null }).toString("base64")}"}`,
    ];
    for (const body of bodies) {
      requests.length = 0;
      answer = (response) => void response.writeHead(200, { "content-type": "text/html" }).end(body);
      await fails(
        /^The call of echo\(\) was answered with something that .*; is it the function that answers\?$/,
      );
    }
  });

  test("never ends", async () => {
    let isClosed = false;
    answer = async (response) => {
      response.writeHead(200).once("close", () => (isClosed = true));
      const page = Buffer.alloc(65_536, "<p>again");
      while (!response.destroyed)
        if (!response.write(page)) await Promise.race([once(response, "drain"), once(response, "close")]);
    };
    await fails(/that is not a function's result/);
    while (!isClosed) await delay(5);
  });

  test("switches to another protocol", async () => {
    answer = ({ socket }) =>
      void socket?.end("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n");
    await fails(/^The call of echo\(\) broke off: the connection was closed without an answer\.$/);
  });

  test("is a redirect, which gets no key", async () => {
    answer = (response) => void response.writeHead(307, { location: "/elsewhere" }).end();
    await fails(/^The call of echo\(\) was answered with HTTP 307 by 127\.0\.0\.1:\d+\.$/);
  });

  test("refuses the size of the body before reading it", async () => {
    answer = (response) => void response.writeHead(413, { connection: "close" }).end('{"detail":"too much"}');
    await fails(/HTTP 413 by .* Its arguments are too large\. too much\.$/, echo(Buffer.alloc(20e6)));
  });

  test("never comes, until the caller cancels", async () => {
    const asked = new Promise<ServerResponse>((resolve) => (answer = resolve));
    const call = echo.submit(1);
    const response = await asked;
    const closed = once(response, "close");
    call.cancel();
    await assert.rejects(call, RequestCancelledException);
    await Promise.all([closed, ended()]);
  });
});

describe("a control plane", () => {
  const answered: Answer = (response) => void response.end(value("done"));

  test("that ends the run immediately is an error that says so", async () => {
    run = async function* () {};
    await assert.rejects(
      echo(1),
      /^FalServerlessError.*The run of echo\(\) broke off without saying how it ended\.$/,
    );
  });

  test("that never sends a URL is waited for until the caller cancels", async () => {
    const begun = new Promise<void>((resolve) => {
      run = async function* (_request, { signal }) {
        yield { runId: "run", logs: [line("waiting for a machine")] };
        resolve();
        await once(signal, "abort");
      };
    });
    const call = echo.submit(1);
    await begun;
    call.cancel();
    await assert.rejects(call, RequestCancelledException);
    await ended();
    assert.deepEqual(requests, []);
  });

  test("that sends two URLs has the first one called", async () => {
    run = async function* (request, call) {
      yield { runId: "run", serviceUrls: { run: url } };
      yield { runId: "run", serviceUrls: { run: `${url}/other` }, logs: ends };
      yield* stays(request, call) as AsyncIterable<never>;
    };
    let headers: IncomingMessage["headers"] = {};
    answer = (response, request) => {
      ({ headers } = request);
      return answered(response, request);
    };
    assert.equal(await echo(1), "done");
    assert.deepEqual(requests, ["POST /app"]);
    assert.equal(headers.authorization, `Key ${platform.plane.key}`);
    assert.equal(headers["x-fal-no-retry"], "1", "it is for the caller to say whether it is done again");
  });

  test("that has lost the image builds it again for the next call", async () => {
    const builds = (): number =>
      platform.plane.calls.filter(({ method }) => method === "BuildEnvironment").length;
    answer = (response) => void response.end(value("again"));
    run = () => {
      throw refusal(Code.NotFound, "There is no such image.");
    };
    await assert.rejects(echo(1), /There is no such image/);
    const before = builds();
    run = async function* (_request, { signal }) {
      yield { runId: "run", serviceUrls: { run: url }, logs: ends };
      if (!signal.aborted) await once(signal, "abort");
    };
    assert.equal(await echo(1), "again");
    assert.equal(await echo(2), "again");
    assert.equal(builds(), before + 1);
  });

  test("that is unavailable twice runs the function once in the end", async () => {
    let left = 2;
    run = (request, call) => {
      if (left-- > 0) throw refusal(Code.Unavailable, "Not yet.");
      return stays(request, call);
    };
    answer = answered;
    const before = platform.plane.methods().length;
    assert.equal(await echo(1), "done");
    assert.deepEqual(platform.plane.methods().slice(before), ["Run", "Run", "Run"]);
    assert.deepEqual(requests, ["POST /app"]);
    await ended();
  });

  test("that disappears while the function runs ends the call, which is not retried", async () => {
    for (const leave of [cutConnection, () => Promise.reject(refusal(Code.Unavailable, "Bye."))]) {
      requests.length = 0;
      const before = platform.plane.methods().length;
      const asked = new Promise<void>((resolve) => (answer = () => resolve()));
      run = async function* () {
        yield { runId: "run", serviceUrls: { run: url } };
        await asked;
        await leave();
      };
      await assert.rejects(echo(1), (error: FalServerlessError) => {
        assert.equal(error.code, "RUN_FAILED");
        assert.match(error.message, /^The run of echo\(\) broke off: /);
        return true;
      });
      assert.equal(requests.length, 1);
      assert.deepEqual(platform.plane.methods().slice(before), ["Run"]);
    }
  });

  test("that sends log lines late has all of them delivered: thousands, in order, before the result", async () => {
    const asked = new Promise<void>((resolve) => {
      answer = (response) => {
        response.end(value("done"));
        resolve();
      };
    });
    const numbers = Array.from({ length: 5_000 }, (_, index) => `line ${index}`);
    run = async function* (_request, { signal }) {
      yield { runId: "run", serviceUrls: { run: url } };
      await asked;
      // Late, but well within the second that the caller waits for them.
      await delay(100);
      for (let at = 0; at < numbers.length; at += 100) {
        yield { runId: "run", logs: numbers.slice(at, at + 100).map((text) => line(text)) };
      }
      yield { runId: "run", logs: ends };
      await once(signal, "abort");
    };
    assert.equal(await echo(1), "done");
    assert.deepEqual(
      lines,
      numbers.map((text) => `USER STDOUT ${text}`),
    );
  });

  test("that sends terminal control characters in its own lines has them shown as plain text", async (context) => {
    run = async function* (_request, { signal }) {
      yield {
        runId: "run",
        logs: [{ ...line("\u001b[2J\u001b]0;title\u0007moved", LogLevel.INFO), source: LogSource.BRIDGE }],
      };
      yield { runId: "run", serviceUrls: { run: url }, logs: ends };
      await once(signal, "abort");
    };
    answer = answered;
    const said: string[] = [];
    context.mock.method(process.stderr, "write", (text: string) => said.push(text) > 0);
    assert.equal(await echo.on(new FalServerlessHost())(1), "done");
    context.mock.restoreAll();
    assert.ok(said.includes("echo(): ]0;titlemoved\n"), JSON.stringify(said));
  });

  test(
    "that never reports the end of the logs delays the result only for a limited time",
    { timeout: 60_000 },
    async () => {
      answer = answered;
      assert.equal(await echo(1), "done");
    },
  );
});
