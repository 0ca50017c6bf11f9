import { isDeepStrictEqual } from "node:util";
import { parse, stringify } from "smol-toml";

/** A value that can be set. */
export type SettingValue = string | number | boolean;

/** A parsed TOML file. */
export type TomlData = Record<string, unknown>;

/**
 * Reads a TOML text.
 *
 * @throws an error with the `line` of the mistake; its message quotes the text
 */
export function parseToml(text: string): TomlData {
  return parse(text);
}

/**
 * Sets or deletes one key of a table in a TOML text, or of the root if `table` is undefined. Comments and layout are kept. If the
 * text cannot be edited by lines (inline tables, multi-line values), it is generated from its data, without comments.
 *
 * @param value undefined deletes the key.
 */
export function setKey(
  text: string,
  table: string | undefined,
  key: string,
  value: SettingValue | undefined,
): string {
  const wanted = parseToml(text);
  const place = table === undefined ? wanted : ((own(wanted, table) as TomlData | undefined) ?? emptyTable());
  if (table !== undefined) define(wanted, table, place);
  if (value === undefined) delete place[key];
  else define(place, key, value);

  const lines = text.split(/\r?\n/);
  const [start, end] = sectionOf(lines, table) ?? appendSection(lines, table);
  const at = lines.findIndex((line, index) => index >= start && index < end && keyOf(line) === key);
  if (value === undefined) {
    if (at !== -1) lines.splice(at, 1);
  } else {
    const line = `${nameText(key)} = ${valueText(value)}`;
    if (at !== -1) lines[at] = line;
    else lines.splice(lastLine(lines, start, end), 0, line);
  }
  return checked(lines.join("\n"), wanted);
}

/** Adds an empty table, unless there is one. */
export function addTable(text: string, table: string): string {
  const wanted = parseToml(text);
  if (Object.hasOwn(wanted, table)) return text;
  define(wanted, table, emptyTable());
  const lines = text.split(/\r?\n/);
  appendSection(lines, table);
  return checked(lines.join("\n"), wanted);
}

/** Deletes a table and its content. */
export function deleteTable(text: string, table: string): string {
  const wanted = parseToml(text);
  delete wanted[table];
  const lines = text.split(/\r?\n/);
  const section = sectionOf(lines, table);
  if (section !== undefined) lines.splice(section[0] - 1, section[1] - section[0] + 1);
  return checked(lines.join("\n"), wanted);
}

/** The edited text if it has the wanted data, else a text generated from the data. */
function checked(text: string, wanted: TomlData): string {
  const tidy = text.trim() === "" ? "" : `${text.trimEnd()}\n`;
  try {
    if (isDeepStrictEqual(parse(tidy), wanted)) return tidy;
  } catch {
    // The text cannot be edited by lines.
  }
  return stringify(wanted);
}

/** The lines of a table, between its header and the next; those of the root are before the first header. */
function sectionOf(
  lines: readonly string[],
  table: string | undefined,
): [start: number, end: number] | undefined {
  const head = table === undefined ? -1 : lines.findIndex((line) => tableOf(line) === table);
  if (table !== undefined && head === -1) return undefined;
  const next = lines.findIndex((line, index) => index > head && /^\s*\[/.test(line));
  return [head + 1, next === -1 ? lines.length : next];
}

function appendSection(lines: string[], table: string | undefined): [start: number, end: number] {
  while (lines.at(-1)?.trim() === "") lines.pop();
  if (lines.length > 0) lines.push("");
  if (table !== undefined) lines.push(`[${nameText(table)}]`);
  return [lines.length, lines.length];
}

/** The line after the last non-blank line of a section: blank lines stay before the next header. */
function lastLine(lines: readonly string[], start: number, end: number): number {
  let last = end;
  while (last > start && lines[last - 1]?.trim() === "") last -= 1;
  return last;
}

const NAME = /^\s*(?:([A-Za-z0-9_-]+)|"((?:[^"\\]|\\.)*)"|'([^']*)')\s*/;

function keyOf(line: string): string | undefined {
  return nameBefore(line, /^=/);
}

function tableOf(line: string): string | undefined {
  const inner = /^\s*\[(?!\[)(.*)$/.exec(line)?.[1];
  return inner === undefined ? undefined : nameBefore(inner, /^\]\s*(#.*)?$/);
}

function nameBefore(text: string, rest: RegExp): string | undefined {
  const match = NAME.exec(text);
  if (match === null || !rest.test(text.slice(match[0].length))) return undefined;
  const [, bare, basic, literal] = match;
  if (basic === undefined) return bare ?? literal;
  try {
    return JSON.parse(`"${basic}"`) as string;
  } catch {
    return undefined;
  }
}

function nameText(name: string): string {
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : valueText(name);
}

/** TOML's basic strings are those of JSON, but TOML also escapes DEL. */
function valueText(value: SettingValue): string {
  return JSON.stringify(value).replaceAll("\u007f", "\\u007f");
}

/** Creates a table without a prototype, as the parser does, so that both compare as equal. */
function emptyTable(): TomlData {
  return Object.create(null) as TomlData;
}

function own(data: TomlData, key: string): unknown {
  return Object.hasOwn(data, key) ? data[key] : undefined;
}

/** Assigns a key. Unlike a plain assignment, it is safe for the key "__proto__". */
function define(data: TomlData, key: string, value: unknown): void {
  Object.defineProperty(data, key, { value, enumerable: true, configurable: true, writable: true });
}
