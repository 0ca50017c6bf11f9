import { readFileSync } from "node:fs";
import { join } from "node:path";
import { didYouMean } from "../../did-you-mean.ts";
import { isRecord, Misfit } from "../../settings/check.ts";
import { platformFailure } from "../failure.ts";
import {
  fileName,
  PLATFORM_SETTINGS,
  type PlatformSetting,
  type PlatformSettings,
} from "./platform-settings.ts";

/** Path of the settings of a platform. The file is optional. */
export function settingsPath(stateDirectory: string): string {
  return join(stateDirectory, "platform.toml");
}

/**
 * Reads the settings of a platform. Missing ones get their defaults.
 * @throws StartupError if the file can't be read, or has an unknown name or an invalid value
 */
export async function readSettings(stateDirectory: string): Promise<PlatformSettings> {
  const path = settingsPath(stateDirectory);
  const data = await parsedFile(path);
  const refuse = (message: string): never => {
    throw platformFailure(`${path}: ${message}`);
  };
  const tables = Object.entries<Readonly<Record<string, PlatformSetting>>>(PLATFORM_SETTINGS);
  assertKnown(
    data,
    tables.map(([name]) => name),
    (name, hint) => refuse(`[${name}] is not a table of settings${hint}`),
  );
  const settings = tables.map(([tableName, rows]) => {
    const table = data[fileName(tableName)] ?? {};
    if (!isRecord(table))
      return refuse(`${fileName(tableName)} has to be a table: [${fileName(tableName)}].`);
    assertKnown(table, Object.keys(rows), (name, hint) =>
      refuse(`${name} is not a setting of [${fileName(tableName)}]${hint}`),
    );
    const values = Object.entries(rows).map(([name, { check, default: byDefault }]) => {
      const given = table[fileName(name)];
      const value = given === undefined ? byDefault : check(given);
      return value instanceof Misfit
        ? refuse(
            `${fileName(name)}${value.path} of [${fileName(tableName)}] must be ${value.expected}, got ${value.got}.`,
          )
        : [name, value];
    });
    return [tableName, Object.fromEntries(values)];
  });
  return Object.fromEntries(settings) as PlatformSettings;
}

async function parsedFile(path: string): Promise<Readonly<Record<string, unknown>>> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return {};
    throw platformFailure(`${path} can't be read (${code}).`, error);
  }
  const { parse } = await import("smol-toml");
  try {
    return parse(text);
  } catch (error) {
    const line = error instanceof Error && "line" in error ? ` in line ${String(error.line)}` : "";
    throw platformFailure(
      `${path} is not valid TOML${line}: ${(error as Error).message.split("\n")[0]}`,
      error,
    );
  }
}

/** Reports the first name of the file that is not among the known ones, with a suggestion. */
function assertKnown(
  given: Readonly<Record<string, unknown>>,
  known: readonly string[],
  refuse: (name: string, hint: string) => never,
): void {
  const names = known.map(fileName);
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) refuse(name, didYouMean(name, names) || `; there are ${names.join(", ")}.`);
  }
}
