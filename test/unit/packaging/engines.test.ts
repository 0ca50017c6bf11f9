import assert from "node:assert/strict";
import { chmodSync, readFileSync } from "node:fs";
import { delimiter, join, relative, sep } from "node:path";
import { describe, test } from "node:test";
import { findBuilder } from "../../../src/packaging/engines.ts";
import { runProgram } from "../../../src/processes/program.ts";
import { createFolder } from "../../helpers/folders.ts";
import { ended } from "../../helpers/processes.ts";

const isPosix = process.platform !== "win32";
const DOCKER = `echo '{"ServerVersion":"28.0.0"}'`;
const NO_DAEMON = `echo '{"ServerVersion":"","ServerErrors":["x"]}'; echo "ERROR: Cannot connect to the Docker daemon" >&2; exit 1`;
const PODMAN = `echo '{"host":{},"store":{},"version":{}}'`;
const BUILDAH = `[ $# -eq 1 ] || { echo 'template: function "json" not defined' >&2; exit 125; }; echo '{"host":{},"store":{}}'`;

/** An environment in which only these programs are found, each a shell script. */
function withPrograms(programs: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const scripts = Object.entries(programs).map(([name, script]) => [name, `#!/bin/sh\n${script}\n`]);
  const folder = createFolder(Object.fromEntries(scripts) as Record<string, string>);
  for (const name of Object.keys(programs)) chmodSync(join(folder, name), 0o755);
  return { PATH: [folder, "/no/such/folder"].join(delimiter) };
}

describe("a builder", { skip: isPosix ? false : "the programs here are shell scripts" }, () => {
  test("is Docker if its daemon answers, otherwise Podman, otherwise Buildah", async () => {
    const found = async (programs: Readonly<Record<string, string>>): Promise<unknown> =>
      findBuilder(withPrograms(programs));
    assert.deepEqual(await found({ docker: DOCKER, podman: PODMAN }), {
      command: "docker",
      flavor: "docker",
    });
    assert.deepEqual(await found({ docker: NO_DAEMON, podman: PODMAN, buildah: BUILDAH }), {
      command: "podman",
      flavor: "podman",
    });
    assert.deepEqual(await found({ docker: NO_DAEMON, buildah: BUILDAH }), {
      command: "buildah",
      flavor: "buildah",
    });
  });

  test("installed under another one's name is recognised", async () => {
    assert.deepEqual(await findBuilder(withPrograms({ docker: PODMAN })), {
      command: "docker",
      flavor: "podman",
    });
  });

  test("is the one named in the environment, and no other", async () => {
    const environment = withPrograms({ docker: DOCKER, mine: PODMAN });
    const named = (SERVABLE_CONTAINER_ENGINE: string): Promise<unknown> =>
      findBuilder({ ...environment, SERVABLE_CONTAINER_ENGINE });
    assert.deepEqual(await named("mine"), { command: "mine", flavor: "podman" });
    const path = join(environment["PATH"]?.split(delimiter)[0] ?? "", "mine");
    // A path is relative to the current folder, wherever the builder is started later.
    assert.deepEqual(await named(`.${sep}${relative(process.cwd(), path)}`), {
      command: path,
      flavor: "podman",
    });
    await assert.rejects(named("podman"), {
      code: "BUILDER_MISSING",
      message: /start it, or set SERVABLE_CONTAINER_ENGINE to [^]*\n {2}podman: not found$/,
    });
  });

  test("that is missing is an error with the answers of all candidates", async () => {
    await assert.rejects(findBuilder(withPrograms({ docker: NO_DAEMON, podman: "exit 3" })), {
      code: "BUILDER_MISSING",
      message:
        /\n {2}docker: Cannot connect to the Docker daemon\n {2}podman: its "info" ended with exit code 3\n {2}buildah: not found$/,
    });
  });

  test("that was found is enough: candidates that have not answered yet are stopped", async () => {
    const folder = createFolder();
    const [pid, done] = [join(folder, "pid"), join(folder, "done")];
    const programs = withPrograms({
      docker: `while [ ! -s '${pid}' ]; do sleep 0.01; done; ${DOCKER}`,
      podman: `trap 'echo interrupted > '"'${done}'"'; exit 1' INT; echo $$ > '${pid}'; while :; do sleep 0.01; done`,
    });
    const { command } = await findBuilder({
      PATH: `${programs["PATH"]}${delimiter}/usr/bin${delimiter}/bin`,
    });
    assert.equal(command, "docker");
    await ended(Number(readFileSync(pid, "utf8")), 8_000); // the time limit is 10 seconds
    assert.equal(readFileSync(done, "utf8"), "interrupted\n");
  });

  test("is no longer searched after the search is aborted", async () => {
    const controller = new AbortController();
    const search = findBuilder(withPrograms({ docker: "sleep 100" }), controller.signal);
    controller.abort(new Error("enough"));
    await assert.rejects(search, /enough/);
  });
});

