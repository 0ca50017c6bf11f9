import { DefinitionError } from "../errors.ts";

/** One instruction of a Dockerfile, with continued lines joined and comments removed. */
export interface Instruction {
  /** In upper case: "COPY". */
  readonly keyword: string;
  /** Flags such as `--from=build`, without the dashes. */
  readonly flags: readonly string[];
  /** The text after the flags, as written. */
  readonly text: string;
  /** The strings of the JSON form; undefined in the shell form. */
  readonly json: readonly string[] | undefined;
  /** The bodies of its here-documents. */
  readonly heredocs: readonly string[];
  /** Its first line, counted from 1. */
  readonly line: number;
}

/** A parsed Dockerfile. */
export interface Dockerfile {
  readonly instructions: readonly Instruction[];
  /** The character that escapes others and continues lines: a backslash, or a backtick if a directive sets it. */
  readonly escape: "\\" | "`";
}

const KEYWORDS: ReadonlySet<string> = new Set([
  ...["ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL"],
  ...["MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"],
]);
const WITH_HEREDOCS: ReadonlySet<string> = new Set(["ADD", "COPY", "RUN"]);

/**
 * Parses a Dockerfile: continued lines, comments between them, here-documents, flags, JSON and shell form.
 * @throws DefinitionError with code IMAGE_INVALID; the message names the line
 */
export function parseDockerfile(text: string): Dockerfile {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  const escape = escapeOf(lines);
  const continued = escape === "\\" ? /\\[ \t]*$/ : /`[ \t]*$/;
  const instructions: Instruction[] = [];
  for (let index = 0; index < lines.length; index++) {
    const line = index + 1;
    const first = lines[index] ?? "";
    if (isSkipped(first)) continue;
    let whole = first.trimStart();
    while (continued.test(whole)) {
      whole = whole.replace(continued, "");
      index++;
      while (index < lines.length && isSkipped(lines[index] ?? "")) index++;
      if (index >= lines.length) break;
      whole += lines[index] ?? "";
    }
    const head = readHead(whole.trim(), line);
    const heredocs: string[] = [];
    for (const { name, isIndented } of WITH_HEREDOCS.has(head.keyword) ? heredocMarks(whole) : []) {
      const body: string[] = [];
      for (index++; ; index++) {
        const next = lines[index];
        if (next === undefined) throw invalid(line, `the here-document ${name} is not closed`);
        const content = isIndented ? next.replace(/^\t+/, "") : next;
        if (content === name) break;
        body.push(content);
      }
      heredocs.push(body.map((content) => `${content}\n`).join(""));
    }
    instructions.push({ ...head, heredocs, line });
  }
  if (!instructions.some(({ keyword }) => keyword === "FROM")) {
    throw new DefinitionError(
      "IMAGE_INVALID",
      'The Dockerfile has no FROM; its first line should be like "FROM node:22-slim".',
    );
  }
  return { instructions, escape };
}

/** Reads the directive `# escape=`, which is valid only above all instructions and comments. */
function escapeOf(lines: readonly string[]): "\\" | "`" {
  for (const line of lines) {
    const [, name = "", value = ""] = /^\s*#\s*([a-z]+)\s*=\s*(\S+)\s*$/i.exec(line) ?? [];
    if (name === "") return "\\";
    if (name.toLowerCase() === "escape") return value === "`" ? "`" : "\\";
  }
  return "\\";
}

function isSkipped(line: string): boolean {
  return /^\s*(?:#|$)/.test(line);
}

function readHead(text: string, line: number): Omit<Instruction, "heredocs" | "line"> {
  const [, word = "", tail = ""] = /^(\S+)\s*([^]*)$/.exec(text) ?? [];
  const keyword = word.toUpperCase();
  if (!KEYWORDS.has(keyword)) throw invalid(line, `"${word}" is not an instruction`);
  const flags: string[] = [];
  let rest = tail;
  for (;;) {
    const [matched, flag = ""] = /^--([a-z][^\s]*)(?:\s+|$)/.exec(rest) ?? [];
    if (matched === undefined) break;
    flags.push(flag);
    rest = rest.slice(matched.length);
  }
  return { keyword, flags, text: rest, json: jsonForm(rest) };
}

function jsonForm(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
  } catch {
    return undefined; // Docker takes invalid JSON as the shell form
  }
}

interface HeredocMark {
  readonly name: string;
  readonly isIndented: boolean;
}

/** The here-documents that a line opens, such as `<<EOF` and `<<-"EOF"`. */
function heredocMarks(text: string): HeredocMark[] {
  const unquoted = text.replaceAll(/"(?:[^"\\]|\\.)*"|'[^']*'/g, (quoted, at: number) =>
    /<<-?$/.test(text.slice(0, at)) ? quoted : "",
  );
  const marks = unquoted.matchAll(/(?<=^|\s)\d*<<(-?)(["']?)([A-Za-z_][\w.-]*)\2(?=\s|$)/g);
  return [...marks].map(([, dash, , name = ""]) => ({ name, isIndented: dash === "-" }));
}

function invalid(line: number, what: string): DefinitionError {
  return new DefinitionError("IMAGE_INVALID", `Line ${line} of the Dockerfile: ${what}.`);
}
