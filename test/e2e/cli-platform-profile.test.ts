import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { join } from "node:path";
import { describe, test } from "node:test";
import { cleanEnvironment, cliCommand, createProject, runCli, type Ended } from "../helpers/cli.ts";
import { ControlPlane } from "../helpers/control-plane.ts";

const KEY = "work-id:work-hidden";

/** A config file of the test's own, and commands that use it. */
function profiles(): { path: string; run: (...args: string[]) => Promise<Ended> } {
  const path = join(createProject({}), "fal", "config.toml");
  return { path, run: (...args) => runCli(["profile", ...args], undefined, { FAL_CONFIG_PATH: path }) };
}

/** Pipes a text into `servable profile key`. */
async function pipeKey(path: string, input: string, ...args: string[]): Promise<Ended> {
  const [program = "", ...first] = cliCommand();
  const env = cleanEnvironment({ FAL_CONFIG_PATH: path });
  const child = spawn(program, [...first, "profile", "key", ...args], { env });
  child.stdin.end(input);
  const ended = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await ended;
  return { exitCode: child.exitCode, stdout, stderr };
}

describe("servable profile", () => {
  test("saves a key and a host under a name, readable by the owner only, and never prints the key", async () => {
    const { path, run } = profiles();
    assert.equal((await run("list")).stdout, "There are no profiles.\n");
    assert.equal((await run("create", "work")).stdout, "Made the profile work.\n");
    const selected = await run("set", "work");
    assert.deepEqual(
      [selected.stdout, selected.stderr],
      ["The profile work is selected.\n", "It has no key yet: servable profile key sets one.\n"],
    );
    const keyed = await pipeKey(path, `${KEY}\n`);
    assert.deepEqual(keyed, { exitCode: 0, stdout: "The profile work has a new key.\n", stderr: "" });
    await run("host", "http://127.0.0.1:4000");
    assert.equal(
      (await run("list")).stdout,
      "Name  Selected  Host                   Key ID\nwork  yes       http://127.0.0.1:4000  work-id\n",
    );
    assert.match(readFileSync(path, "utf8"), /work-hidden/);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(JSON.parse((await run("list", "--json")).stdout), [
      { name: "work", is_selected: true, host: "http://127.0.0.1:4000", key_id: "work-id" },
    ]);
    await run("unset");
    assert.match((await run("list")).stdout, /\nwork +no /);
    await run("delete", "work");
    assert.equal((await run("list")).stdout, "There are no profiles.\n");
    assert.doesNotMatch(readFileSync(path, "utf8"), /hidden/);
  });

  test("an error is reported in one line that does not contain the key", async () => {
    const { path, run } = profiles();
    await run("create", "staging");
    const failures: [Ended, RegExp][] = [
      [await run("set", "stagin"), /^error: There is no profile "stagin"; did you mean "staging"\?\n$/],
      [await run("host", "a host", "--profile", "staging"), /has spaces/],
      [await pipeKey(path, KEY), /No profile is selected: name one with --profile/],
      [await pipeKey(path, "hidden", "--profile", "staging"), /does not have the form id:secret/],
      [await pipeKey(path, "\n", "--profile", "staging"), /There is no key on standard input/],
      [await pipeKey(path, "hidden".repeat(1_000), "--profile", "staging"), /too long for a key/],
      [await run("key", KEY, "--profile", "staging"), /too many arguments/],
    ];
    for (const [{ exitCode, stdout, stderr }, message] of failures) {
      assert.deepEqual([exitCode, stdout], [1, ""], stderr);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /hidden/);
    }
    assert.doesNotMatch(readFileSync(path, "utf8"), /hidden/);
  });
});

test("servable auth whoami prints the user, the key's id and its origin, also for a profile's key", async () => {
  const { path, run } = profiles();
  await using plane = await ControlPlane.start({
    key: KEY,
    rest: { "GET /users/current": () => ({ json: { user_id: "github|1", nickname: "ada" } }) },
  });
  await run("create", "work");
  await run("set", "work");
  await pipeKey(path, KEY);
  const environment = { ...plane.environment, FAL_CONFIG_PATH: path, FAL_KEY: "" };
  const asText = await runCli(["auth", "whoami"], undefined, environment);
  assert.deepEqual([asText.exitCode, asText.stderr], [0, ""]);
  assert.match(asText.stdout, /\ngithub\|1 +ada +- +work-id +the profile work +127\.0\.0\.1:\d+\n$/);
  const asJson = await runCli(["auth", "whoami", "--json"], undefined, environment);
  assert.equal((JSON.parse(asJson.stdout) as Record<string, unknown>)["key_id"], "work-id");
  for (const { stdout, stderr } of [asText, asJson]) assert.doesNotMatch(stdout + stderr, /hidden/);
});
