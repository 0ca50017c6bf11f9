import {
  fileName,
  PLATFORM_SETTINGS,
  type PlatformSetting,
} from "../../controller/settings/platform-settings.ts";
import { readSettings, settingsPath } from "../../controller/settings/settings-file.ts";

/** A setting of the platform with its value. */
export interface ListedSetting {
  /** `retention.logs_days`. */
  readonly name: string;
  readonly value: unknown;
  readonly byDefault: unknown;
  readonly doc: string;
}

/** The settings of the platform in a folder, and the path of their file. @throws StartupError if the file is invalid */
export async function listSettings(
  directory: string,
): Promise<{ readonly path: string; readonly settings: readonly ListedSetting[] }> {
  const values: Readonly<Record<string, Readonly<Record<string, unknown>>>> = await readSettings(directory);
  const tables = Object.entries<Readonly<Record<string, PlatformSetting>>>(PLATFORM_SETTINGS);
  const settings = tables.flatMap(([table, rows]) =>
    Object.entries(rows).map(([name, { default: byDefault, doc }]) => ({
      name: `${fileName(table)}.${fileName(name)}`,
      value: values[table]?.[name],
      byDefault,
      doc: doc.replaceAll("`", ""),
    })),
  );
  return { path: settingsPath(directory), settings };
}
