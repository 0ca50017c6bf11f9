import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { collectFiles } from "../../../../src/platform/files/collect.ts";
import { readIgnoreRules } from "../../../../src/platform/files/ignore-rules.ts";
import { ContextFolder } from "../../../helpers/context-folder.ts";

const NAMES = ["a", "b", "ab", "A", ".env", "x.ts", "y.ts", "#c", "!d", "sp ace", "tail "];

/** Files three deep under names that the patterns are made of. */
function tree(): ContextFolder {
  const folder = new ContextFolder();
  for (const [index, name] of NAMES.entries()) {
    const inner = NAMES[(index + 3) % NAMES.length] ?? "";
    folder.write(`${name}.file`, "");
    if (!name.endsWith("ts")) {
      for (const leaf of [...NAMES.slice(0, 6), inner]) folder.write(`d${index % 3}/${name}/${leaf}`, "");
      folder.write(`${name}/${inner}/deep/${name}`, "");
    } else folder.write(name, "");
  }
  return folder;
}

const glob = fc.constantFrom(
  ...NAMES,
  "*",
  "?",
  "*.ts",
  "[ab]",
  "[!a]",
  "[a-b]*",
  "d?",
  "d1",
  "deep",
  "**",
  "*.file",
);
const escaped = fc.constantFrom("\\#c", "\\!d", "sp\\ ace", "tail\\ ", "tail ", "\\*");
const pattern = fc
  .record({
    negated: fc.boolean(),
    anchored: fc.boolean(),
    pieces: fc.array(fc.oneof({ weight: 6, arbitrary: glob }, { weight: 1, arbitrary: escaped }), {
      minLength: 1,
      maxLength: 3,
    }),
    folder: fc.boolean(),
  })
  .map(
    ({ negated, anchored, pieces, folder }) =>
      `${negated ? "!" : ""}${anchored ? "/" : ""}${pieces.join("/")}${folder ? "/" : ""}`,
  );
const rules = fc.array(
  fc.oneof({ weight: 9, arbitrary: pattern }, fc.constantFrom("", "# a comment", "  ")),
  {
    minLength: 1,
    maxLength: 6,
  },
);

const GIT_ENVIRONMENT = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };

function git(folder: string, args: readonly string[], input: string = ""): string {
  const { stdout, stderr, status } = spawnSync("git", ["-C", folder, ...args], {
    input,
    encoding: "utf8",
    env: GIT_ENVIRONMENT,
  });
  // check-ignore exits with 1 when nothing is ignored.
  assert.ok(status === 0 || (status === 1 && args[0] === "check-ignore"), `git ${args.join(" ")}: ${stderr}`);
  return stdout;
}

test("rules leave out what git ignores by the same lines, and nothing else", async () => {
  using folder = tree();
  git(folder.path, ["init", "-q"]);
  const all = await collectFiles({ context: folder.path, ignore: [".git"] });
  const paths = all.map(({ relativePath }) => relativePath);
  assert.ok(paths.length > 60, `${paths.length} files`);
  await fc.assert(
    fc.asyncProperty(rules, async (lines) => {
      writeFileSync(join(folder.path, ".git/info/exclude"), `${lines.join("\n")}\n`);
      const answer = git(folder.path, ["check-ignore", "--no-index", "--stdin", "-z"], paths.join("\0"));
      const ignored = new Set(answer.split("\0"));
      const collected = await collectFiles({ context: folder.path, ignore: [...lines, "/.git"] });
      assert.deepEqual(
        collected.map(({ relativePath }) => relativePath),
        paths.filter((path) => !ignored.has(path)),
      );
    }),
    { numRuns: 60 },
  );
});

describe("the rules of a context", () => {
  const files = {
    a: "",
    b: "",
    c: "",
    d: "",
    "node_modules/x/index.js": "",
    "src/README.md": "",
    "Dockerfile.gpu": "",
  };

  /** What is left of the files above. */
  async function left(
    options: { ignore?: string[]; ignoreFile?: string },
    more: Record<string, string> = {},
  ) {
    using folder = new ContextFolder({ ...files, ...more });
    const collected = await collectFiles({ context: folder.path, ...options });
    return collected.map(({ relativePath }) => relativePath).filter((path) => !(path in more));
  }

  test("are the list, else the file, else .dockerignore, else the defaults; never two of them", async () => {
    const more = { ".dockerignore": "a\n", "my.ignore": "b\n" };
    const rest = ["Dockerfile.gpu", "a", "b", "c", "d", "node_modules/x/index.js", "src/README.md"];
    const without = (name: string): string[] => rest.filter((path) => path !== name);
    assert.deepEqual(await left({ ignore: ["c"], ignoreFile: "my.ignore" }, more), without("c"));
    assert.deepEqual(await left({ ignoreFile: "my.ignore" }, more), without("b"));
    assert.deepEqual(await left({}, more), without("a"));
    assert.deepEqual(await left({}), ["a", "b", "c", "d"]);
    assert.deepEqual(await left({ ignore: [] }, more), rest);
  });

  test("of a file may have a byte order mark and line ends of Windows", async () => {
    assert.deepEqual(await left({}, { ".dockerignore": "\uFEFFa\r\nb\r\n!a\r\nnode_modules\r\nsrc\r\n" }), [
      "Dockerfile.gpu",
      "a",
      "c",
      "d",
    ]);
  });

  test("tell the case of letters apart, as git does", async () => {
    assert.ok((await left({ ignore: ["A"] })).includes("a"));
  });

  test("from a file that is not there are an error that has its path", async () => {
    using folder = new ContextFolder();
    const wrong = readIgnoreRules({ context: folder.path, ignoreFile: "no.ignore" });
    await assert.rejects(wrong, {
      code: "UPLOAD_FAILED",
      message: /^There is no file of ignore rules at .*no\.ignore\.$/,
    });
  });
});
