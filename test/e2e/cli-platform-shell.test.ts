import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, test } from "node:test";
import { Code } from "@connectrpc/connect";
import type { ShellRunnerInput } from "../../src/platform/generated/controller_pb.ts";
import { cleanEnvironment, cliCommand, type Ended } from "../helpers/cli.ts";
import { ControlPlane, refusal, type ControlPlaneScripts } from "../helpers/control-plane.ts";

type Script = NonNullable<ControlPlaneScripts["shellRunner"]>;
type Step = Readonly<Record<"until" | "type", string>> | object;

const bytes = (value: string): Uint8Array => Buffer.from(value);
const startPlane = (shellRunner: Script): Promise<ControlPlane> =>
  ControlPlane.start({ grpc: { shellRunner } });

/** Runs a command of `servable runners` with a text piped into it, or with its input left open. */
async function piped(plane: ControlPlane, args: readonly string[], input?: string): Promise<Ended> {
  const [program = "", ...first] = cliCommand();
  const child = spawn(program, [...first, "runners", ...args], { env: cleanEnvironment(plane.environment) });
  child.stdin.on("error", () => {});
  if (input !== undefined) child.stdin.end(input);
  const ended = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await ended;
  child.stdin.destroy();
  return { exitCode: child.exitCode, stdout, stderr };
}

interface Shown {
  readonly exit: number;
  readonly shown: string;
  readonly modes: readonly { readonly echo: boolean; readonly canonical: boolean }[];
  readonly after: { readonly echo: boolean; readonly canonical: boolean };
}

/** Runs a command of `servable runners` on a terminal. */
async function onTerminal(
  plane: ControlPlane,
  args: readonly string[],
  steps: readonly Step[],
): Promise<Shown> {
  const driver = fileURLToPath(new URL("../fixtures/terminal.py", import.meta.url));
  const command = [driver, JSON.stringify(steps), ...cliCommand(), "runners", ...args];
  const child = spawn("python3", command, {
    env: cleanEnvironment(plane.environment),
    stdio: ["ignore", "pipe", "inherit"],
  });
  return JSON.parse(await text(child.stdout)) as Shown;
}

/** A short form of a message. */
function said({ runnerId, command, tty, data, close, ttySize }: ShellRunnerInput): string {
  if (runnerId !== "") return `${runnerId} [${command.join(" ")}] tty ${String(tty)}`;
  if (ttySize !== undefined) return `size ${ttySize.height} ${ttySize.width}`;
  return close ? "close" : Buffer.from(data).toString();
}

const readAll: Script = async function* (inputs) {
  for await (const _ of inputs);
  yield { exitCode: 0 };
};

