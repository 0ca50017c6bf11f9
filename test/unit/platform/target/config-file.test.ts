import assert from "node:assert/strict";
import fs, {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, mock, test } from "node:test";
import { inspect } from "node:util";
import { FalServerlessError } from "../../../../src/errors.ts";
import { ConfigFile, configPath } from "../../../../src/platform/target/config-file.ts";
import { resolveTarget } from "../../../../src/platform/target/target.ts";

const folder = mkdtempSync(join(tmpdir(), "servable-config-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

/** A config file with this text; without a text, the path of a missing file. */
function fileWith(text?: string): string {
  const path = join(folder, String((files += 1)), "config.toml");
  if (text === undefined) return path;
  mkdirSync(join(path, ".."));
  writeFileSync(path, text);
  return path;
}

const textOf = (path: string): string => readFileSync(path, "utf8");

const TWO = `# mine
check_updates = false

[__internal__]
profile = "work"
team = "blue" # not known here

[work]
# the good key
key = "work-id:work-secret"
host = "api.work.com"
extra = [1, 2]

[home]
key = "home-id:home-secret"
`;

describe("reading", () => {
  test("profiles, the selected profile and settings are returned", async () => {
    const config = await ConfigFile.read(fileWith(TWO));
    assert.deepEqual(
      config.profiles().map(({ name, key, host }) => [name, key?.reveal(), host]),
      [
        ["work", "work-id:work-secret", "api.work.com"],
        ["home", "home-id:home-secret", undefined],
      ],
    );
    assert.equal(config.selected()?.name, "work");
    assert.equal(config.setting("check_updates"), false);
    assert.equal(config.setting("toString"), undefined);
  });

  test("a missing file is empty", async () => {
    const config = await ConfigFile.read(fileWith());
    assert.deepEqual([config.profiles(), config.selected()], [[], undefined]);
  });

  test("a selected profile that does not exist is ignored", async () => {
    const config = await ConfigFile.read(fileWith('[__internal__]\nprofile = "gone"\n'));
    assert.equal(config.selected(), undefined);
  });

  test("an unknown profile is rejected with a suggestion", async () => {
    const config = await ConfigFile.read(fileWith(TWO));
    assert.throws(() => config.profile("wor"), {
      message: 'There is no profile "wor"; did you mean "work"?',
    });
    assert.throws(() => config.profile("production"), { message: 'There is no profile "production".' });
    assert.throws(() => config.profile("__internal__"), { name: "UsageError" });
    assert.throws(() => config.profile("constructor"), { name: "UsageError" });
  });

  test("invalid TOML is rejected with its line, and none of its text is shown", async () => {
    const path = fileWith('[work]\nkey = "id:hidden"\nkey = "id:hidden\n');
    await assert.rejects(ConfigFile.read(path), (error) => {
      assert.ok(error instanceof FalServerlessError);
      assert.equal(error.code, "CONFIG_INVALID");
      assert.match(error.message, /config\.toml, line \d: invalid TOML/);
      assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }), /hidden/);
      return true;
    });
  });

  test("a key or host that is not a string is rejected by its name and section", async () => {
    const config = await ConfigFile.read(fileWith("[work]\nkey = 7\n"));
    assert.throws(() => config.profile("work"), {
      code: "CONFIG_INVALID",
      message: /key of \[work\] is not a string/,
    });
  });

  test("a folder at the file's path is rejected", async () => {
    await assert.rejects(ConfigFile.read(folder), {
      code: "CONFIG_INVALID",
      message: /cannot be read \(EISDIR\)/,
    });
  });

  test("FAL_CONFIG_PATH sets the path of the file", () => {
    assert.equal(configPath({}), join(homedir(), ".fal", "config.toml"));
    assert.equal(configPath({ FAL_CONFIG_PATH: "/etc/x.toml" }), "/etc/x.toml");
    assert.equal(configPath({ FAL_CONFIG_PATH: "~/x.toml" }), join(homedir(), "x.toml"));
  });
});

