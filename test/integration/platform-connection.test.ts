import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { PlatformError } from "../../src/errors.ts";
import { Connection, type ConnectionOptions } from "../../src/platform/transport/connection.ts";
import { resolveCredentials } from "../../src/platform/target/credentials.ts";
import { resolveEndpoints } from "../../src/platform/target/endpoints.ts";
import {
  HostedRunStatus_State,
  IsolateController,
  type BuildEnvironmentResult,
} from "../../src/platform/generated/controller_pb.ts";
import {
  ControlPlane,
  cutConnection,
  endWithoutStatus,
  refusal,
  sendGarbage,
  unavailable,
  type ControlPlaneOptions,
  type ControlPlaneScripts,
} from "../helpers/control-plane.ts";
import { freePort } from "../helpers/free-port.ts";
import { withClient } from "../helpers/platform-client.ts";

const { listAliases, buildEnvironment, shellRunner, updateApplication } = IsolateController.method;

function connectTo(plane: ControlPlane, options: Partial<ConnectionOptions> = {}): Connection {
  const { environment } = plane;
  return new Connection({
    endpoint: resolveEndpoints({ environment }).grpc,
    credentials: resolveCredentials({ environment }),
    retryDelayMs: 1,
    ...options,
  });
}

async function withPlane(
  grpc: ControlPlaneOptions["grpc"] & {},
  work: (connection: Connection, plane: ControlPlane) => Promise<void>,
  options: Partial<ConnectionOptions> = {},
): Promise<void> {
  await using plane = await ControlPlane.start({ grpc });
  using connection = connectTo(plane, options);
  await work(connection, plane);
}

const failing = (pattern: RegExp, code: string, status?: string) => (error: unknown) => {
  assert.ok(error instanceof PlatformError, String(error));
  assert.match(error.message, pattern);
  assert.doesNotMatch(error.message, /\n/);
  assert.deepEqual([error.code, error.status], [code, status]);
  return true;
};

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const SUCCESS = { status: { state: HostedRunStatus_State.SUCCESS } };

describe("calls", () => {
  test("a call sends the key in two metadata entries, and no value that was not set", () =>
    withPlane({ updateApplication: () => ({}) }, async (connection, plane) => {
      await connection.unary(updateApplication, { applicationName: "web", minConcurrency: 0 });
      const [call] = plane.calls;
      assert.deepEqual(call?.json, { applicationName: "web", minConcurrency: 0 });
      assert.equal(call?.metadata["auth-key-id"], "test-id");
      assert.equal(call?.metadata["auth-key"], "test-secret");
      assert.equal(call?.metadata["content-type"], "application/grpc+proto");
      connection.close();
      await plane[Symbol.asyncDispose]();
      assert.equal(call?.isAborted, false);
    }));

  test("a stream's messages arrive one by one", () =>
    withPlane(
      {
        *buildEnvironment() {
          yield { logs: [{ message: "one" }] };
          yield { logs: [{ message: "two" }] };
          yield SUCCESS;
        },
      },
      async (connection) => {
        const results = await collect(connection.stream(buildEnvironment, {}));
        assert.deepEqual(
          results.map(({ logs, status }) => [logs.map(({ message }) => message), status?.state]),
          [
            [["one"], undefined],
            [["two"], undefined],
            [[], HostedRunStatus_State.SUCCESS],
          ],
        );
      },
    ));

  test("a duplex call sends and receives at the same time", () =>
    withPlane(
      {
        async *shellRunner(inputs) {
          for await (const { data } of inputs) yield { data };
          yield { exitCode: 3 };
        },
      },
      async (connection, plane) => {
        async function* inputs() {
          yield { runnerId: "r1", command: ["sh"] };
          yield { data: Buffer.from("ls") };
        }
        const outputs = await collect(connection.duplex(shellRunner, inputs()));
        assert.equal(Buffer.from(outputs[1]?.data ?? []).toString(), "ls");
        assert.equal(outputs.at(-1)?.exitCode, 3);
        assert.deepEqual(
          plane.requestsOf("shellRunner").map(({ runnerId }) => runnerId),
          ["r1", ""],
        );
      },
    ));

  test("many calls share one connection", () =>
    withPlane({ listAliases: () => ({ aliases: [{ alias: "web" }] }) }, async (connection, plane) => {
      const answers = await Promise.all(Array.from({ length: 50 }, () => connection.unary(listAliases, {})));
      assert.ok(answers.every(({ aliases }) => aliases[0]?.alias === "web"));
      assert.equal(plane.calls.length, 50);
    }));

  test("messages of 50 MB are sent and received", () =>
    withPlane(
      { listAliases: (request) => ({ aliases: [{ alias: request.environmentName ?? "" }] }) },
      async (connection) => {
        const name = "x".repeat(50 * 1024 * 1024);
        const { aliases } = await connection.unary(listAliases, { environmentName: name });
        assert.ok(aliases[0]?.alias === name);
      },
    ));

  test("leaving the loop over a stream ends the call on the server", async () => {
    const { promise: left, resolve } = deferred();
    await withPlane(
      {
        async *buildEnvironment(_, { signal }) {
          signal.addEventListener("abort", () => resolve());
          yield { logs: [{ message: "one" }] };
          await once(signal, "abort");
        },
      },
      async (connection, plane) => {
        for await (const _ of connection.stream(buildEnvironment, {})) break;
        await left;
        assert.equal(plane.calls[0]?.isAborted, true);
      },
    );
  });
});

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

