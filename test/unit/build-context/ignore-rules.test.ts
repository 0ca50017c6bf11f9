import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { collectFiles } from "../../../src/build-context/collected-files.ts";
import { DEFAULT_IGNORE, IgnoreRules } from "../../../src/build-context/ignore-rules.ts";
import { ContextFolder } from "../../helpers/context-folder.ts";

const withoutPython =
  spawnSync("python3", ["--version"]).status === 0 ? false : "needs python3, which is not here";

function ignored(lines: readonly string[], paths: readonly string[]): string[] {
  const rules = new IgnoreRules(lines);
  return paths.filter((path) => rules.ignores(path));
}

function matched({ patterns }: IgnoreRules, paths: readonly string[]): string[] {
  const expressions = patterns.map((pattern) => new RegExp(pattern, "u"));
  return paths.filter((path) => expressions.some((expression) => expression.test(path)));
}

describe("ignore rules", () => {
  test("without a slash match at every depth; rules with a slash match from the root", () => {
    const paths = ["x.log", "a/x.log", "build/a", "a/build/b", "a/b", "c/a/b"];
    assert.deepEqual(ignored(["*.log"], paths), ["x.log", "a/x.log"]);
    assert.deepEqual(ignored(["build/"], paths), ["build/a", "a/build/b"]);
    assert.deepEqual(ignored(["/build", "a/b"], paths), ["build/a", "a/b"]);
    assert.deepEqual(ignored(["**/b"], paths), ["a/build/b", "a/b", "c/a/b"]);
  });

  test("for folders do not match files of the same name", () => {
    assert.deepEqual(ignored(["a/"], ["a", "a/b", "x/a/b"]), ["a/b", "x/a/b"]);
  });

  test("override earlier rules, and can include files again", () => {
    assert.deepEqual(
      ignored(["*.md", "!README.md", "docs/README.md"], ["a.md", "README.md", "docs/README.md"]),
      ["a.md", "docs/README.md"],
    );
  });

  test("that include a folder again include everything in it", () => {
    const paths = ["src/a.ts", "src/deep/b.ts", "src/deep/c.log", "other.ts"];
    assert.deepEqual(ignored(["*", "!src", "*.log"], paths), ["src/deep/c.log", "other.ts"]);
  });

  test("do not come from comments and empty lines, and may contain escaped special characters", () => {
    const lines = ["# a", "", "  ", "\\#b", "\\!c", "d\\ ", "e  ", "*.f", "!#g.f", "!!h.f"];
    const paths = ["# a", "#b", "!c", "d ", "e", "#g.f", "!h.f", "i.f"];
    assert.deepEqual(ignored(lines, paths), ["#b", "!c", "d ", "e", "i.f"]);
  });

  test("are case-sensitive, as in git", () => {
    assert.deepEqual(ignored(["A"], ["a", "A"]), ["A"]);
  });

  test("by default exclude files that no image needs", () => {
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

  test("for package folders use the expression required by the platform's protocol", () => {
    assert.deepEqual(new IgnoreRules(["node_modules"]).patterns, ["^(?:.+/)?node_modules(?:/|$)"]);
  });

  test("keep an ignored folder closed unless an exception's path starts with it", () => {
    const rules = new IgnoreRules(["data", "node_modules", "!keep.md", "!/data/a/model.bin"]);
    assert.ok(rules.mayReopen("data/") && rules.mayReopen("data/a") && !rules.mayReopen("data/b"));
    assert.ok(!rules.mayReopen("node_modules"));
  });
});

describe("the rules of a folder", () => {
  const files = { a: "", b: "", "node_modules/x/index.js": "", "src/README.md": "", "Dockerfile.gpu": "" };

  /** The files above that are not ignored. */
  async function left(ignore?: string[], more: Record<string, string> = {}): Promise<string[]> {
    using folder = new ContextFolder({ ...files, ...more });
    const collected = await collectFiles({
      context: folder.path,
      ...(ignore === undefined ? {} : { ignore }),
    });
    return collected.map(({ relativePath }) => relativePath).filter((path) => !(path in more));
  }

  test("are the given list, else .dockerignore, else the defaults; sources are never combined", async () => {
    const more = { ".dockerignore": "a\n" };
    assert.deepEqual(await left(["b"], more), Object.keys(files).toSorted().toSpliced(2, 1));
    assert.deepEqual(await left(undefined, more), Object.keys(files).toSorted().toSpliced(1, 1));
    assert.deepEqual(await left(), ["a", "b"]);
    assert.deepEqual(await left([]), Object.keys(files).toSorted());
  });

  test("may have a byte order mark and Windows line endings", async () => {
    const text = "\uFEFFa\r\nb\r\n!a\r\nnode_modules\r\nsrc\r\n";
    assert.deepEqual(await left(undefined, { ".dockerignore": text }), ["Dockerfile.gpu", "a"]);
  });

  test("are an error if they cannot be read; the defaults are not used", async () => {
    using folder = new ContextFolder();
    mkdirSync(join(folder.path, ".dockerignore"));
    assert.throws(() => IgnoreRules.of(folder.path), {
      code: "IMAGE_INVALID",
      message: /\.dockerignore can't be read: EISDIR/,
    });
  });

  test("open an ignored folder if an exception's path starts with it", async () => {
    assert.deepEqual(await left(["*", "!/src/README.md", "!/node_modules/x"]), [
      "node_modules/x/index.js",
      "src/README.md",
    ]);
  });
});

describe("the expressions of ignore rules", () => {
  // Letters above U+FFFF are not used here: for "?" and sets one of the two engines treats them as two
  // characters.
  const letter = fc.constantFrom(..."ab-*?[]!^\\ /#.${}()+|:\té", "**", "***", "[ab]", "[!a]", "[a-c]");
  const line = fc
    .tuple(fc.constantFrom("", "", "!"), fc.array(letter, { minLength: 1, maxLength: 6 }))
    .map(([mark, letters]) => `${mark}${letters.join("")}`);
  const name = fc
    .array(fc.constantFrom(..."abc-*?[]!\\ #.${(+é:A^\t"), { minLength: 1, maxLength: 3 })
    .map((letters) => letters.join(""))
    .filter((text) => !/^\.+$/.test(text));
  const path = fc
    .tuple(fc.array(name, { minLength: 1, maxLength: 3 }), fc.constantFrom("", "/"))
    .map(([names, end]) => `${names.join("/")}${end}`);
  const cases = fc.tuple(
    fc.array(line, { minLength: 1, maxLength: 4 }),
    fc.uniqueArray(path, { minLength: 1, maxLength: 20 }),
  );

  test("match exactly the paths that the rules ignore", () => {
    fc.assert(
      fc.property(cases, ([lines, paths]) => {
        assert.deepEqual(matched(new IgnoreRules(lines), paths), ignored(lines, paths));
      }),
      { numRuns: 2000 },
    );
  });

  test("mean the same in Python", { skip: withoutPython }, () => {
    const sets = fc.sample(cases, 300);
    const input = sets.map(([lines, paths]) => ({ patterns: new IgnoreRules(lines).patterns, paths }));
    const program =
      "import json,re,sys\n" +
      "print(json.dumps([[p for p in c['paths'] if any(re.match(x, p) for x in c['patterns'])] for c in json.load(sys.stdin)]))";
    const { stdout, stderr } = spawnSync("python3", ["-W", "error", "-c", program], {
      input: JSON.stringify(input),
    });
    assert.equal(stderr.toString(), "");
    const byPython = JSON.parse(stdout.toString()) as string[][];
    for (const [index, [lines, paths]] of sets.entries()) {
      assert.deepEqual(byPython[index], ignored(lines, paths), JSON.stringify(lines));
    }
  });

  test("have no named groups, and are always valid", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme" })), path, (lines, somePath) => {
        const rules = new IgnoreRules(lines);
        for (const pattern of rules.patterns) assert.doesNotMatch(pattern, /\(\?P?<[A-Za-z]/);
        matched(rules, [somePath]);
        rules.ignores(somePath);
      }),
    );
  });
});

