import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { FastifyInstance } from "fastify";
import { pino } from "pino";
import { App, endpoint, realtime, ServeWrapper, StartupError, websocket, type BatchContext } from "servable";
import { connectTestSocket, startTestServer, type TestServer } from "servable/testing";
import { Type } from "typebox";
import { WebSocket } from "ws";
import { runServable } from "../../src/servable/base-servable.ts";
import { WorkerPool } from "../../src/workers/pool.ts";
import { FALSY, THROWN, THROWN_AT } from "../fixtures/falsy.ts";
import * as functions from "../fixtures/functions/falsy.ts";
import { callOf, poolOptions } from "../fixtures/worker-calls.ts";
import { captureLogs } from "../helpers/captured-logs.ts";
import { useFunctionCache } from "../helpers/function-cache.ts";

useFunctionCache();

const SILENT = pino({ level: "silent" });
const NAMES = Object.keys(FALSY);

/** Resolves with the value that a promise rejects with; fails if it fulfills. */
async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert.fail("it counted as success"),
    (error: unknown) => error,
  );
}

class Quiet extends App {
  @endpoint("/")
  run(): string {
    return "done";
  }
}

/** Classes whose start throws a given value. */
const STARTS: Readonly<Record<string, (thrown: unknown) => App>> = {
  "setup() that rejects": (thrown) =>
    new (class Failing extends Quiet {
      override setup(): Promise<void> {
        return Promise.reject(thrown);
      }
    })(),
  "setup() that throws": (thrown) =>
    new (class Failing extends Quiet {
      override setup(): void {
        throw thrown;
      }
    })(),
  "a lifespan that throws before its yield": (thrown) =>
    new (class Failing extends Quiet {
      // oxlint-disable-next-line require-yield -- throws before it yields
      override async *lifespan(): AsyncGenerator<void, void, void> {
        throw thrown;
      }
    })(),
  "a lifespan that throws after it has added to the server": (thrown) =>
    new (class Failing extends Quiet {
      override async *lifespan(server: FastifyInstance): AsyncGenerator<void, void, void> {
        server.get("/own", () => "own");
        await Promise.reject(thrown);
        yield;
      }
    })(),
  "a lifespan that is no generator, and throws": (thrown) =>
    new (class Failing extends Quiet {
      override lifespan(): AsyncGenerator<void, void, void> {
        throw thrown;
      }
    })(),
};

describe("a falsy value is a failure when it is thrown by", { timeout: 120_000 }, () => {
  for (const [hook, create] of Object.entries(STARTS)) {
    test(`${hook}: neither a server nor a process starts`, async () => {
      for (const name of NAMES) {
        const ready = await reasonOf(startTestServer(create(FALSY[name])));
        assert.ok(ready instanceof Error, name);
        const options = { port: 0, metricsPort: false, handleSignals: false, logger: SILENT } as const;
        const started = await reasonOf(
          runServable(create(FALSY[name]), { ...options, signal: AbortSignal.timeout(5_000) }),
        );
        assert.ok(started instanceof StartupError, name);
        assert.equal(started.code, "SETUP_FAILED");
        assert.match(started.message, /^setup\(\) of failing failed: setup threw /);
      }
    });
  }

  for (const phase of ["setup()", "the lifespan", "the constructor", "the module"]) {
    test(`${phase} in a worker: the pool does not start`, async () => {
      process.env[THROWN_AT] = phase;
      try {
        // Each takes a process: all the values for one of them, and two for the others.
        for (const name of phase === "setup()" ? NAMES : ["undefined", "zero"]) {
          process.env[THROWN] = name;
          const moduleUrl = new URL("../fixtures/falsy-worker.ts", import.meta.url).href;
          const pool = new WorkerPool({ ...poolOptions(), moduleUrl, className: "FalsyWorker" });
          assert.ok((await reasonOf(pool.start())) instanceof Error, name);
          await pool.stop(0);
        }
      } finally {
        delete process.env[THROWN_AT];
        delete process.env[THROWN];
      }
    });
  }

  test("a handler in a worker: the call rejects with the value", async () => {
    const moduleUrl = new URL("../fixtures/falsy-worker.ts", import.meta.url).href;
    const pool = new WorkerPool({ ...poolOptions(), moduleUrl, className: "FalsyWorker" });
    await pool.start();
    for (const name of NAMES) {
      assert.ok(Object.is(await reasonOf(pool.run(callOf("fail", name))), FALSY[name]), name);
      assert.ok(Object.is(await reasonOf(pool.run(callOf("reject", name))), FALSY[name]), name);
    }
    await pool.stop();
  });

  test("a function's handler, its setup or its module", async () => {
    for (const name of NAMES) await reasonOf(functions.failFalsy(name));
    const { setupUndefined, setupZero, setupFalse, moduleUndefined, moduleNull, moduleEmpty } = functions;
    for (const each of [setupUndefined, setupZero, setupFalse, moduleUndefined, moduleNull, moduleEmpty]) {
      await reasonOf(each());
    }
  });
});

