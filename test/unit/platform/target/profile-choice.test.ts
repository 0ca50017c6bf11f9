import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { resolveTarget, type TargetOptions } from "../../../../src/platform/target/target.ts";

const folder = mkdtempSync(join(tmpdir(), "servable-profiles-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const PATH = join(folder, "config.toml");
const FILE = `[__internal__]
profile = "file"

[file]
key = "file-id:s"
host = "api.file.com"

[variable]
key = "variable-id:s"
host = "api.variable.com"

[argument]
key = "argument-id:s"
host = "api.argument.com"

[key-only]
key = "only-id:s"

[host-only]
host = "api.only.com"

["with space"]
key = "space-id:s"
`;
writeFileSync(PATH, FILE);

type Found = readonly [host: string, keyId: string, profile: string | undefined, source: string | undefined];

async function found(
  variables: NodeJS.ProcessEnv,
  options: Omit<TargetOptions, "environment"> = {},
): Promise<Found> {
  const environment = { FAL_CONFIG_PATH: PATH, ...variables };
  const { endpoints, credentials, profile } = await resolveTarget({ ...options, environment });
  return [endpoints.grpc.host, credentials.keyId, profile?.profile.name, profile?.source];
}

const PAIR = { FAL_KEY_ID: "pair-id", FAL_KEY_SECRET: "s" };

describe("the profile in force", () => {
  const rows: readonly [what: string, NodeJS.ProcessEnv, Omit<TargetOptions, "environment">, Found][] = [
    ["the file's choice", {}, {}, ["api.file.com", "file-id", "file", "file"]],
    [
      "FAL_PROFILE before the file",
      { FAL_PROFILE: "variable" },
      {},
      ["api.variable.com", "variable-id", "variable", "FAL_PROFILE"],
    ],
    [
      "an argument before FAL_PROFILE",
      { FAL_PROFILE: "variable" },
      { profile: "argument" },
      ["api.argument.com", "argument-id", "argument", "argument"],
    ],
    ["an empty FAL_PROFILE is none", { FAL_PROFILE: "" }, {}, ["api.file.com", "file-id", "file", "file"]],
    ["a blank FAL_PROFILE is none", { FAL_PROFILE: " \t" }, {}, ["api.file.com", "file-id", "file", "file"]],
    [
      "FAL_PROFILE without the blanks around it",
      { FAL_PROFILE: " variable\n" },
      {},
      ["api.variable.com", "variable-id", "variable", "FAL_PROFILE"],
    ],
    [
      "a name with a space in it",
      { FAL_PROFILE: "with space", FAL_HOST: "api.x.com" },
      {},
      ["api.x.com", "space-id", "with space", "FAL_PROFILE"],
    ],
    [
      "FAL_KEY before the key of FAL_PROFILE, whose host stays",
      { FAL_PROFILE: "variable", FAL_KEY: "env-id:s" },
      {},
      ["api.variable.com", "env-id", "variable", "FAL_PROFILE"],
    ],
    [
      "FAL_HOST before the host of FAL_PROFILE, whose key stays",
      { FAL_PROFILE: "variable", FAL_HOST: "api.env.com" },
      {},
      ["api.env.com", "variable-id", "variable", "FAL_PROFILE"],
    ],
    [
      "FAL_GRPC_HOST before both",
      { FAL_PROFILE: "variable", FAL_HOST: "api.env.com", FAL_GRPC_HOST: "grpc.env.com" },
      {},
      ["grpc.env.com", "variable-id", "variable", "FAL_PROFILE"],
    ],
    [
      "FAL_KEY and FAL_HOST before the values of an argument's profile as well",
      { FAL_KEY: "env-id:s", FAL_HOST: "api.env.com" },
      { profile: "argument" },
      ["api.env.com", "env-id", "argument", "argument"],
    ],
    [
      "a key and a host as arguments before everything",
      { FAL_PROFILE: "variable", FAL_KEY: "env-id:s", FAL_HOST: "api.env.com" },
      { profile: "argument", key: "given-id:s", host: "api.given.com" },
      ["api.given.com", "given-id", "argument", "argument"],
    ],
    [
      "the profile's key before FAL_KEY_ID with FAL_KEY_SECRET",
      { FAL_PROFILE: "variable", ...PAIR },
      {},
      ["api.variable.com", "variable-id", "variable", "FAL_PROFILE"],
    ],
    [
      "a profile with a key alone",
      { FAL_PROFILE: "key-only" },
      {},
      ["api.alpha.fal.ai", "only-id", "key-only", "FAL_PROFILE"],
    ],
    [
      "a profile with a host alone, and the pair",
      { FAL_PROFILE: "host-only", ...PAIR },
      {},
      ["api.only.com", "pair-id", "host-only", "FAL_PROFILE"],
    ],
  ];
  for (const [what, variables, options, expected] of rows) {
    test(what, async () => assert.deepEqual(await found(variables, options), expected));
  }

  test("a profile with a host alone provides no key, and the message names it", async () => {
    await assert.rejects(found({ FAL_PROFILE: "host-only" }), {
      code: "CREDENTIALS_MISSING",
      message: /^There is no key, and the profile host-only has none: /,
    });
  });
});

describe("an unknown profile is an error that names its source and the existing profiles", () => {
  const all = "It has: file, variable, argument, key-only, host-only, with space.";
  const both = { FAL_KEY: "env-id:s", FAL_HOST: "api.env.com" };
  const rows: readonly [what: string, NodeJS.ProcessEnv, Omit<TargetOptions, "environment">, string][] = [
    [
      "the argument",
      {},
      { profile: "fil" },
      `"fil" (from the argument --profile) in ${PATH}; did you mean "file"? ${all}`,
    ],
    ["FAL_PROFILE", { FAL_PROFILE: "nowhere" }, {}, `"nowhere" (from FAL_PROFILE) in ${PATH}. ${all}`],
    [
      "FAL_PROFILE, where nothing of it is needed",
      { FAL_PROFILE: "nowhere", ...both },
      {},
      `"nowhere" (from FAL_PROFILE)`,
    ],
    [
      "the argument, where nothing of it is needed",
      both,
      { profile: "nowhere" },
      `"nowhere" (from the argument --profile)`,
    ],
    ["an empty argument", {}, { profile: "" }, `"" (from the argument --profile)`],
    [
      "the section that keeps the selection",
      { FAL_PROFILE: "__internal__" },
      {},
      `"__internal__" (from FAL_PROFILE)`,
    ],
    ["a name of every object", { FAL_PROFILE: "constructor" }, {}, `"constructor" (from FAL_PROFILE)`],
    [
      "other letters",
      { FAL_PROFILE: "File" },
      {},
      `"File" (from FAL_PROFILE) in ${PATH}; did you mean "file"?`,
    ],
  ];
  for (const [what, variables, options, message] of rows) {
    test(what, async () => {
      await assert.rejects(found(variables, options), (error: Error) => {
        assert.equal(error.name, "UsageError");
        assert.ok(error.message.startsWith(`There is no profile ${message}`), error.message);
        return true;
      });
    });
  }

  test("the selection in the file, with the command that fixes it", async () => {
    const path = join(folder, "stale.toml");
    writeFileSync(path, '[__internal__]\nprofile = "gone"\n[work]\nkey = "id:s"\n');
    await assert.rejects(found({ FAL_CONFIG_PATH: path }), {
      name: "UsageError",
      message:
        `There is no profile "gone" (selected there) in ${path}. It has: work. ` +
        'Select another with "servable profile set", or none with "servable profile unset".',
    });
    // The profile is not needed if key and host are given otherwise.
    assert.equal((await found({ FAL_CONFIG_PATH: path, ...both }))[1], "env-id");
  });

  test("FAL_PROFILE without a file", async () => {
    const variables = { FAL_CONFIG_PATH: join(folder, "none.toml"), FAL_PROFILE: "work" };
    await assert.rejects(found(variables), {
      message: /\(from FAL_PROFILE\) in .*none\.toml\. It has no profiles\.$/,
    });
  });
});
