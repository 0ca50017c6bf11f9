import { distance } from "fastest-levenshtein";
import { DefinitionError } from "../errors.ts";
import type { ServerSettings } from "../server/definition.ts";
import { Misfit } from "../settings/check.ts";
import { settingOf, settingsOf, type SettingsOf } from "../settings/settings.ts";

/** The settings of a class. */
export const CLASS_SETTINGS: readonly string[] = settingsOf("class") satisfies readonly SettingsOf<"class">[];

/** The statics of a class that have an effect although it is no app: those of its server. */
export const SERVER_SETTINGS: readonly string[] = [
  "version",
  ...settingsOf("serve").filter((name) => CLASS_SETTINGS.includes(name)),
];

/** Former settings, each with advice on what to do instead. */
const REMOVED: Readonly<Record<string, string>> = {
  requirements: "packages are those of the app's package.json; list them there",
  localModules: "modules that the app imports are always included; remove it",
  hostOptions: "it has no effect; remove it",
  corsOrigins: "write static cors = { origins, credentials }",
  bodyLimit: "write static bodyLimitBytes",
  appFilesContextDir: "appFiles are relative to the app's own folder; write their paths from there",
};

/**
 * The statics of a class that are options of its server.
 * @throws DefinitionError for an invalid value
 */
export function serverSettings(constructor: Function): ServerSettings {
  const statics = constructor as unknown as Readonly<Record<string, unknown>>; // any class may have any static
  const given = settingsOf("serve").filter(
    (name) => SERVER_SETTINGS.includes(name) && statics[name] !== undefined,
  );
  return Object.fromEntries(
    given.map((name) => [name, assertSetting(constructor.name, name, statics[name])]),
  );
}

/**
 * Checks the statics of a class and of its ancestors up to `root`. Static methods and accessors are not checked, unless
 * their name is that of a setting.
 * @param settings the names of the statics that have an effect. Default: those of an app
 * @throws DefinitionError for an invalid value, for a former setting, and for a static that looks like a misspelt
 *   setting.
 */
export function assertSettings(
  constructor: Function,
  root: Function,
  settings: readonly string[] = CLASS_SETTINGS,
): void {
  for (
    let owner: Function = constructor;
    owner !== root && owner !== Function.prototype;
    owner = Object.getPrototypeOf(owner) as Function
  ) {
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(owner))) {
      if (BUILT_IN.has(name)) continue;
      const isData = "value" in descriptor && typeof descriptor.value !== "function";
      if (settings.includes(name)) {
        assertSetting(constructor.name, name, (owner as unknown as Record<string, unknown>)[name]);
      } else {
        const isSet = isData ? descriptor.value !== undefined : Object.hasOwn(REMOVED, name);
        if (isSet) assertNotRemoved(constructor.name, name);
        if (isData) assertNotMisspelt(constructor.name, name, descriptor.value, settings);
      }
    }
  }
}

const BUILT_IN: ReadonlySet<string> = new Set(["length", "name", "prototype", "arguments", "caller"]);

function assertSetting(className: string, name: string, value: unknown): unknown {
  const result = value === undefined ? undefined : settingOf(name)?.check(value);
  if (!(result instanceof Misfit)) return result;
  const { path, expected, got } = result;
  throw new DefinitionError(
    "SETTING_INVALID",
    `${className}.${name}${path} must be ${expected}, got ${got}.`,
  );
}

/** Refuses a former setting, in any letter case and with or without underscores. */
function assertNotRemoved(className: string, name: string): void {
  const [, reason] =
    Object.entries(REMOVED).find(([removed]) => plainName(removed) === plainName(name)) ?? [];
  if (reason === undefined) return;
  throw new DefinitionError("SETTING_UNKNOWN", `${className}.${name} is not a setting any more: ${reason}.`);
}

function assertNotMisspelt(
  className: string,
  name: string,
  value: unknown,
  settings: readonly string[],
): void {
  const meant = meantSetting(name, settings);
  if (meant === undefined) return; // not a setting
  // Many words are one letter away from a short name, so the value decides.
  const isSame = plainName(meant) === plainName(name) || meant === "auth"; // open to everyone would be worse
  if (!isSame && meant.length < SHORT && settingOf(meant)?.check(value) instanceof Misfit) return;
  throw new DefinitionError(
    "SETTING_UNKNOWN",
    `${className}.${name} is not a setting; did you mean "${meant}"?`,
  );
}

/**
 * The setting that a misspelt static most likely means: one that differs only in case and underscores, or in one letter
 * (missing, added, changed, or swapped with the next). A static that begins with the whole name of a setting (`images`,
 * `version2`) is not considered misspelt.
 */
function meantSetting(name: string, settings: readonly string[]): string | undefined {
  const plain = plainName(name);
  const known = settings.map((setting) => [setting, plainName(setting)] as const);
  const same = known.find(([, setting]) => setting === plain);
  if (same !== undefined) return same[0];
  if (known.some(([, setting]) => plain.startsWith(setting))) return undefined;
  return known.find(([, setting]) => isOneTypoAway(plain, setting))?.[0];
}

/** Names of settings below this length count as misspelt only if the value fits the setting. */
const SHORT = 6;

function plainName(name: string): string {
  return name.toLowerCase().replaceAll("_", "");
}

function isOneTypoAway(a: string, b: string): boolean {
  if (distance(a, b) === 1) return true;
  const at = [...a].findIndex((letter, index) => letter !== b[index]);
  return a.slice(0, at) + a.charAt(at + 1) + a.charAt(at) + a.slice(at + 2) === b;
}
