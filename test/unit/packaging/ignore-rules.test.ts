import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { DEFAULT_IGNORE, IgnoreRules } from "../../../src/packaging/ignore-rules.ts";

const withoutPython =
  spawnSync("python3", ["--version"]).status === 0 ? false : "needs python3, which is not here";
const withoutGit = spawnSync("git", ["--version"]).status === 0 ? false : "needs git, which is not here";

function ignored(lines: readonly string[], paths: readonly string[]): string[] {
  const rules = new IgnoreRules(lines);
  return paths.filter((path) => rules.ignores(path));
}

const PIECE = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("a", "b", "ab", "a.b", "c") },
  {
    weight: 4,
    arbitrary: fc.constantFrom("*", "a*", "*.b", "?", "a?", "**", "[ab]", "[!a]*", "\\a", "a**b"),
  },
  fc.constantFrom("[a-", "[z-a]", "a[[:alpha:]]", "a.b$", "(a)", "+", "{a}"),
);
const PATTERN = fc
  .tuple(
    fc.constantFrom("", "/", "**/"),
    fc.array(PIECE, { minLength: 1, maxLength: 3 }),
    fc.constantFrom("", "/", "/**", " "),
  )
  .map(([head, pieces, tail]) => `${head}${pieces.join("/")}${tail}`);
const PATH = fc
  .array(fc.constantFrom("a", "b", "ab", "a.b", "c", "aab", "a.b$", "(a)", "+"), {
    minLength: 1,
    maxLength: 4,
  })
  .map((parts) => parts.join("/"));

describe("ignore rules", () => {
  test("without a slash hold at every depth, with one from the root", () => {
    const paths = ["x.log", "a/x.log", "build/a", "a/build/b", "a/b", "c/a/b"];
    assert.deepEqual(ignored(["*.log"], paths), ["x.log", "a/x.log"]);
    assert.deepEqual(ignored(["build/"], paths), ["build/a", "a/build/b"]);
    assert.deepEqual(ignored(["/build", "a/b"], paths), ["build/a", "a/b"]);
    assert.deepEqual(ignored(["**/b"], paths), ["a/build/b", "a/b", "c/a/b"]);
  });

  test("for folders leave files of that name alone", () => {
    assert.deepEqual(ignored(["a/"], ["a", "a/b", "x/a/b"]), ["a/b", "x/a/b"]);
  });

  test("that come later decide, and take files back in", () => {
    assert.deepEqual(
      ignored(["*.md", "!README.md", "docs/README.md"], ["a.md", "README.md", "docs/README.md"]),
      ["a.md", "docs/README.md"],
    );
  });

  test("are none in comments and empty lines, and keep escaped marks", () => {
    assert.deepEqual(
      ignored(["# a", "", "  ", "\\#b", "\\!c", "d\\ ", "e  "], ["# a", "#b", "!c", "d ", "e"]),
      ["#b", "!c", "d ", "e"],
    );
  });

  test("by default leave out what no image needs", () => {
    const paths = [
      ".git/config",
      "Dockerfile.dev",
      "a/README.md",
      "x/__pycache__/y",
      ".env",
      "node_modules/a/b.js",
    ];
    assert.deepEqual(ignored(DEFAULT_IGNORE, [...paths, "app.ts", ".environment", "gitignore"]), paths);
  });

  test("for a folder of packages are the expression of the wire", () => {
    assert.deepEqual(new IgnoreRules(["node_modules"]).patterns, ["^(?:.+/)?node_modules(?:/|$)"]);
  });

  test("look below an ignored folder only where an exception is tied to it", () => {
    const rules = new IgnoreRules(["data", "node_modules", "!keep.md", "!/data/a/model.bin"]);
    assert.ok(rules.mayReopen("data/") && rules.mayReopen("data/a") && !rules.mayReopen("data/b"));
    assert.ok(!rules.mayReopen("node_modules"));
  });

  test("mean what git takes them to mean", { skip: withoutGit }, () => {
    const folder = mkdtempSync(join(tmpdir(), "servable-ignore-"));
    after(() => rmSync(folder, { recursive: true, force: true }));
    assert.equal(spawnSync("git", ["init", "-q", folder]).status, 0);
    fc.assert(
      fc.property(
        fc.array(PATTERN, { minLength: 1, maxLength: 4 }),
        fc.uniqueArray(PATH, { minLength: 1, maxLength: 12 }),
        (patterns, paths) => {
          writeFileSync(join(folder, ".gitignore"), `${patterns.join("\n")}\n`);
          const args = [
            "-C",
            folder,
            "-c",
            "core.ignoreCase=false",
            "check-ignore",
            "--no-index",
            "--stdin",
            "-z",
          ];
          const { stdout } = spawnSync("git", args, { input: paths.map((path) => `${path}\0`).join("") });
          const byGit = stdout
            .toString()
            .split("\0")
            .filter((path) => path !== "");
          assert.deepEqual(ignored(patterns, paths), byGit, JSON.stringify(patterns));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("mean the same to Python", { skip: withoutPython }, () => {
    const line = fc.oneof(
      PATTERN,
      PATTERN.map((pattern) => `!${pattern}`),
    );
    const sets = fc.sample(
      fc.tuple(fc.array(line, { maxLength: 5 }), fc.array(PATH, { maxLength: 12 })),
      300,
    );
    const cases = sets.map(([lines, paths]) => ({ patterns: new IgnoreRules(lines).patterns, paths }));
    const program =
      "import json,re,sys\n" +
      "print(json.dumps([[p for p in c['paths'] if any(re.match(x, p) for x in c['patterns'])] for c in json.load(sys.stdin)]))";
    const { stdout, stderr } = spawnSync("python3", ["-c", program], { input: JSON.stringify(cases) });
    assert.equal(stderr.toString(), "");
    const byPython = JSON.parse(stdout.toString()) as string[][];
    for (const [index, [lines, paths]] of sets.entries()) {
      assert.deepEqual(ignored(lines, paths), byPython[index], JSON.stringify(lines));
    }
  });

  test("have no named groups, and are never refused as expressions", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme" })), fc.string(), (lines, path) => {
        const rules = new IgnoreRules(lines);
        for (const pattern of rules.patterns) assert.doesNotMatch(pattern, /\(\?P?<[A-Za-z]/);
        rules.ignores(path);
      }),
    );
  });
});
