import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { AppConfig, ServableConfig } from "../../deploy-config.ts";
import { didYouMean } from "../../did-you-mean.ts";
import { UsageError } from "../../errors.ts";
import { flag, isRecord, misfit, Misfit, oneOf, text, type Check } from "../../settings/check.ts";
import { HEALTH_CHECK } from "../../settings/health-check.ts";
import { STRATEGIES } from "../../settings/app-values.ts";
import { SETTINGS, settingsOf } from "../../settings/settings.ts";
import { loadModule } from "../module-loader.ts";

/** A loaded config. */
export interface DeployConfig {
  /** Its path in messages. */
  readonly shown: string;
  /** The folder that paths are relative to. */
  readonly directory: string;
  readonly apps: ServableConfig["apps"];
}

const NAMES = ["servable.config.ts", "servable.config.mts", "servable.config.js", "servable.config.mjs"];

const APP: Readonly<Record<string, Check>> = {
  file: text("app.ts"),
  image: (value) =>
    isRecord(value) ? value : misfit("a ContainerImage, or { dockerfile } or { image }", value),
  name: SETTINGS.appName.check,
  auth: SETTINGS.appAuth.check,
  strategy: oneOf(...STRATEGIES),
  resetScale: flag,
  healthCheck: (value) => (isRecord(value) ? value : misfit("an object with a path", value)),
  ...Object.fromEntries(settingsOf("config").map((name) => [name, SETTINGS[name].check])),
};

/**
 * The nearest config, in the working directory or above: `servable.config.ts`, or "servable" in package.json.
 * @throws UsageError if it can't be loaded or is invalid
 */
export async function findConfig(from: string = process.cwd()): Promise<DeployConfig | undefined> {
  for (let folder = from; ; folder = dirname(folder)) {
    const name = NAMES.find((candidate) => existsSync(join(folder, candidate)));
    if (name !== undefined) return readModule(folder, name);
    const section = packageSection(join(folder, "package.json"));
    if (section !== undefined) return checkConfig(section, folder, "package.json");
    if (dirname(folder) === folder) return undefined;
  }
}

async function readModule(folder: string, name: string): Promise<DeployConfig> {
  const { default: exported } = await loadModule(join(folder, name));
  if (exported === undefined) {
    throw new UsageError(
      `${shownPath(folder, name)} has no default export; write "export default { apps: { … } }".`,
    );
  }
  return checkConfig(exported, folder, name);
}

function packageSection(path: string): unknown {
  if (!existsSync(path)) return undefined;
  try {
    return (JSON.parse(readFileSync(path, "utf8")) as { servable?: unknown } | null)?.servable;
  } catch (error) {
    throw new UsageError(`${path} can't be read: ${(error as Error).message}`, { cause: error });
  }
}

function checkConfig(value: unknown, directory: string, name: string): DeployConfig {
  const shown = shownPath(directory, name);
  const place = name === "package.json" ? `"servable" in ${shown}` : shown;
  if (!isRecord(value)) throw new UsageError(`${place} is not an object; write { apps: { … } }.`);
  checkKeys(value, { apps: (apps) => apps }, place);
  const { apps } = value;
  if (!isRecord(apps)) throw new UsageError(`${place} has no apps; write { apps: { "my-app": { … } } }.`);
  for (const [appName, app] of Object.entries(apps)) checkApp(appName, app, place);
  return { shown, directory, apps: apps as DeployConfig["apps"] };
}

function checkApp(name: string, app: unknown, place: string): void {
  const where = `${place}: apps.${name}`;
  if (!isRecord(app)) throw new UsageError(`${where} must be an object.`);
  checkKeys(app, APP, where);
  const sources = [app["file"], app["image"]].filter((source) => source !== undefined).length;
  if (sources === 0) throw new UsageError(`${where} needs a file or an image.`);
  if (sources === 2) throw new UsageError(`${where} has a file and an image; it takes one of them.`);
  const { minConcurrency, maxConcurrency, healthCheck } = app as unknown as AppConfig;
  if (minConcurrency !== undefined && maxConcurrency !== undefined && minConcurrency > maxConcurrency) {
    throw new UsageError(
      `${where}: minConcurrency (${minConcurrency}) is above maxConcurrency (${maxConcurrency}).`,
    );
  }
  if (healthCheck === undefined) return;
  checkKeys({ ...healthCheck }, HEALTH_CHECK, `${where}.healthCheck`);
  if (healthCheck.path === undefined) throw new UsageError(`${where}.healthCheck has no path.`);
}

function checkKeys(
  value: Readonly<Record<string, unknown>>,
  checks: Readonly<Record<string, Check>>,
  where: string,
): void {
  for (const [key, item] of Object.entries(value)) {
    const check = Object.hasOwn(checks, key) ? checks[key] : undefined;
    if (check === undefined) {
      const known = Object.keys(checks);
      const hint = didYouMean(key, known) || `; it takes ${known.join(", ")}.`;
      throw new UsageError(`${where} has an unknown key "${key}"${hint}`);
    }
    const result = item === undefined ? undefined : check(item);
    if (!(result instanceof Misfit)) continue;
    const { path, expected, got } = result;
    throw new UsageError(`${where}.${key}${path} must be ${expected}, got ${got}.`);
  }
}

function shownPath(folder: string, name: string): string {
  return relative(process.cwd(), join(folder, name)) || name;
}
