import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import type { ShellRunnerInput } from "../../src/platform/generated/controller_pb.ts";
import type { RunnerCommandEvent } from "../../src/platform/runners/shell-session.ts";
import { ServerlessClient } from "../../src/platform/serverless-client.ts";
import { ControlPlane, refusal, type ControlPlaneScripts } from "../helpers/control-plane.ts";

type Script = NonNullable<ControlPlaneScripts["shellRunner"]>;

/** A short description of a message. */
function said({ runnerId, command, tty, data, close, ttySize }: ShellRunnerInput): string {
  if (runnerId !== "") return `${runnerId} [${command.join(" ")}] tty ${String(tty)}`;
  if (ttySize !== undefined) return `size ${ttySize.height} ${ttySize.width}`;
  return close ? "close" : Buffer.from(data).toString();
}

const bytes = (text: string): Uint8Array => Buffer.from(text);

async function withShell(
  shellRunner: Script,
  work: (client: ServerlessClient, sent: () => string[]) => Promise<void>,
): Promise<void> {
  await using plane = await ControlPlane.start({ grpc: { shellRunner } });
  using client = new ServerlessClient({ environment: plane.environment });
  await work(client, () => plane.requestsOf("shellRunner").map(said));
}

/** Reads all of the input, then ends with an exit code. */
const readAll: Script = async function* (inputs) {
  for await (const _ of inputs);
  yield { exitCode: 7 };
};

async function eventsOf(events: AsyncIterable<RunnerCommandEvent>): Promise<string[]> {
  const all: string[] = [];
  for await (const event of events) {
    all.push(
      event.type === "exit"
        ? `exit ${String(event.exitCode)}`
        : `${event.type} ${Buffer.from(event.data).toString()}`,
    );
  }
  return all;
}

async function* typed(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield bytes(text);
}

test("a command without input is sent without a terminal, and its input ends immediately", () =>
  withShell(readAll, async (client, sent) => {
    assert.deepEqual(await eventsOf(client.runners.run("r-1", { command: ["ls", "-l", "a b", ""] })), [
      "exit 7",
    ]);
    assert.deepEqual(sent(), ["r-1 [ls -l a b ] tty false", "close"]);
  }));

test("piped input is sent as it arrives, and then its end", () =>
  withShell(readAll, async (client, sent) => {
    const input = typed("one", "", "two\n");
    assert.deepEqual(await eventsOf(client.runners.run("r-1", { command: ["cat"], input })), ["exit 7"]);
    assert.deepEqual(sent(), ["r-1 [cat] tty false", "one", "two\n", "close"]);
  }));

test("a terminal's input is sent without an end, and its sizes as they change", () =>
  withShell(readAll, async (client, sent) => {
    async function* sizes(): AsyncGenerator<{ rows: number; columns: number }> {
      yield { rows: 24, columns: 80 };
      yield { rows: 50, columns: 132 };
    }
    let release = (): void => {};
    const sizesSent = new Promise<void>((resolve) => (release = resolve));
    async function* input(): AsyncGenerator<Uint8Array> {
      await sizesSent;
      yield bytes("exit\r");
    }
    const observed = (async function* () {
      yield* sizes();
      release();
    })();
    const events = client.runners.run("r-1", { input: input(), sizes: observed });
    assert.deepEqual(await eventsOf(events), ["exit 7"]);
    assert.deepEqual(sent(), ["r-1 [] tty true", "size 24 80", "size 50 132", "exit\r"]);
  }));

test("standard output and standard error are separate; data without a stream is standard output", () =>
  withShell(
    async function* () {
      yield { data: bytes("a") };
      yield { data: bytes("b"), stream: 1 };
      yield { data: bytes("c"), stream: 2 };
      yield { data: bytes("d"), stream: 3 };
      yield { data: bytes("e"), stream: 2, exitCode: 0 };
      yield { data: bytes("never") };
    },
    async (client) => {
      const events = await eventsOf(client.runners.run("r-1", { command: ["x"] }));
      assert.deepEqual(events, ["stdout a", "stdout b", "stderr c", "stdout d", "stderr e", "exit 0"]);
    },
  ));