const Named = Type.Object({ name: Type.String() });
type Named = { name: string };

/** Each way in which a handler, or a function called for its input, can throw. */
class Falsy extends App {
  @endpoint("/sync", { input: Named })
  sync({ name }: Named): never {
    throw FALSY[name];
  }

  @endpoint("/async", { input: Named })
  async later({ name }: Named): Promise<string> {
    await Promise.resolve();
    throw FALSY[name];
  }

  @endpoint("/timed", { input: Named, timeoutMs: 60_000 })
  async timed({ name }: Named): Promise<string> {
    throw FALSY[name];
  }

  @endpoint("/queued", { input: Named, maxConcurrency: 1 })
  async queued({ name }: Named): Promise<string> {
    throw FALSY[name];
  }

  @endpoint("/batch", { input: Named, batch: { maxSize: 4 } })
  async batch(inputs: Named[], _context: BatchContext): Promise<string[]> {
    throw FALSY[inputs[0]?.name ?? ""];
  }

  @endpoint("/isolated", { input: Named, batch: { maxSize: 4, isolateErrors: true } })
  async isolated(inputs: Named[]): Promise<string[]> {
    throw FALSY[inputs[0]?.name ?? ""];
  }

  @endpoint("/cost", {
    input: Named,
    batch: {
      maxSize: 4,
      maxCost: 4,
      cost: ({ name }: Named) => {
        throw FALSY[name];
      },
    },
  })
  async cost(inputs: Named[]): Promise<string[]> {
    return inputs.map(() => "done");
  }

  @endpoint("/group", {
    input: Named,
    batch: {
      maxSize: 4,
      groupBy: ({ name }: Named) => {
        throw FALSY[name];
      },
    },
  })
  async group(inputs: Named[]): Promise<string[]> {
    return inputs.map(() => "done");
  }

  @endpoint("/stream", { input: Named, stream: true })
  async *stream({ name }: Named): AsyncGenerator<string> {
    await Promise.reject(FALSY[name]);
    yield "never";
  }

  @endpoint("/stream-late", { input: Named, stream: true })
  async *streamLate({ name }: Named): AsyncGenerator<string> {
    yield "first";
    throw FALSY[name];
  }

  @realtime("/unary", { input: Named })
  async unary({ name }: Named): Promise<object> {
    throw FALSY[name];
  }

  @realtime("/now", { input: Named })
  now({ name }: Named): object {
    throw FALSY[name];
  }

  @realtime("/shared", { input: Named, batch: "shared", maxBatchSize: 4 })
  async shared(inputs: Named[], _context: BatchContext): Promise<object[]> {
    throw FALSY[inputs[0]?.name ?? ""];
  }

  @realtime("/items", { input: Named, mode: "server_streaming" })
  async *items({ name }: Named): AsyncGenerator<object> {
    await Promise.reject(FALSY[name]);
    yield {};
  }

  @realtime("/sum", { input: Named, mode: "client_streaming" })
  async sum(inputs: AsyncIterable<Named>): Promise<object> {
    for await (const { name } of inputs) throw FALSY[name];
    return {};
  }

  @realtime("/bidi", { input: Named, mode: "bidi" })
  async *bidi(inputs: AsyncIterable<Named>): AsyncGenerator<object> {
    for await (const { name } of inputs) {
      await Promise.reject(FALSY[name]);
      yield {};
    }
  }

