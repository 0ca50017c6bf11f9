import assert from "node:assert/strict";
import { test } from "node:test";
import { assertPrefixes, MemberTable } from "../../../src/server/group/member-table.ts";

const table = (...prefixes: string[]): MemberTable<{ name: string; prefix: string }> =>
  new MemberTable(
    prefixes.map((prefix) => ({ name: `class of ${prefix}`, prefix })),
    "",
  );

test("a class is found by its prefix byte for byte, up to a slash, a query or the end", () => {
  const found = (url: string): string | undefined => table("/a", "/ab", "/team/c").find(url)?.prefix;
  for (const [url, prefix] of [
    ["/a", "/a"],
    ["/a/", "/a"],
    ["/a?q", "/a"],
    ["/a/x", "/a"],
    ["/ab/x", "/ab"],
    ["/team/c/x", "/team/c"],
    ["/abc", undefined],
    ["/team", undefined],
    ["/team/x", undefined],
    ["/A/x", undefined],
    ["/a#x", undefined],
    ["/a;x", undefined],
    ["/a\\x", undefined],
    ["//a/x", undefined],
    ["/./a/x", undefined],
    ["/b/../a/x", undefined],
    ["/%61/x", undefined],
    ["/a%2fx", undefined],
    ["a/x", undefined],
    ["http://h/a/x", undefined],
    ["*", undefined],
    ["", undefined],
  ] as const) {
    assert.equal(found(url), prefix, url);
  }
});

test("a root path may precede the prefixes, or have been removed by a proxy", () => {
  const behind = new MemberTable([{ name: "A", prefix: "/a" }], "/user/app");
  for (const [url, isFound, full] of [
    ["/user/app/a/x", true, "/user/app/a/x"],
    ["/a/x", true, "/user/app/a/x"],
    ["/user/app", false, "/user/app"],
    ["/user/app/", false, "/user/app/"],
    ["/user/application/a", false, undefined],
    ["/user/app/user/app/a", false, undefined],
    ["/user/a", false, undefined],
  ] as const) {
    assert.equal(behind.find(url) !== undefined, isFound, url);
    if (full !== undefined) assert.equal(behind.withRootPath(url), full);
  }
});

test("prefixes that are no plain paths, or could be mistaken for each other, are refused by name", () => {
  const check = (...prefixes: string[]): void =>
    assertPrefixes(
      prefixes.map((prefix) => ({ name: `class of ${prefix}`, prefix })),
      "",
    );
  for (const prefix of [
    ...[
      "",
      "/",
      "a",
      "a/",
      "/a/",
      "//a",
      "/a//b",
      "/a b",
      "/ä",
      "/%61",
      "/a?b",
      "/a#b",
      "/:a",
      "/*",
      "/a/.",
      "/../a",
    ],
    ...["/a\\b", "/a\n", "/(refused)"],
  ]) {
    assert.throws(() => check(prefix), {
      code: "SETTING_INVALID",
      message: /^The prefix ".*" of class of [^]* is not valid; write a path such as/,
    });
  }
  for (const prefix of ["/health", "/livez", "/readyz", "/health/deep"]) {
    assert.throws(
      () => check(prefix),
      /is taken: the server itself answers \/(?:health|livez|readyz)\. Choose/,
    );
  }
  assert.throws(() => check("/a", "/b", "/a"), /^.*class of \/a and class of \/a both have the prefix \/a\./);
  assert.throws(
    () => check("/a/b", "/a"),
    /prefix \/a\/b of class of \/a\/b lies below \/a, the prefix of class of \/a\./,
  );
  assert.doesNotThrow(() => check("/a", "/ab", "/A", "/b/c", "/b/d", "/healthy", "/a.b-c_d~e"));
  for (const [prefix, rootPath] of [
    ["/a", "/a"],
    ["/a/b", "/a"],
    ["/a", "/a/b"],
  ] as const) {
    assert.throws(
      () => assertPrefixes([{ name: "A", prefix }], rootPath),
      /can be mistaken for the root path/,
    );
  }
});
