// Counts habits of English that readers have to read twice, over pages, comments and messages.
// Usage: node scripts/plain-english.mjs [FILE_OR_FOLDER…] [--json] [--limit N]
// Without paths it checks the documentation and the sources. Above the limit it lists the findings and exits with 1.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { HABITS } from "./plain-english-habits.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** The maximum number of habits in all checked files together. */
const LIMIT = 15;
const PATHS = ["docs", "README.md", "CONTRIBUTING.md", "SECURITY.md", "templates", "examples", "src"];
const SKIPPED_FOLDERS = new Set(["node_modules", "dist", "generated", ".cache"]);
const SKIPPED_FILES = /\.d\.ts$/;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean" }, limit: { type: "string" } },
});

const paths = positionals.length > 0 ? positionals : PATHS.map((path) => join(ROOT, path));
const limit = values.limit === undefined ? LIMIT : Number(values.limit);
const findings = paths.flatMap(filesIn).flatMap(findingsIn);

if (values.json) console.log(JSON.stringify({ limit, count: findings.length, findings }, null, 2));
else print();
process.exitCode = findings.length > limit ? 1 : 0;

function print() {
  const listed = positionals.length > 0 || findings.length > limit ? findings : [];
  for (const { file, line, habit, sentence } of listed) {
    const { instead } = HABITS.find((known) => known.name === habit);
    console.log(`${file}:${line}  ${habit} (instead: ${instead})\n    ${sentence}`);
  }
  console.log(`plain English: ${findings.length} habits to rewrite, at most ${limit} allowed`);
}

function filesIn(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      if (entry.isDirectory()) return SKIPPED_FOLDERS.has(entry.name) ? [] : filesIn(join(path, entry.name));
      return /\.(?:md|ts|mts)$/.test(entry.name) && !SKIPPED_FILES.test(entry.name)
        ? [join(path, entry.name)]
        : [];
    });
}

function findingsIn(path) {
  const text = readFileSync(path, "utf8");
  const file = relative(ROOT, path);
  const passages = path.endsWith(".md") ? passagesOfPage(text) : passagesOfCode(text);
  return passages.flatMap((passage) =>
    sentencesOf(passage).flatMap(({ text: sentence, line }) =>
      HABITS.filter((habit) => has(habit, sentence, passage.kind)).map((habit) => ({
        file,
        line,
        habit: habit.name,
        sentence,
      })),
    ),
  );
}

function has({ name, pattern, start, unless }, sentence, kind) {
  if (unless?.test(sentence)) return false;
  if (!start) return pattern.test(sentence);
  if (kind === "cell" || (kind === "heading" && name === "what-subject")) return false; // a title, not a sentence
  return sentence.split(/; /).some((part) => pattern.test(part.replace(/^[^A-Za-z]+/, "")));
}