  @websocket("/raw")
  async raw(_socket: unknown, ctx: { query: Readonly<Record<string, unknown>> }): Promise<void> {
    throw FALSY[String(ctx.query["name"])];
  }
}

describe("a falsy value that is thrown by", { timeout: 60_000 }, () => {
  const paths = ["/sync", "/async", "/timed", "/queued", "/batch", "/isolated", "/cost", "/group", "/stream"];
  test("a handler returns a 500, however the endpoint runs", async () => {
    await using served: TestServer<Falsy> = await startTestServer(new Falsy());
    for (const path of paths) {
      for (const name of NAMES) {
        const answer = await served.post(path, { name });
        const body = await answer.text();
        assert.deepEqual(
          [answer.status, body],
          [500, '{"detail":"Internal Server Error"}'],
          `${path} ${name}`,
        );
      }
    }
  });

  test("a stream after its first item is an error event of the stream", async () => {
    await using served = await startTestServer(new Falsy());
    for (const name of NAMES) {
      const answer = await served.post("/stream-late", { name });
      let text = "";
      try {
        for await (const chunk of answer.body ?? []) text += Buffer.from(chunk).toString();
      } catch {
        // the response was aborted
      }
      assert.match(text, /event: error\ndata: {"detail":"Internal Server Error","status":500}/, name);
    }
  });

  for (const path of ["/unary", "/now", "/shared", "/items", "/sum", "/bidi"]) {
    test(`the realtime handler ${path} ends its session with INTERNAL_ERROR`, async () => {
      await using served = await startTestServer(new Falsy());
      for (const name of NAMES) {
        const client = await connectTestSocket(served.url + path, { input: Named });
        client.send({ name });
        await client.closed;
        assert.deepEqual(
          client.control.at(-1),
          { type: "x-fal-error", error: "INTERNAL_ERROR", reason: "Internal Server Error" },
          name,
        );
      }
    });
  }

  test("a raw websocket's handler closes the socket with 1011", async () => {
    await using served = await startTestServer(new Falsy());
    for (const name of NAMES) {
      const socket = new WebSocket(
        `${served.url.replace("http", "ws")}/raw?name=${encodeURIComponent(name)}`,
      );
      const code = await new Promise((resolve) => socket.once("close", resolve));
      assert.equal(code, 1011, name);
    }
  });

  test("a served function returns a 500", async () => {
    const served = await startTestServer(
      new ServeWrapper(
        ({ name }: Named): string => {
          throw FALSY[name];
        },
        { input: Named },
      ),
    );
    for (const name of NAMES) assert.equal((await served.post("/", { name })).status, 500, name);
    await served.close();
  });

  test("health() returns a 500; by provideHints(), handleExit() and teardown() it is logged as the value that it is", async () => {
    for (const name of NAMES) {
      const { logger, lines } = captureLogs();
      class Failing extends Quiet {
        override health(): unknown {
          return Promise.reject(FALSY[name]);
        }
        override provideHints(): readonly string[] {
          throw FALSY[name];
        }
        override handleExit(): Promise<void> {
          return Promise.reject(FALSY[name]);
        }
        override teardown(): Promise<void> {
          return Promise.reject(FALSY[name]);
        }
      }
      const stop = new AbortController();
      let outcome: Promise<unknown> | undefined;
      const url = await new Promise<string>((resolve, reject) => {
        outcome = runServable(new Failing(), {
          port: 0,
          metricsPort: false,
          handleSignals: false,
          logger,
          signal: stop.signal,
          onListening: (addresses) => resolve(addresses.url),
        });
        outcome.catch(reject);
      });
      assert.equal((await fetch(`${url}/health`)).status, 500, name);
      stop.abort("enough");
      await outcome;
      const failures = lines.filter(({ level }) => level === 50);
      const said = failures.map(
        ({ err, msg }) => `${String(msg)}: ${String((err as Error | undefined)?.message)}`,
      );
      for (const who of ["health", "provideHints", "handleExit", "teardown"]) {
        assert.ok(
          said.some((line) => line.includes(`${who} threw `)),
          `${who} ${name}: ${said.join("\n")}`,
        );
      }
    }
  });
});
