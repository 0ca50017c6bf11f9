import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { AppConfig, ServableConfig } from "../../deploy-config.ts";
import { didYouMean } from "../../did-you-mean.ts";
import { UsageError } from "../../errors.ts";
import { SHARED_SETTINGS } from "../../hosts/serverless/app-settings.ts";
import { APP_SETTINGS } from "../../servable/settings.ts";
import { loadModule } from "../module-loader.ts";

/** A config that was found. */
export interface DeployConfig {
  /** Where it is, for messages. */
  readonly shown: string;
  /** What its paths are relative to. */
  readonly directory: string;
  readonly apps: ServableConfig["apps"];
}

type Rule = (value: unknown) => string | undefined;

const NAMES = ["servable.config.ts", "servable.config.mts", "servable.config.js", "servable.config.mjs"];

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const text: Rule = (value) => (typeof value === "string" && value !== "" ? undefined : "a text");
const flag: Rule = (value) => (typeof value === "boolean" ? undefined : "true or false");
const positive: Rule = (value) =>
  typeof value === "number" && value > 0 && Number.isFinite(value) ? undefined : "a positive number";
const oneOf =
  (...names: string[]): Rule =>
  (value) =>
    names.includes(value as string) ? undefined : `one of ${names.map((name) => `"${name}"`).join(", ")}`;

const HEALTH_CHECK: Readonly<Record<string, Rule>> = {
  path: (value) =>
    typeof value === "string" && value.startsWith("/") ? undefined : 'a path, such as "/health"',
  method: oneOf("GET", "POST"),
  startPeriodSeconds: positive,
  timeoutSeconds: positive,
  failureThreshold: positive,
  callRegularly: flag,
};
const APP: Readonly<Record<string, Rule>> = {
  file: text,
  image: (value) => (isRecord(value) ? undefined : "a ContainerImage, or { dockerfile } or { image }"),
  name: (value) => APP_SETTINGS["appName"]?.(value),
  auth: (value) => APP_SETTINGS["appAuth"]?.(value),
  strategy: oneOf("rolling", "recreate"),
  resetScale: flag,
  healthCheck: (value) => (isRecord(value) ? undefined : "an object with a path"),
  ...Object.fromEntries(
    SHARED_SETTINGS.map((name) => [name, (value: unknown) => APP_SETTINGS[name]?.(value)]),
  ),
};

/**
 * The nearest config, in the working directory or above: `servable.config.ts`, or "servable" in package.json.
 * @throws UsageError when it can't be loaded, or something in it makes no sense
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
  if (!isRecord(value)) throw new UsageError(`${place} is no object; write { apps: { … } }.`);
  checkKeys(value, { apps: () => undefined }, place);
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
  rules: Readonly<Record<string, Rule>>,
  where: string,
): void {
  for (const [key, item] of Object.entries(value)) {
    const rule = Object.hasOwn(rules, key) ? rules[key] : undefined;
    if (rule === undefined) {
      const known = Object.keys(rules);
      const hint = didYouMean(key, known) || `; it takes ${known.join(", ")}.`;
      throw new UsageError(`${where} has an unknown key "${key}"${hint}`);
    }
    const expected = item === undefined ? undefined : rule(item);
    if (expected !== undefined) throw new UsageError(`${where}.${key} must be ${expected}.`);
  }
}

function shownPath(folder: string, name: string): string {
  return relative(process.cwd(), join(folder, name)) || name;
}