/** The sentences of a passage, each with the line on which it starts. */
function sentencesOf({ text, line }) {
  const sentences = [];
  let from = 0;
  for (const { index, 0: gap } of [
    ...text.matchAll(/(?<=[.!?]["”)*_]*)\s+(?=["“(*_`]*[A-Z`])/g),
    { index: text.length, 0: "" },
  ]) {
    const raw = text.slice(from, index);
    const sentence = raw.replaceAll(/\s+/g, " ").trim();
    const before = text.slice(0, from).split("\n").length - 1;
    if (/[a-z]{2}/.test(sentence)) sentences.push({ text: sentence, line: line + before });
    from = index + gap.length;
  }
  return sentences;
}

/** The paragraphs, list items, headings and table cells of a page, and the comments of its TypeScript blocks. */
function passagesOfPage(page) {
  const passages = [];
  const lines = page.split("\n");
  let open;
  const close = () => {
    if (open !== undefined) passages.push(open);
    open = undefined;
  };
  for (let index = 0; index < lines.length; index++) {
    const text = lines[index];
    const line = index + 1;
    const fence = /^\s*```([a-z]*)/.exec(text);
    if (fence) {
      close();
      const end = lines.findIndex((later, at) => at > index && /^\s*```\s*$/.test(later));
      const last = end < 0 ? lines.length : end;
      if (fence[1] === "ts") {
        const code = lines.slice(index + 1, last).join("\n");
        passages.push(...passagesOfCode(code, line + 1).filter(({ kind }) => kind === "comment"));
      }
      index = last;
    } else if (/^\s*\|/.test(text)) {
      close();
      for (const cell of text.split(/(?<!\\)\|/)) passages.push({ kind: "cell", text: plain(cell), line });
    } else if (/^\s*$/.test(text)) close();
    else if (text.startsWith("#")) {
      close();
      passages.push({ kind: "heading", text: plain(text.replace(/^#+\s*/, "")), line });
    } else if (/^\s*(?:[-*]|\d+\.)\s/.test(text)) {
      close();
      open = { kind: "text", text: plain(text.replace(/^\s*(?:[-*]|\d+\.)\s/, "")), line };
    } else if (open === undefined) open = { kind: "text", text: plain(text), line };
    else open.text += `\n${plain(text)}`;
  }
  close();
  return passages;
}

/** A line of Markdown without its markup; inline code becomes `code`, so that quotations are not counted. */
function plain(text) {
  return text
    .replaceAll(/`[^`]*`/g, "`code`")
    .replaceAll(/\]\([^)]*\)/g, "]")
    .replaceAll(/[[\]*]/g, "");
}

/** The comments of TypeScript, and the string literals that are sentences. */
function passagesOfCode(code, firstLine = 1) {
  const passages = [];
  const token =
    /\/\/([^\n]*)|\/\*([^]*?)\*\/|"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\$]|\\[^]|\$(?!\{))*)|(?<=(?:[=(,:;!&|?{}[\n]|=>|return)\s*)\/(?![*/])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*|\$\{|[{}]/g;
  const templates = []; // the brace depths at which the text of a template continues
  let depth = 0;
  let template;
  let comment;
  const lineAt = (index) => firstLine + code.slice(0, index).split("\n").length - 1;
  const message = (text, index) => {
    if (/[A-Za-z]+ [a-z]+ [a-z]/i.test(text))
      passages.push({ kind: "message", text: unescaped(text), line: lineAt(index) });
  };
  for (let match = token.exec(code); match !== null; match = token.exec(code)) {
    const [whole, lineComment, blockComment, double, single, start] = match;
    const { index } = match;
    if (lineComment !== undefined) {
      const line = lineAt(index);
      const alone = /(?:^|\n)[ \t]*$/.test(code.slice(0, index));
      if (alone && comment !== undefined && comment.next === line) {
        comment.text += `\n${lineComment}`;
        comment.next = line + 1;
      } else {
        comment = { kind: "comment", text: lineComment, line, next: alone ? line + 1 : -1 };
        passages.push(comment);
      }
    } else if (blockComment !== undefined) passages.push(...commentParts(blockComment, lineAt(index)));
    else if (double !== undefined) message(double, index);
    else if (single !== undefined) message(single, index);
    else if (start !== undefined) {
      template = { text: "", index, outer: template };
      token.lastIndex = index + 1;
      readTemplate(index + 1);
    } else if (whole === "{") depth++;
    else if (whole === "}") {
      if (templates.length > 0 && templates.at(-1).depth === depth) {
        template = templates.pop().template;
        template.text += "X";
        readTemplate(index + 1);
      } else depth--;
    }
  }
  return passages.map(({ kind, text: passage, line }) => ({ kind, text: passage, line }));

  function readTemplate(from) {
    const body = /(?:[^`\\$]|\\[^]|\$(?!\{))*/y;
    body.lastIndex = from;
    const [part] = body.exec(code);
    template.text += part;
    const end = from + part.length;
    if (code[end] === "`" || end >= code.length) {
      message(template.text, template.index);
      template = template.outer;
      token.lastIndex = end + 1;
    } else {
      templates.push({ template, depth });
      token.lastIndex = end + 2;
    }
  }
}

/** The paragraphs and list items of a block comment. */
function commentParts(comment, line) {
  const parts = [];
  let open;
  for (const [index, raw] of comment.split("\n").entries()) {
    const text = plain(raw.replace(/^\s*\*+ ?/, "").replace(/^\*\s?/, ""));
    if (text.trim() === "") open = undefined;
    else if (open === undefined || /^\s*(?:-|@\w+)/.test(text)) {
      open = { kind: "comment", text: text.replace(/^\s*(?:-|@\w+)\s*/, ""), line: line + index };
      parts.push(open);
    } else open.text += `\n${text}`;
  }
  return parts;
}

function unescaped(text) {
  return text
    .replaceAll(/\\n/g, " ")
    .replaceAll(/\\(.)/g, "$1")
    .replaceAll(/`[^`]*`/g, "`code`");
}