describe("servable runners exec", () => {
  test("forwards both output streams separately, byte for byte, and exits with the command's code", async () => {
    await using plane = await startPlane(async function* (inputs) {
      for await (const _ of inputs);
      yield { data: Uint8Array.of(0xff, 0x00, 0x0a) };
      yield { data: bytes("bad\n"), stream: 2 };
      yield { exitCode: 42 };
    });
    const [program = "", ...first] = cliCommand();
    const child = spawn(program, [...first, "runners", "exec", "r-1", "ls"], {
      env: cleanEnvironment(plane.environment),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const out: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => void out.push(chunk));
    const stderr = await text(child.stderr);
    if (child.exitCode === null) await once(child, "close");
    assert.deepEqual([...Buffer.concat(out)], [0xff, 0x00, 0x0a]);
    assert.deepEqual([stderr, child.exitCode], ["bad\n", 42]);
    assert.deepEqual(plane.requestsOf("shellRunner").map(said), ["r-1 [ls] tty false", "close"]);
  });

  const targets: readonly [args: readonly string[], command: string][] = [
    [["exec", "r-1", "ls", "-l", "--team", "x"], "ls -l --team x"],
    [["exec", "r-1", "--", "-x", "--", "-y"], "-x -- -y"],
    [["exec", "--", "r-1", "ls", "-i"], "ls -i"],
    [["exec", "r-1", "--debug", "ls", "--debug"], "ls --debug"],
    [["exec", "r-1", "--host", "HOST", "--", "ls", "-la"], "ls -la"],
    [["exec", "--debug", "r-1", "--host=HOST", "sh", "-c", "echo 'a b'"], "sh -c echo 'a b'"],
  ];
  test("options before the command are its own; options after it belong to the command", async () => {
    await using plane = await startPlane(readAll);
    for (const [args, command] of targets) {
      const replaced = args.map((word) => word.replace("HOST", plane.grpcUrl));
      const { exitCode, stderr } = await piped(plane, replaced);
      assert.deepEqual([exitCode, stderr], [0, ""], args.join(" "));
      const first = plane.requestsOf("shellRunner").filter(({ runnerId }) => runnerId !== "");
      assert.equal(first.at(-1)?.command.join(" "), command);
      assert.equal(first.at(-1)?.runnerId, "r-1");
    }
  });

  test("an error is reported in one line, and nothing is run", async () => {
    await using plane = await startPlane(readAll);
    const wrong: readonly [args: readonly string[], RegExp][] = [
      [["exec", "r-1"], /missing required argument 'command'/],
      [["exec", "r-1", "--"], /missing required argument 'command'|There is no command to run/],
      [["exec", "r-1", "--debug"], /There is no command to run/],
      [["exec", "r-1", "--unknown", "ls"], /unknown option '--unknown'; write -- before a command/],
      [["exec", "-t", "r-1", "ls"], /-t is for -i/],
      [["shell"], /missing required argument 'runner-id'/],
    ];
    for (const [args, message] of wrong) {
      const { exitCode, stderr } = await piped(plane, args);
      assert.equal(exitCode, 1, args.join(" "));
      assert.match(stderr, message);
    }
    assert.deepEqual(plane.calls, []);
  });

  test("-i and -it forward piped input and its end, without a terminal", async () => {
    await using plane = await startPlane(async function* (inputs) {
      for await (const { data } of inputs) if (data.length > 0) yield { data };
      yield { exitCode: 0 };
    });
    for (const flags of [["-i"], ["-it"], ["--interactive"], ["-i", "-t"]]) {
      const { exitCode, stdout } = await piped(plane, ["exec", "r-1", ...flags, "cat"], "one\ntwo");
      assert.deepEqual([exitCode, stdout], [0, "one\ntwo"], flags.join(" "));
    }
    const all = plane.requestsOf("shellRunner").map(said);
    assert.deepEqual(all.slice(0, 3), ["r-1 [cat] tty false", "one\ntwo", "close"]);
  });

  test("a session that ends without an exit code, is refused or breaks exits with 1 and says why", async () => {
    const scripts: readonly [Script, RegExp][] = [
      [
        async function* () {
          yield { close: true };
        },
        /^The session was ended by the other side, without an exit code\.\n$/,
      ],
      [
        async function* () {
          throw refusal(Code.NotFound, "Runner r-1 not found.");
        },
        /^error: Runner r-1 not found\.\n$/,
      ],
      [
        async function* () {
          throw refusal(Code.Unavailable, "Going down.");
        },
        /^error: .*Going down/,
      ],
    ];
    for (const [script, message] of scripts) {
      await using plane = await startPlane(script);
      const { exitCode, stdout, stderr } = await piped(plane, ["exec", "r-1", "ls"]);
      assert.deepEqual([exitCode, stdout], [1, ""]);
      assert.match(stderr, message);
    }
  });

  test("SIGTERM and SIGINT end it and the remote session, with exit code 130", async () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      let ended = (): void => {};
      const isEnded = new Promise<void>((resolve) => (ended = resolve));
      await using plane = await startPlane(async function* (_inputs, call) {
        call.signal.addEventListener("abort", ended, { once: true });
        yield { data: bytes("started") };
        await isEnded;
      });
      const [program = "", ...first] = cliCommand();
      const child = spawn(program, [...first, "runners", "exec", "r-1", "sleep"], {
        env: cleanEnvironment(plane.environment),
        stdio: ["ignore", "pipe", "pipe"],
      });
      await once(child.stdout, "data");
      child.kill(signal);
      const [exitCode] = (await once(child, "close")) as [number | null];
      assert.equal(exitCode, 130);
      await isEnded;
    }
  });
});