const withoutCode: readonly [what: string, Script][] = [
  [
    "closes the session",
    async function* () {
      yield { data: bytes("a") };
      yield { close: true };
      yield { exitCode: 0 };
    },
  ],
  [
    "ends the stream",
    async function* () {
      yield { data: bytes("a") };
    },
  ],
];
for (const [what, script] of withoutCode) {
  test(`if the server ${what} without an exit code, none is reported`, () =>
    withShell(script, async (client) => {
      assert.deepEqual(await eventsOf(client.runners.run("r-1", { command: ["x"] })), [
        "stdout a",
        "exit undefined",
      ]);
    }));
}

test("exit codes are reported unchanged", async () => {
  for (const exitCode of [0, 1, 2, 127, 130, 255]) {
    await withShell(
      async function* () {
        yield { exitCode };
      },
      async (client) => {
        assert.deepEqual(await eventsOf(client.runners.run("r-1", { command: ["x"] })), [`exit ${exitCode}`]);
      },
    );
  }
});

test("a refusal is a PlatformError, and an empty command or id is refused without a request", () =>
  withShell(
    async function* () {
      throw refusal(Code.NotFound, "Runner r-1 not found.");
    },
    async (client, sent) => {
      await assert.rejects(eventsOf(client.runners.run("r-1")), {
        status: "NOT_FOUND",
        message: /r-1 not found/,
      });
      const count = sent().length;
      for (const command of [[""], [" ", "a"]]) {
        await assert.rejects(eventsOf(client.runners.run("r-1", { command })), { name: "UsageError" });
      }
      await assert.rejects(eventsOf(client.runners.run(" ")), { name: "UsageError" });
      assert.equal(sent().length, count);
    },
  ));

test("a signal ends the session on the server too, and its reason is thrown", async () => {
  let ended = (): void => {};
  const isEnded = new Promise<void>((resolve) => (ended = resolve));
  await withShell(
    async function* (_inputs, { signal }) {
      signal.addEventListener("abort", ended, { once: true });
      yield { data: bytes("started") };
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    },
    async (client) => {
      const stop = new AbortController();
      const reason = new Error("enough");
      const events = client.runners.run("r-1", { command: ["sleep"], signal: stop.signal });
      assert.equal((await events.next()).done, false);
      stop.abort(reason);
      await assert.rejects(events.next(), reason);
      await isEnded;
    },
  );
});

test("leaving the loop ends the session on the server", async () => {
  let ended = (): void => {};
  const isEnded = new Promise<void>((resolve) => (ended = resolve));
  await withShell(
    async function* (_inputs, { signal }) {
      signal.addEventListener("abort", ended, { once: true });
      for (;;) yield { data: bytes("more") };
    },
    async (client) => {
      for await (const _ of client.runners.run("r-1", { command: ["yes"] })) break;
      await isEnded;
    },
  );
});

test("an input that fails ends the session with its error", () =>
  withShell(readAll, async (client) => {
    async function* input(): AsyncGenerator<Uint8Array> {
      yield bytes("a");
      throw new Error("the disk is gone");
    }
    await assert.rejects(
      eventsOf(client.runners.run("r-1", { command: ["cat"], input: input() })),
      /the disk is gone/,
    );
  }));

test("8 MiB are sent and received unchanged", () =>
  withShell(
    async function* (inputs) {
      for await (const { data } of inputs) if (data.length > 0) yield { data };
      yield { exitCode: 0 };
    },
    async (client) => {
      const chunk = Buffer.alloc(65_536, "0123456789abcdef");
      async function* input(): AsyncGenerator<Uint8Array> {
        for (let sent = 0; sent < 128; sent += 1) yield chunk;
      }
      let length = 0;
      for await (const event of client.runners.run("r-1", { command: ["cat"], input: input() })) {
        if (event.type === "exit") assert.equal(event.exitCode, 0);
        else {
          assert.ok(Buffer.from(event.data).equals(chunk.subarray(0, event.data.length)));
          length += event.data.length;
        }
      }
      assert.equal(length, 8 * 1_048_576);
    },
  ));