describe("cancellation and deadlines", () => {
  test("a signal ends a stream on both sides, and its reason is thrown", async () => {
    const { promise: left, resolve } = deferred();
    await withPlane(
      {
        async *buildEnvironment(_, { signal }) {
          signal.addEventListener("abort", () => resolve());
          yield { logs: [{ message: "one" }] };
          await once(signal, "abort");
        },
      },
      async (connection) => {
        const stop = new AbortController();
        const reason = new Error("Ctrl-C");
        const seen: BuildEnvironmentResult[] = [];
        await assert.rejects(
          async () => {
            for await (const result of connection.stream(buildEnvironment, {}, { signal: stop.signal })) {
              seen.push(result);
              stop.abort(reason);
            }
          },
          (error) => error === reason,
        );
        assert.equal(seen.length, 1);
        await left;
      },
    );
  });

  test("a signal ends a unary call, and the wait before a retry", () =>
    withPlane(
      { listAliases: unavailable(9, () => ({})) },
      async (connection, plane) => {
        const stop = new AbortController();
        const call = connection.unary(listAliases, {}, { signal: stop.signal });
        const rejection = assert.rejects(call, { name: "AbortError" });
        while (plane.calls.length === 0) await new Promise(setImmediate);
        stop.abort();
        await rejection;
        assert.equal(plane.calls.length, 1);
      },
      { retryDelayMs: 60_000 },
    ));

  test("a call whose signal is already aborted is not made", () =>
    withPlane({ listAliases: () => ({}) }, async (connection, plane) => {
      const reason = new Error("too late");
      const options = { signal: AbortSignal.abort(reason) };
      await assert.rejects(connection.unary(listAliases, {}, options), (error) => error === reason);
      await assert.rejects(
        collect(connection.stream(buildEnvironment, {}, options)),
        (error) => error === reason,
      );
      assert.equal(plane.calls.length, 0);
    }));

  test("a deadline is sent to the server, and is a one-line error when it expires", () =>
    withPlane(
      { listAliases: (_, { signal }) => once(signal, "abort").then(() => ({})) },
      async (connection, plane) => {
        // Opens the connection, which takes time of its own.
        await assert.rejects(connection.unary(updateApplication, {}), /does not know UpdateApplication/);
        await assert.rejects(
          connection.unary(listAliases, {}, { timeoutMs: 500 }),
          failing(/gave no answer to ListAliases within 0\.5 s/, "PLATFORM_UNREACHABLE"),
        );
        const [, timeoutMs] = /^(\d+)m$/.exec(plane.calls[1]?.metadata["grpc-timeout"] ?? "") ?? [];
        assert.ok(Number(timeoutMs) > 0 && Number(timeoutMs) <= 500, timeoutMs);
      },
    ));

  test("a deadline covers all attempts together", () =>
    withPlane(
      { listAliases: unavailable(9, () => ({})) },
      async (connection, plane) => {
        const call = connection.unary(listAliases, {}, { timeoutMs: 3_900 });
        await assert.rejects(call, failing(/is not available/, "PLATFORM_UNREACHABLE", "UNAVAILABLE"));
        assert.equal(plane.calls.length, 1);
      },
      // The wait lasts at least four fifths of this.
      { retryDelayMs: 5_000 },
    ));
});

