import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PlatformError, UsageError } from "../../src/errors.ts";
import { PlatformSession } from "../../src/platform/transport/platform-session.ts";
import {
  runnerLogs,
  type RunnerLog,
  type RunnerLogsOptions,
  type RunnerLogsTiming,
} from "../../src/platform/runners/runner-logs.ts";
import { ServerlessClient } from "../../src/platform/serverless-client.ts";
import { ControlPlane } from "../helpers/control-plane.ts";
import { lineAt, RunnerLogServer, START } from "../helpers/runner-log.ts";

type ReadLog = (options?: RunnerLogsOptions, timing?: RunnerLogsTiming) => AsyncGenerator<RunnerLog, void>;

const HISTORY = "POST /logs/history";
const STREAM = "POST /logs/stream";

/** Runs a test against the log of runner r-1, with short waits. */
async function withLog(
  server: RunnerLogServer,
  work: (read: ReadLog, environment: NodeJS.ProcessEnv) => Promise<void>,
): Promise<void> {
  await using plane = await ControlPlane.start({ restListener: server.listener });
  const { environment } = plane;
  using session = new PlatformSession({ environment });
  const read: ReadLog = (options, timing) =>
    runnerLogs(session, "r-1", options, { retryDelayMs: 1, ...timing });
  await work(read, environment);
}

async function messages(logs: AsyncIterable<RunnerLog>): Promise<string[]> {
  const all: string[] = [];
  for await (const { message } of logs) all.push(message);
  return all;
}

