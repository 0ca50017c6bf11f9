import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { pages, proseOf, readPage, ROOT } from "./markdown.ts";

/** The anchors of a page's headings. */
function anchors(page: string): Set<string> {
  const headings = proseOf(readPage(page)).matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
}

test("every relative link of every page has a target", () => {
  const broken = pages().flatMap((page) => {
    const links = [...proseOf(readPage(page)).matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)].map(
      ([, link = ""]) => link,
    );
    return links
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const [path = "", anchor] = link.split("#");
        const target = path === "" ? page : normalize(join(dirname(page), path));
        if (target.startsWith("..") || !existsSync(join(ROOT, target))) return true;
        if (anchor === undefined) return false;
        return !statSync(join(ROOT, target)).isFile() || !anchors(target).has(anchor);
      })
      .map((link) => `${page}: ${link}`);
  });
  assert.deepEqual(broken, []);
});

test("every page of docs can be reached from the README", () => {
  const reached = new Set<string>();
  const visit = (page: string): void => {
    if (reached.has(page) || !existsSync(join(ROOT, page))) return;
    reached.add(page);
    for (const [, link = ""] of proseOf(readPage(page)).matchAll(/\]\(([^)\s#]+\.md)(?:#[^)]*)?\)/g)) {
      if (!/^[a-z]+:/.test(link)) visit(normalize(join(dirname(page), link)));
    }
  };
  visit("README.md");
  assert.deepEqual(
    pages().filter((page) => page.startsWith("docs/") && !reached.has(page)),
    [],
  );
});