describe("attempts", () => {
  test("a call that gets UNAVAILABLE twice and then a response succeeds", () =>
    withPlane(
      { listAliases: unavailable(2, () => ({ aliases: [{ alias: "web" }] })) },
      async (connection, plane) => {
        const { aliases } = await connection.unary(listAliases, {});
        assert.equal(aliases.length, 1);
        assert.equal(plane.calls.length, 3);
      },
    ));

  test("a stream is retried too, before its first message", () =>
    withPlane(
      {
        buildEnvironment: unavailable(2, function* () {
          yield SUCCESS;
        }),
      },
      async (connection, plane) => {
        assert.equal((await collect(connection.stream(buildEnvironment, {}))).length, 1);
        assert.equal(plane.calls.length, 3);
        assert.ok(plane.calls.every(({ isAborted }) => !isAborted));
      },
    ));

  test("the fifth UNAVAILABLE is the last, and each retry is reported", async () => {
    const retries: number[] = [];
    await withPlane(
      { listAliases: unavailable(9, () => ({})) },
      async (connection, plane) => {
        const call = connection.unary(listAliases, {});
        await assert.rejects(
          call,
          failing(/is not available\. Try again\./, "PLATFORM_UNREACHABLE", "UNAVAILABLE"),
        );
        assert.equal(plane.calls.length, 5);
        assert.deepEqual(retries, [2, 3, 4, 5]);
      },
      { onRetry: ({ attempt }) => retries.push(attempt) },
    );
  });

  test("a stream that has sent a message is not retried", () =>
    withPlane(
      {
        *buildEnvironment() {
          yield { logs: [{ message: "one" }] };
          throw refusal(Code.Unavailable, "Going down.");
        },
      },
      async (connection, plane) => {
        const call = collect(connection.stream(buildEnvironment, {}));
        await assert.rejects(call, failing(/Going down\./, "PLATFORM_UNREACHABLE", "UNAVAILABLE"));
        assert.equal(plane.calls.length, 1);
      },
    ));

  test("no other status is retried", async () => {
    for (const code of [Code.Internal, Code.Aborted, Code.ResourceExhausted, Code.DeadlineExceeded]) {
      const grpc = {
        listAliases: () => {
          throw refusal(code, "No.");
        },
      };
      await withPlane(grpc, async (connection, plane) => {
        await assert.rejects(connection.unary(listAliases, {}), { code: "PLATFORM_REFUSED", message: "No." });
        assert.equal(plane.calls.length, 1);
      });
    }
  });

  test("a connection that breaks before the response is reopened", () =>
    withPlane(
      { listAliases: (_, { index }) => (index === 0 ? cutConnection() : { aliases: [{ alias: "web" }] }) },
      async (connection, plane) => {
        assert.equal((await connection.unary(listAliases, {})).aliases.length, 1);
        assert.equal(plane.calls.length, 2);
      },
    ));

  test("a call that must not be repeated is not retried once it may have arrived", async () => {
    const once = { retry: false };
    const checkAdvice = /may have been done anyway, so check before you try again\.$/;
    await withPlane({ updateApplication: unavailable(1, () => ({})) }, async (connection, plane) => {
      const call = connection.unary(updateApplication, {}, once);
      await assert.rejects(call, failing(checkAdvice, "PLATFORM_UNREACHABLE", "UNAVAILABLE"));
      assert.equal(plane.calls.length, 1);
    });
    await withPlane({ updateApplication: () => cutConnection() }, async (connection, plane) => {
      await assert.rejects(
        connection.unary(updateApplication, {}, once),
        failing(checkAdvice, "PLATFORM_UNREACHABLE"),
      );
      assert.equal(plane.calls.length, 1);
    });
  });

  test("if the connection is refused, any call is retried", async () => {
    const environment = { FAL_HOST: `http://127.0.0.1:${await freePort()}`, FAL_KEY: "id:secret" };
    const { grpc: endpoint } = resolveEndpoints({ environment });
    const credentials = resolveCredentials({ environment });
    const attempts: number[] = [];
    const onRetry = ({ attempt }: { attempt: number }): unknown => attempts.push(attempt);
    using connection = new Connection({ endpoint, credentials, retryDelayMs: 1, onRetry });
    await assert.rejects(
      connection.unary(updateApplication, {}, { retry: false }),
      failing(/nothing listens there; check host and port, and that it runs\.$/, "PLATFORM_UNREACHABLE"),
    );
    assert.deepEqual(attempts, [2, 3, 4, 5]);
  });

  test("creating keys or environments, rollouts and replacing runners are tried once", async () => {
    const grpc: ControlPlaneScripts = {
      createUserKey: unavailable(9, () => ({})),
      createEnvironment: unavailable(9, () => ({})),
      rolloutApplication: unavailable(9, () => ({})),
      stopRunner: unavailable(9, () => ({})),
    };
    await withClient(grpc, async (client, plane) => {
      for (const call of [
        (): Promise<unknown> => client.keys.create({ scope: "API" }),
        () => client.environments.create("staging"),
        () => client.apps.rollout("web"),
        () => client.runners.stop("r-1", { replaceFirst: true }),
      ]) {
        await assert.rejects(call, /may have been done anyway/);
      }
      const made = ["CreateUserKey", "CreateEnvironment", "RolloutApplication", "StopRunner"];
      assert.deepEqual(plane.methods(), made);
    });
  });
});