/** The messages of the lines of a range, both ends included. */
function named(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}`);
}

function log(count: number): RunnerLogServer {
  return new RunnerLogServer(Array.from({ length: count }, (_, index) => lineAt(index)));
}

const at = (second: number): Date => new Date(START + second * 1_000);

describe("the log of a runner", () => {
  test("is read by the client, oldest line first, from the runner's start to its end", async () => {
    const server = new RunnerLogServer([lineAt(1, "first\n"), lineAt(2, "second", "error"), lineAt(9)]);
    server.endedAt = lineAt(5).timestamp;
    await withLog(server, async (_, environment) => {
      using client = new ServerlessClient({ environment });
      const lines: RunnerLog[] = [];
      for await (const line of client.runners.logs("r-1")) lines.push(line);
      assert.deepEqual(lines, [
        { timestamp: at(1), level: "INFO", message: "first" },
        { timestamp: at(2), level: "ERROR", message: "second" },
      ]);
      assert.deepEqual(server.requests, [
        { path: "GET /runners/r-1", query: {} },
        {
          path: HISTORY,
          query: {
            job_id: "r-1",
            since: "2026-01-31T12:00:00.000000Z",
            until: "2026-01-31T12:00:05.000000Z",
            page_size: "1000",
          },
        },
      ]);
    });
  });

  test("is read page by page, whether or not a page includes its end time", async () => {
    for (const isInclusive of [false, true]) {
      const server = log(95);
      server.maxPage = 10;
      server.isInclusive = isInclusive;
      // Two identical lines.
      server.lines[50] = lineAt(49, "line 49");
      // Three lines with the same time, on both sides of a page boundary.
      if (isInclusive) for (const index of [84, 85, 86]) server.lines[index] = lineAt(84, `line ${index}`);
      await withLog(server, async (read) => {
        const expected = server.lines.map(({ message }) => message);
        assert.deepEqual(await messages(read()), expected);
        assert.ok(server.queries(HISTORY).length >= 10);
      });
    }
  });

  test("is limited to the newest or the oldest lines, and read no further than needed", async () => {
    const server = log(2_500);
    await withLog(server, async (read) => {
      assert.deepEqual(await messages(read({ lines: 3 })), named(2_497, 2_499));
      assert.deepEqual(
        server.queries(HISTORY).map(({ page_size }) => page_size),
        ["100"],
      );
      assert.deepEqual(await messages(read({ lines: 1_500 })), named(1_000, 2_499));
      assert.equal(server.queries(HISTORY).length, 3);
      assert.deepEqual(await messages(read({ lines: 2, oldest: true })), named(0, 1));
      assert.deepEqual(await messages(read({ lines: 9_999, oldest: true })), named(0, 2_499));
      assert.deepEqual(await messages(read({ lines: 0 })), []);
    });
  });

  test("is read completely however long it is, with few of its pages in memory", async () => {
    const server = log(2_400);
    server.maxPage = 60;
    await withLog(server, async (read) => {
      assert.deepEqual(await messages(read()), named(0, 2_399));
      // 40 pages, all but 20 of them requested a second time.
      assert.equal(server.queries(HISTORY).length, 60);
    });
  });

  test("can be limited to a time span and a search text, within the runner's lifetime", async () => {
    const server = log(60);
    server.endedAt = lineAt(50).timestamp;
    await withLog(server, async (read) => {
      assert.deepEqual(await messages(read({ since: at(10), until: at(13) })), named(10, 12));
      assert.deepEqual(await messages(read({ search: "line 4", since: at(45) })), named(45, 49));
      await messages(read({ since: at(-100), until: at(100) }));
      const { since, until } = server.queries(HISTORY).at(-1) ?? {};
      assert.deepEqual([since, until], ["2026-01-31T12:00:00.000000Z", "2026-01-31T12:00:50.000000Z"]);
    });
  });

  test("retries a page that fails temporarily", async () => {
    const server = log(3);
    let failures = 2;
    server.intercept = ({ path }, response) => {
      if (path !== HISTORY || failures-- <= 0) return false;
      if (failures === 1) response.writeHead(503).end();
      else response.destroy();
      return true;
    };
    await withLog(server, async (read) => {
      assert.deepEqual(await messages(read()), named(0, 2));
    });
  });

  test("with invalid options is refused before any request", async () => {
    const server = log(1);
    await withLog(server, async (read, environment) => {
      const wrong: RunnerLogsOptions[] = [
        { lines: -1 },
        { lines: 1.5 },
        { follow: true, lines: 1, oldest: true },
        { since: new Date(Number.NaN) },
        { since: at(2), until: at(1) },
      ];
      for (const options of wrong) await assert.rejects(messages(read(options)), UsageError);
      using client = new ServerlessClient({ environment });
      await assert.rejects(messages(client.runners.logs(" ")), UsageError);
      assert.deepEqual(server.requests, []);
    });
  });

  test("of a missing runner, with pages in a cycle, or without pages is a one-line error each", async () => {
    const server = log(1);
    await withLog(server, async (read, environment) => {
      using client = new ServerlessClient({ environment });
      await assert.rejects(messages(client.runners.logs("r/9")), {
        code: "PLATFORM_REFUSED",
        message: 'There is no runner r/9; "servable runners list --since 24h" shows those there are.',
      });
      server.intercept = ({ path }, response) => {
        if (path !== HISTORY) return false;
        response.end(JSON.stringify({ items: [], next_until: lineAt(1).timestamp }));
        return true;
      };
      await assert.rejects(messages(read()), /does not continue after a page/);
      server.intercept = ({ path }, response) => path === HISTORY && Boolean(response.end("[]"));
      await assert.rejects(messages(read()), /has no list of log lines/);
    });
  });
});

describe("a log that is followed", () => {
  test("begins a minute ago, and ends with its stream", async () => {
    const server = new RunnerLogServer();
    await withLog(server, async (read) => {
      const before = Date.now();
      const received = messages(read({ follow: true, search: "line" }));
      await server.asked(STREAM);
      const [query] = server.queries(STREAM);
      assert.deepEqual([query?.["job_id"], query?.["search"], query?.["until"]], ["r-1", "line", undefined]);
      const since = Date.parse(query?.["since"] ?? "");
      assert.ok(since >= before - 60_000 && since <= Date.now() - 60_000, query?.["since"]);
      server.write(lineAt(1), lineAt(2));
      server.send("event: ping\ndata: {}\n\ndata: garbage\n\n");
      server.write(lineAt(3));
      server.endStreams();
      assert.deepEqual(await received, named(1, 3));
      assert.deepEqual(server.queries(HISTORY), []);
    });
  });

  test("continues after its history, without repeating or losing a line", async () => {
    const server = log(10);
    await withLog(server, async (read) => {
      const received: string[] = [];
      for await (const { message } of read({ follow: true, lines: 3 })) {
        received.push(message);
        // Between the history and the stream, and one of them at the time of the last line.
        if (message === "line 9" && received.length === 3) server.write(lineAt(9, "late"), lineAt(10));
        if (message === "line 10") {
          server.write(lineAt(11), lineAt(11));
          server.endStreams();
        }
      }
      assert.deepEqual(received, [...named(7, 9), "late", "line 10", "line 11", "line 11"]);
    });
  });

  test("with no lines of history begins now", async () => {
    const server = log(10);
    await withLog(server, async (read) => {
      const before = Date.now();
      const received = messages(read({ follow: true, lines: 0 }));
      await server.asked(STREAM);
      assert.ok(Date.parse(server.queries(STREAM)[0]?.["since"] ?? "") >= before);
      server.endStreams();
      assert.deepEqual(await received, []);
    });
  });

  test("is reopened if its stream breaks, and no line is repeated or lost", async () => {
    const server = new RunnerLogServer([lineAt(1, "first")]);
    await withLog(server, async (read) => {
      const received: string[] = [];
      for await (const { message } of read({ follow: true, since: at(0) })) {
        received.push(message);
        if (received.length === 1) server.write(lineAt(2, "second"));
        if (received.length === 2) {
          // Written while no stream is open: a line at the same time, and the same line again.
          server.lines.push(lineAt(2, "third"), lineAt(2, "second"), lineAt(3));
          server.abortStreams();
        }
        if (received.length === 5) server.endStreams();
      }
      assert.deepEqual(received, ["first", "second", "third", "second", "line 3"]);
      const since = server.queries(STREAM).map((query) => query["since"]);
      assert.deepEqual(since, ["2026-01-31T12:00:00.000000Z", "2026-01-31T12:00:01.999000Z"]);
    });
  });

  test("gives up after five consecutive failures", async () => {
    const server = new RunnerLogServer();
    server.intercept = ({ path }, response) => path === STREAM && Boolean(response.destroy());
    await withLog(server, async (read) => {
      await assert.rejects(messages(read({ follow: true })), { code: "PLATFORM_UNREACHABLE" });
      assert.equal(server.queries(STREAM).length, 5);
    });
  });

  test("ends with an error that its stream sends, and is not reopened", async () => {
    const server = new RunnerLogServer();
    await withLog(server, async (read) => {
      const received = messages(read({ follow: true }));
      await server.asked(STREAM);
      server.send('event: error\ndata: {"detail": "Too many readers, test-secret"}\n\n');
      await assert.rejects(received, {
        code: "PLATFORM_REFUSED",
        message: "The control plane ended the log: Too many readers, …",
      });
      assert.equal(server.queries(STREAM).length, 1);
    });
  });

  test("that is not an event stream is a one-line error, without a retry", async () => {
    const server = new RunnerLogServer();
    server.intercept = ({ path }, response) => path === STREAM && Boolean(response.end("<html>"));
    await withLog(server, async (read) => {
      await assert.rejects(messages(read({ follow: true })), /something other than a stream of events/);
      assert.equal(server.queries(STREAM).length, 1);
    });
  });

  test("ends once the runner has ended, with the lines that its stream did not send", async () => {
    const server = new RunnerLogServer();
    await withLog(server, async (read) => {
      const received = messages(read({ follow: true, since: at(0) }, { checkMs: 5 }));
      await server.asked(STREAM);
      server.write(lineAt(1));
      await server.asked("GET /runners/r-1", 3);
      server.lines.push(lineAt(2));
      server.endedAt = lineAt(3).timestamp;
      assert.deepEqual(await received, named(1, 2));
    });
  });

  test("of an ended runner is its last minute, or the requested part", async () => {
    const server = log(200);
    server.endedAt = lineAt(200).timestamp;
    await withLog(server, async (read) => {
      assert.deepEqual(await messages(read({ follow: true })), named(140, 199));
      assert.deepEqual(await messages(read({ follow: true, lines: 2 })), named(198, 199));
      assert.deepEqual(await messages(read({ follow: true, until: at(3), since: at(1) })), named(1, 2));
      assert.deepEqual(server.queries(STREAM), []);
    });
  });

  test("rejects with its signal's reason, and closes its stream when the loop is left", async () => {
    const server = log(1);
    await withLog(server, async (read) => {
      const stop = new AbortController();
      const reason = new Error("Ctrl-C");
      const received = messages(read({ follow: true, signal: stop.signal }));
      await server.asked(STREAM);
      stop.abort(reason);
      await assert.rejects(received, (error) => error === reason);
      for await (const { message } of read({ follow: true, since: at(0) })) {
        assert.equal(message, "line 0");
        break;
      }
      while (server.openStreams > 0) await new Promise(setImmediate);
      await assert.rejects(messages(read({ signal: stop.signal })), (error) => error === reason);
    });
  });
});

test("a failure of the log is a PlatformError that does not contain the key", async () => {
  const server = new RunnerLogServer();
  server.intercept = ({ path }, response) => {
    if (path !== HISTORY) return false;
    response.writeHead(500).end("Broken with test-secret");
    return true;
  };
  await withLog(server, async (read) => {
    await assert.rejects(messages(read()), (error) => {
      assert.ok(error instanceof PlatformError);
      assert.equal(error.message, "Broken with …");
      return true;
    });
  });
});