describe("a program", { skip: isPosix ? false : "the programs here are shell scripts" }, () => {
  const shell = (script: string): readonly [string, string[]] => ["/bin/sh", ["-c", script]];

  test("gets its input, and the lines of both outputs are reported as they arrive", async () => {
    const lines: string[] = [];
    async function* input(): AsyncGenerator<Buffer> {
      yield Buffer.from("one\ntwo\n");
    }
    const end = await runProgram(...shell("cat; echo three >&2; printf four; exit 5"), {
      input: input(),
      onLine: (line) => lines.push(line),
    });
    assert.deepEqual([end.code, end.stdout], [5, "one\ntwo\nfour"]);
    assert.deepEqual(lines.toSorted(), ["four", "one", "three", "two"]);
    assert.deepEqual(end.lines.toSorted(), lines.toSorted());
  });

  test("that is missing, or does not read its input, does not cause a crash", async () => {
    assert.deepEqual(await runProgram("/no/such/program", []), {
      code: undefined,
      stdout: "",
      lines: ["not found"],
    });
    async function* much(): AsyncGenerator<Buffer> {
      for (let index = 0; index < 200; index++) yield Buffer.alloc(100_000);
    }
    assert.equal((await runProgram(...shell("exit 3"), { input: much() })).code, 3);
    // The background process keeps the pipe open, so that a write is in progress when Node closes its own
    // end.
    const leaving = shell("exec 3<&0; sleep 1 >/dev/null 2>&1 & exit 3");
    assert.equal((await runProgram(...leaving, { input: much() })).code, 3);
  });

  test("is ended if reading its input fails, and the failure is reported", async () => {
    async function* broken(): AsyncGenerator<Buffer> {
      yield Buffer.from("x");
      throw new RangeError("broken");
    }
    await assert.rejects(runProgram(...shell("exec cat"), { input: broken() }), RangeError);
  });

  test("is interrupted when the signal aborts", async () => {
    const controller = new AbortController();
    const running = runProgram(
      ...shell("trap 'echo interrupted; exit 0' INT; echo ready; while :; do sleep 0.05; done"),
      {
        signal: controller.signal,
        onLine: (line) => {
          if (line === "ready") controller.abort(new Error("enough"));
          else said.push(line);
        },
      },
    );
    const said: string[] = [];
    await assert.rejects(running, /enough/);
    assert.deepEqual(said, ["interrupted"]);
  });

  test("is ended together with its child processes when the signal aborts", { timeout: 20_000 }, async () => {
    const controller = new AbortController();
    let left = 0;
    const running = runProgram(...shell("sleep 100 & echo $!; wait"), {
      signal: controller.signal,
      onLine: (line) => {
        left = Number(line);
        controller.abort(new Error("enough"));
      },
    });
    await assert.rejects(running, /enough/);
    await ended(left);
  });

  test(
    "can clean up when only the process below its helper is ended",
    { skip: process.platform !== "linux" },
    async () => {
      const controller = new AbortController();
      const said: string[] = [];
      // The outer shell is the program, the one below it the helper, and the innermost the step.
      const helper = "sh -c 'echo ready; sleep 300; :'; code=\\$?; sleep 0.1; exit \\$code";
      await assert.rejects(
        runProgram(...shell(`trap 'echo ended; exit 1' TERM INT; sh -c "${helper}"; echo cleared $?`), {
          signal: controller.signal,
          endingBy: "step",
          onLine: (line) => {
            if (line === "ready") controller.abort(new Error("enough"));
            else said.push(line);
          },
        }),
        /enough/,
      );
      assert.deepEqual(
        said.filter((line) => line !== "Killed"),
        ["cleared 137"],
      );
    },
  );
});