describe("errors of the control plane", () => {
  const saying = (code: Code, details: string) => ({
    listAliases: () => {
      throw refusal(code, details);
    },
  });

  test("details are shown unchanged, on one line and without control characters", () =>
    withPlane(saying(Code.NotFound, "No app\n  named \u001b[31mweb\u0007."), async (connection) => {
      await assert.rejects(
        connection.unary(listAliases, {}),
        failing(/^No app named web\.$/, "PLATFORM_REFUSED", "NOT_FOUND"),
      );
    }));

  test("an expired key is reported with where it came from", () =>
    withPlane(saying(Code.Unauthenticated, "Key expired"), async (connection) => {
      await assert.rejects(
        connection.unary(listAliases, {}),
        failing(
          /does not accept the key from FAL_KEY \(id test-id\)\. Key expired\. .*create a new one/,
          "CREDENTIALS_INVALID",
          "UNAUTHENTICATED",
        ),
      );
    }));

  test("a key that may not deploy is reported with the scope it needs", () =>
    withPlane(saying(Code.PermissionDenied, "Forbidden"), async (connection) => {
      await assert.rejects(
        connection.unary(listAliases, {}),
        failing(/^Forbidden\. .*scope ADMIN/, "PLATFORM_REFUSED", "PERMISSION_DENIED"),
      );
    }));

  test("a killed runner is reported with the advice to choose more memory", () =>
    withPlane(saying(Code.Internal, "Worker died with <Signals.SIGKILL: 9>.`."), async (connection) => {
      await assert.rejects(
        connection.unary(listAliases, {}),
        failing(/out of memory: choose a larger machineType/, "PLATFORM_REFUSED", "INTERNAL"),
      );
    }));

  test("an unknown method is named in the error", () =>
    withPlane({}, async (connection) => {
      await assert.rejects(
        connection.unary(listAliases, {}),
        failing(/does not know ListAliases/, "PLATFORM_REFUSED", "UNIMPLEMENTED"),
      );
    }));

  test("a stream that ends without a status, breaks off or is garbage is a one-line error each", async () => {
    const broken = /broke off in the middle of its answer to BuildEnvironment|it closed the connection/;
    for (const [break_, pattern] of [
      [endWithoutStatus, broken],
      [cutConnection, broken],
      [sendGarbage, /an invalid answer to BuildEnvironment/],
    ] as const) {
      const grpc = {
        async *buildEnvironment() {
          yield { logs: [{ message: "one" }] };
          await break_();
        },
      };
      await withPlane(grpc, async (connection, plane) => {
        const seen: unknown[] = [];
        const call = (async () => {
          for await (const result of connection.stream(buildEnvironment, {})) seen.push(result);
        })();
        await assert.rejects(call, failing(pattern, "PLATFORM_UNREACHABLE"));
        assert.equal(seen.length, 1);
        assert.equal(plane.calls.length, 1);
      });
    }
  });

  test("a closed connection accepts no further calls", () =>
    withPlane({ listAliases: () => ({}) }, async (connection) => {
      await connection.unary(listAliases, {});
      connection.close();
      await assert.rejects(
        connection.unary(listAliases, {}),
        failing(/closed on this side/, "PLATFORM_UNREACHABLE"),
      );
    }));
});
