import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's folder. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A fenced code block. The words after the language in its first line are attributes: `ts file=app.ts`. */
export interface Block {
  readonly language: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly text: string;
  readonly line: number;
}

/** All fenced blocks of a page, in order. */
export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  const fence = /^```([a-z]*)[ \t]*([^\n]*)\n([^]*?)^```[ \t]*$/gm;
  for (const { 1: language = "", 2: info = "", 3: text = "", index } of markdown.matchAll(fence)) {
    const attributes = new Map(
      info
        .split(/\s+/)
        .filter((part) => part !== "")
        .map((part): [string, string] => {
          const [name = "", value = ""] = part.split("=");
          return [name, value];
        }),
    );
    blocks.push({ language, attributes, text, line: markdown.slice(0, index).split("\n").length });
  }
  return blocks;
}

/** The page without its fenced blocks. */
export function proseOf(markdown: string): string {
  return markdown.replaceAll(/^```[^]*?^```[ \t]*$/gm, "");
}

/** The rows of every table of a page, each as the texts of its cells, without header and delimiter rows. */
export function tableRows(markdown: string): string[][] {
  const lines = proseOf(markdown).split("\n");
  return lines
    .filter((line, index) => line.startsWith("|") && !isRuler(line) && !isRuler(lines[index + 1] ?? ""))
    .map((line) =>
      line
        .slice(1, line.lastIndexOf("|"))
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim().replaceAll("\\|", "|")),
    );
}

function isRuler(line: string): boolean {
  return /^\|[\s:|-]+\|$/.test(line);
}

/** The path of every Markdown page, relative to the repository. */
export function pages(): string[] {
  const skipped = new Set(["node_modules", "dist", ".git", ".cache", "coverage"]);
  const find = (folder: string): string[] =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return skipped.has(entry.name) ? [] : find(path);
      return entry.name.endsWith(".md") ? [relative(ROOT, path)] : [];
    });
  return find(ROOT).sort();
}

/** The text of a page, by its path relative to the repository. */
export function readPage(page: string): string {
  return readFileSync(join(ROOT, page), "utf8");
}