describe("writing", () => {
  test("a change keeps everything else, including comments", async () => {
    const path = fileWith(TWO);
    const config = await ConfigFile.read(path);
    await config.setKey("work", "new-id:new-secret");
    await config.setHost("home", "http://127.0.0.1:4000");
    await config.select("home");
    await config.setSetting("output", "json");
    assert.equal(
      textOf(path),
      TWO.replace("work-id:work-secret", "new-id:new-secret")
        .replace('home-secret"\n', 'home-secret"\nhost = "http://127.0.0.1:4000"\n')
        .replace('profile = "work"', 'profile = "home"')
        .replace("check_updates = false\n", 'check_updates = false\noutput = "json"\n'),
    );
    assert.equal(config.selected()?.host, "http://127.0.0.1:4000");
  });

  test("the file and its folder are accessible only to their owner", async () => {
    const path = fileWith();
    const config = await ConfigFile.read(path);
    await config.create("work");
    await config.setKey("work", "id:secret");
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(join(path, "..")).mode & 0o777, 0o700);
    chmodSync(path, 0o644);
    await config.setHost("work", "api.work.com");
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(textOf(path), '[work]\nkey = "id:secret"\nhost = "api.work.com"\n');
  });

  test("no temporary files are left", async () => {
    const path = fileWith(TWO);
    await (await ConfigFile.read(path)).select(undefined);
    assert.deepEqual(readdirSync(join(path, "..")), ["config.toml"]);
  });

  test("a failed write keeps the old file, and leaves no temporary file", async () => {
    const path = fileWith();
    const config = await ConfigFile.read(path);
    writeFileSync(join(path, ".."), "a file where a folder should be");
    await assert.rejects(config.create("work"), { code: "CONFIG_INVALID", message: /cannot be written/ });
    assert.equal(textOf(join(path, "..")), "a file where a folder should be");
  });

  test("if the new file cannot replace the old one, the old one is unchanged and the new one is removed", async () => {
    const path = fileWith(TWO);
    const config = await ConfigFile.read(path);
    const { mock: renaming } = mock.method(fs, "renameSync", () => {
      throw Object.assign(new Error("EPERM: not permitted"), { code: "EPERM" });
    });
    syncBuiltinESMExports();
    try {
      await assert.rejects(config.setKey("work", "new-id:new-secret"), {
        code: "CONFIG_INVALID",
        message: `${path} cannot be written (EPERM).`,
      });
    } finally {
      renaming.restore();
      syncBuiltinESMExports();
    }
    assert.equal(textOf(path), TWO);
    assert.deepEqual(readdirSync(join(path, "..")), ["config.toml"]);
  });

  test("a symbolic link to the file stays a link", async () => {
    const path = fileWith(TWO);
    const link = join(folder, "link.toml");
    symlinkSync(path, link);
    await (await ConfigFile.read(link)).select("home");
    assert.match(textOf(path), /profile = "home"/);
  });

  test("changes that another process wrote meanwhile are kept", async () => {
    const path = fileWith(TWO);
    const [first, second] = await Promise.all([ConfigFile.read(path), ConfigFile.read(path)]);
    await first.create("third");
    await second.select("home");
    assert.deepEqual(
      (await ConfigFile.read(path)).profiles().map(({ name }) => name),
      ["work", "home", "third"],
    );
  });

  test("deleting a profile removes its key and its selection", async () => {
    const path = fileWith(TWO);
    const config = await ConfigFile.read(path);
    await config.delete("work");
    assert.doesNotMatch(textOf(path), /\bwork\b/);
    assert.match(textOf(path), /team = "blue" # not known here/);
    assert.equal(config.selected(), undefined);
  });

  test("bad names, keys and hosts change nothing", async () => {
    const path = fileWith(TWO);
    const config = await ConfigFile.read(path);
    for (const name of ["", " work", "__internal__", "a\nb", "work", "check_updates", "\ud800"]) {
      await assert.rejects(config.create(name), { name: "UsageError" }, name);
    }
    await assert.rejects(config.setKey("work", "no-colon"), { code: "CREDENTIALS_INVALID" });
    await assert.rejects(config.setHost("work", "a b"), { name: "UsageError" });
    await assert.rejects(config.select("gone"), { name: "UsageError" });
    await assert.rejects(config.delete("gone"), { name: "UsageError" });
    assert.equal(textOf(path), TWO);
  });
});

describe("the target of a call", () => {
  const environment = (text: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
    FAL_CONFIG_PATH: fileWith(text),
    ...more,
  });
  const targetOf = async (options: Parameters<typeof resolveTarget>[0]): Promise<readonly string[]> => {
    const { endpoints, credentials } = await resolveTarget(options);
    return [endpoints.grpc.host, credentials.keyId];
  };

  test("the selected profile provides host and key", async () => {
    assert.deepEqual(await targetOf({ environment: environment(TWO) }), ["api.work.com", "work-id"]);
  });

  test("each environment variable takes precedence over the selected profile", async () => {
    const variables = environment(TWO, { FAL_KEY: "variable-id:s" });
    assert.deepEqual(await targetOf({ environment: variables }), ["api.work.com", "variable-id"]);
  });

  test("a broken file causes no error if nothing in it is needed", async () => {
    const variables = environment("= broken", { FAL_KEY: "id:s", FAL_HOST: "api.variable.com" });
    assert.deepEqual(await targetOf({ environment: variables }), ["api.variable.com", "id"]);
    await assert.rejects(targetOf({ environment: environment("= broken") }), { code: "CONFIG_INVALID" });
  });
});