describe("compared with git", () => {
  const NAMES = ["a", "b", "ab", "A", ".env", "x.ts", "y.ts", "#c", "!d", "sp ace", "tail "];
  const glob = fc.constantFrom(
    ...NAMES,
    ...["*", "?", "*.ts", "[ab]", "[!a]", "[a-b]*", "d?", "d1", "deep", "**", "*.file"],
  );
  const escaped = fc.constantFrom("\\#c", "\\!d", "sp\\ ace", "tail\\ ", "tail ", "\\*");
  const pattern = fc
    .record({
      isAnchored: fc.boolean(),
      pieces: fc.array(fc.oneof({ weight: 6, arbitrary: glob }, { weight: 1, arbitrary: escaped }), {
        minLength: 1,
        maxLength: 3,
      }),
      isFolder: fc.boolean(),
    })
    .map(
      ({ isAnchored, pieces, isFolder }) =>
        `${isAnchored ? "/" : ""}${pieces.join("/")}${isFolder ? "/" : ""}`,
    )
    .filter((text) => !text.startsWith("!"));
  const blank = fc.constantFrom("", "# a comment", "  ");
  const plain = fc.oneof({ weight: 9, arbitrary: pattern }, blank);
  const exception = pattern.map((text) => `!${text}`);

  /** Files three levels deep, in a repository, with names built from the parts of the patterns. */
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
    git(folder.path, ["init", "-q"]);
    return folder;
  }

  function git(folder: string, args: readonly string[], input: string = ""): string {
    const { stdout, stderr, status } = spawnSync("git", ["-C", folder, ...args], {
      input,
      encoding: "utf8",
      env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" },
    });
    // check-ignore exits with 1 when nothing is ignored.
    assert.ok(
      status === 0 || (status === 1 && args[0] === "check-ignore"),
      `git ${args.join(" ")}: ${stderr}`,
    );
    return stdout;
  }

  function ignoredByGit(folder: string, lines: readonly string[], paths: readonly string[]): Set<string> {
    writeFileSync(join(folder, ".git/info/exclude"), `${lines.join("\n")}\n`);
    const answer = git(folder, ["check-ignore", "--no-index", "--stdin", "-z"], paths.join("\0"));
    return new Set(answer.split("\0").filter((path) => path !== ""));
  }

  async function pathsOf({ path: context }: ContextFolder, lines: readonly string[]): Promise<string[]> {
    const files = await collectFiles({ context, ignore: [...lines, "/.git"] });
    return files.map(({ relativePath }) => relativePath);
  }

  test("rules without exceptions ignore exactly the paths that git ignores", async () => {
    using folder = tree();
    const paths = await pathsOf(folder, []);
    assert.ok(paths.length > 60, `${paths.length} files`);
    await fc.assert(
      fc.asyncProperty(fc.array(plain, { minLength: 1, maxLength: 6 }), async (lines) => {
        const byGit = ignoredByGit(folder.path, lines, paths);
        assert.deepEqual(
          await pathsOf(folder, lines),
          paths.filter((path) => !byGit.has(path)),
        );
      }),
      { numRuns: 40 },
    );
  });

  test("rules include more than git does only where an exception matches", async () => {
    using folder = tree();
    const paths = await pathsOf(folder, []);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(plain, exception), { minLength: 2, maxLength: 6 }),
        async (lines) => {
          const byGit = ignoredByGit(folder.path, lines, paths);
          const byRules = ignored(lines, paths);
          assert.deepEqual(
            byRules.filter((path) => !byGit.has(path)),
            [],
          );
          // Without its "!", an exception such as "!#c" would be a comment.
          const exceptions = lines
            .filter((text) => text.startsWith("!"))
            .map((text) => text.slice(1).replace(/^[!#]/, "\\$&"));
          const more = [...byGit].filter((path) => !byRules.includes(path));
          assert.deepEqual(ignored(exceptions, more), more);
        },
      ),
      { numRuns: 40 },
    );
  });
});
