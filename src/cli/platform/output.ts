import { stripVTControlCharacters } from "node:util";
import { Option, type Command } from "commander";
import { UsageError } from "../../errors.ts";
import { withoutControls } from "../../output/visible-text.ts";
import { plainLine } from "../../platform/transport/plain-line.ts";
import { styleFor, type Paint } from "../style.ts";

/** Options that choose how a command prints its result. */
export interface OutputOptions {
  readonly json?: boolean;
  readonly output?: "pretty" | "json";
}

/** For people, as JSON of this command line, or as JSON under the keys of fal's own command line. */
export type Format = "pretty" | "json" | "original";

/** Adds `--json` and `--output`. @param what the help of `--json` */
export function withOutput(command: Command, what = "print them as JSON"): Command {
  return command
    .option("--json", what)
    .addOption(
      new Option("--output <format>", "for people, or as JSON under the keys of fal's own command line")
        .choices(["pretty", "json"])
        .helpGroup("Output options:"),
    );
}

/** The requested format. @throws UsageError if two formats are requested */
export function formatOf({ json, output }: OutputOptions): Format {
  if (output === "json") return "original";
  if (json !== true) return "pretty";
  if (output === "pretty") throw new UsageError("--json and --output pretty ask for two formats: give one.");
  return "json";
}

/** Prints JSON in one line, as fal's own command line does. */
export function printOriginal(value: unknown): void {
  console.log(JSON.stringify(value));
}

/** A value in a table. */
export type Cell = string | number | boolean | Date | undefined | readonly string[];

/** Prints a table, or on a terminal that is too narrow a block for each row. */
export function printTable(heads: readonly string[], rows: readonly (readonly Cell[])[]): void {
  const columns = process.stdout.isTTY ? process.stdout.columns : undefined;
  for (const line of tableLines(heads, rows, styleFor(process.stdout).bold, columns)) console.log(line);
}

/**
 * Formats a table. Control characters are removed, so that a value stays in its cell.
 *
 * @param columns the width; rows of a wider table become blocks with one cell per row. Default: unlimited
 */
export function tableLines(
  heads: readonly string[],
  rows: readonly (readonly Cell[])[],
  bold: Paint = String,
  columns = Infinity,
): string[] {
  const texts = rows.map((row) => row.map(cellText));
  const widths = heads.map((head, index) =>
    Math.max(head.length, ...texts.map((row) => row[index]?.length ?? 0)),
  );
  if (widths.reduce((sum, width) => sum + width + 2, -2) > columns) return blocks(heads, texts, bold);
  const lineOf = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd();
  return [bold(lineOf(heads)), ...texts.map(lineOf)];
}

function blocks(heads: readonly string[], rows: readonly (readonly string[])[], bold: Paint): string[] {
  const width = Math.max(...heads.map((head) => head.length));
  return rows.flatMap((row, index) => [
    ...(index === 0 ? [] : [""]),
    ...heads.map((head, column) => `${bold(head.padEnd(width))}  ${row[column] ?? ""}`),
  ]);
}

/** Prints JSON with names in snake_case, as fal's own command line does. */
export function printJson(value: unknown): void {
  console.log(JSON.stringify(snakeCase(value), null, 2));
}

/** Makes untrusted text safe for a terminal: removes escapes and control characters other than line breaks and tabs. */
export function terminalText(text: string): string {
  return withoutControls(stripVTControlCharacters(text));
}

function cellText(cell: Cell): string {
  if (cell === undefined || cell === "") return "-";
  if (cell instanceof Date) return cell.toISOString().replace(/\.\d+Z$/, "Z");
  if (typeof cell === "boolean") return cell ? "yes" : "no";
  if (typeof cell === "object") return cell.length === 0 ? "-" : plainLine(cell.join(", "));
  return plainLine(String(cell));
}

function snakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCase);
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      snakeCase(item),
    ]),
  );
}