describe("on a terminal", () => {
  /** A shell that echoes, prints its size, and ends at "exit". */
  const shell: Script = async function* (inputs) {
    yield { data: bytes("ready> ") };
    for await (const { data, ttySize } of inputs) {
      if (ttySize !== undefined) yield { data: bytes(`[${ttySize.height}x${ttySize.width}]`) };
      const keys = Buffer.from(data).toString();
      if (keys === "") continue;
      if (keys.includes("exit")) {
        yield { exitCode: 3 };
        return;
      }
      yield { data: bytes(`<${JSON.stringify(keys)}>`) };
    }
  };

  for (const args of [
    ["shell", "r-1"],
    ["exec", "-it", "r-1", "--", "bash"],
  ]) {
    test(`${args[0]} forwards keys and window sizes, and restores the terminal`, async () => {
      await using plane = await startPlane(shell);
      const { exit, shown, modes, after } = await onTerminal(plane, args, [
        { until: "[30x100]" },
        // Ctrl-C and Ctrl-D are forwarded like any other key.
        { type: "\u0003" },
        { until: '<"\\u0003">' },
        { resize: [50, 132] },
        { until: "[50x132]" },
        { type: "\u0004" },
        { until: '<"\\u0004">' },
        { type: "exit\r" },
      ]);
      assert.equal(exit, 3, shown);
      assert.match(shown, /^ready> /);
      for (const mode of modes) assert.deepEqual(mode, { echo: false, canonical: false });
      assert.deepEqual(after, { echo: true, canonical: true });
      const command = args[0] === "shell" ? "" : "bash";
      assert.equal(plane.requestsOf("shellRunner").map(said)[0], `r-1 [${command}] tty true`);
      assert.ok(!plane.requestsOf("shellRunner").some(({ close }) => close));
    });
  }

  const ends: readonly [what: string, Script, steps: readonly Step[], exit: number, shown: RegExp][] = [
    [
      "a refusal",
      async function* () {
        throw refusal(Code.PermissionDenied, "Not yours.");
      },
      [],
      1,
      /Not yours\. The key from FAL_KEY/,
    ],
    [
      "a session that the other side ends",
      async function* () {
        yield { data: bytes("ready> ") };
        yield { close: true };
      },
      [],
      1,
      /without an exit code/,
    ],
    ["SIGTERM", shell, [{ until: "[30x100]" }, { signal: 15 }], 130, /ready> /],
    ["SIGHUP", shell, [{ until: "[30x100]" }, { signal: 1 }], 130, /ready> /],
  ];
  for (const [what, script, steps, exit, shown] of ends) {
    test(`after ${what} the terminal is restored`, async () => {
      await using plane = await startPlane(script);
      const session = await onTerminal(plane, ["shell", "r-1"], steps);
      assert.match(session.shown, shown);
      assert.equal(session.exit, exit, session.shown);
      assert.deepEqual(session.after, { echo: true, canonical: true });
    });
  }

  test("exec without -i opens no remote terminal and leaves the local one unchanged", async () => {
    await using plane = await startPlane(async function* (inputs) {
      for await (const _ of inputs);
      yield { data: bytes("done") };
      yield { exitCode: 0 };
    });
    const { exit, after } = await onTerminal(plane, ["exec", "r-1", "ls"], []);
    assert.deepEqual([exit, after], [0, { echo: true, canonical: true }]);
    assert.deepEqual(plane.requestsOf("shellRunner").map(said), ["r-1 [ls] tty false", "close"]);
  });

  test("a shell with a piped script has a remote terminal", async () => {
    await using plane = await startPlane(readAll);
    assert.equal((await piped(plane, ["shell", "r-1"], "ls\n")).exitCode, 0);
    assert.deepEqual(plane.requestsOf("shellRunner").map(said), ["r-1 [] tty true", "ls\n"]);
  });
});
