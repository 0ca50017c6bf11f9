import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { join } from "node:path";
import { describe, test } from "node:test";
import { cleanEnvironment, cliCommand, createProject, type Ended } from "../helpers/cli.ts";
import { ControlPlane } from "../helpers/control-plane.ts";

const KEY = "work-id:work-hidden";

const startPlane = (): Promise<ControlPlane> =>
  ControlPlane.start({
    key: KEY,
    rest: {
      "GET /users/current": () => ({
        json: { user_id: "github|1", nickname: "ada", full_name: "Ada \u001b[31mL." },
      }),
    },
  });

/** A config file of the test's own, and `servable auth` with a text on its standard input. */
function accounts(plane: ControlPlane): {
  readonly path: string;
  readonly run: (input: string, args: readonly string[], extra?: NodeJS.ProcessEnv) => Promise<Ended>;
} {
  const path = join(createProject({}), "fal", "config.toml");
  const environment = { ...plane.environment, FAL_CONFIG_PATH: path, FAL_KEY: "" };
  return {
    path,
    run: async (input, args, extra = {}) => {
      const [program = "", ...first] = cliCommand();
      const env = cleanEnvironment({ ...environment, ...extra });
      const child = spawn(program, [...first, "auth", ...args], { env });
      child.stdin.on("error", () => {}).end(input);
      const ended = once(child, "close");
      const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
      await ended;
      return { exitCode: child.exitCode, stdout, stderr };
    },
  };
}

/** An address where nothing listens. */
async function closedUrl(): Promise<string> {
  await using plane = await startPlane();
  return plane.restUrl;
}

/** `servable auth login` on a terminal; `typed` is entered once it asks. Its output is the text on the screen. */
async function onTerminal(plane: ControlPlane, path: string, typed: string): Promise<Ended> {
  const command = [...cliCommand(), "auth", "login"].map((word) => `'${word}'`).join(" ");
  const env = cleanEnvironment({ ...plane.environment, FAL_CONFIG_PATH: path, FAL_KEY: "" });
  const child = spawn("script", ["-qec", command, "/dev/null"], { env });
  const ended = once(child, "close");
  let stdout = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) {
    const hasAsked = stdout.includes("not shown: ");
    stdout += String(chunk);
    if (!hasAsked && stdout.includes("not shown: ")) child.stdin.write(typed);
  }
  await ended;
  return { exitCode: child.exitCode, stdout, stderr: "" };
}

describe("servable auth", () => {
  test("login saves a key that the host accepts, readable by its owner only, and logout deletes it", async () => {
    await using plane = await startPlane();
    const { path, run } = accounts(plane);
    const host = plane.grpcUrl.replace("http://", "");
    const first = await run(`${KEY}\n`, ["login"]);
    assert.deepEqual(first, {
      exitCode: 0,
      stdout: `The key work-id of ada, Ada L. is kept in the profile default, for ${host}.\n`,
      stderr: "",
    });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    // The host comes from a variable that may be unset when the key is sent.
    const kept = `[default]\nhost = "${plane.grpcUrl}"\nkey = "work-id:work-hidden"\n`;
    assert.ok(readFileSync(path, "utf8").startsWith(kept));

    const other = ["login", "--with-key", "--profile", "my work", "--host", plane.grpcUrl];
    const second = await run(KEY, other, { FAL_KEY: "other-id:other-hidden" });
    assert.match(second.stdout, /^The key work-id of ada, .* is kept in the profile my work, for 127/);
    assert.equal(
      second.stderr,
      'The profile default is selected; "servable profile set my work" selects this one.\n' +
        "FAL_KEY is set, and takes precedence.\n",
    );
    assert.ok(
      readFileSync(path, "utf8").includes(`["my work"]\nhost = "${plane.grpcUrl}"\nkey = "${KEY}"\n`),
    );

    const pair = { FAL_KEY_ID: "other-id", FAL_KEY_SECRET: "other-hidden" };
    const [gone, goneToo] = [
      await run("", ["logout"], pair),
      await run("", ["logout", "--profile", "my work"]),
    ];
    assert.deepEqual(gone, {
      exitCode: 0,
      stdout: "The profile default has no key any more.\n",
      stderr: "FAL_KEY_ID and FAL_KEY_SECRET still give a key.\n",
    });
    assert.deepEqual([goneToo.exitCode, goneToo.stderr], [0, ""]);
    assert.doesNotMatch(readFileSync(path, "utf8"), /hidden/);
    for (const { stdout, stderr } of [first, second, gone]) assert.doesNotMatch(stdout + stderr, /hidden/);
  });

  test("a malformed, rejected or unverifiable key is not saved, and the one-line error does not contain it", async () => {
    await using plane = await startPlane();
    const wrong: [input: string, args: string[], RegExp, NodeJS.ProcessEnv?][] = [
      ["hidden", [], /^error: The key from standard input does not have the form id:secret\.\n$/],
      ["old-id:hidden", [], /does not accept the key from standard input \(id old-id\)\. Invalid key\. /],
      [KEY, [], /could not be reached: nothing listens there/, { FAL_REST_HOST: await closedUrl() }],
      ["", [], /^error: There is no key on standard input/],
      [KEY, ["--profile", "__internal__"], /name of the profile is invalid/],
      [KEY, ["--host", "a host"], /The host that was given has spaces/],
    ];
    await Promise.all(
      wrong.map(async ([input, args, pattern, extra]) => {
        const { path, run } = accounts(plane);
        const { exitCode, stdout, stderr } = await run(input, ["login", ...args], extra);
        assert.match(stderr, pattern);
        assert.deepEqual([exitCode, stdout, stderr.trimEnd().split("\n").length], [1, "", 1], stderr);
        assert.doesNotMatch(stderr, /hidden/);
        assert.equal(existsSync(path), false);
      }),
    );
  });

  test("on a terminal, typed text is hidden; Ctrl-C exits with 130, Ctrl-D with 1, and nothing is written", async () => {
    await using plane = await startPlane();
    const [kept, interrupted, ended] = ["a", "b", "c"].map((name) => join(createProject({}), name)) as [
      string,
      string,
      string,
    ];
    const [asked, stopped, left] = await Promise.all([
      onTerminal(plane, kept, `${KEY}\r`),
      onTerminal(plane, interrupted, "work-id:\u0003"),
      onTerminal(plane, ended, "\u0004"),
    ]);
    assert.equal(asked.exitCode, 0, asked.stdout);
    assert.match(asked.stdout, /not shown: \r\nThe key work-id of ada/);
    assert.match(readFileSync(kept, "utf8"), /hidden/);
    assert.deepEqual([stopped.exitCode, left.exitCode], [130, 1], stopped.stdout + left.stdout);
    assert.deepEqual([existsSync(interrupted), existsSync(ended)], [false, false]);
    for (const { stdout } of [asked, stopped, left]) assert.doesNotMatch(stdout, /hidden/);
  });
});
