import { distance } from "fastest-levenshtein";
import { DefinitionError } from "../errors.ts";
import { resolveWorkers, type WorkerOptions } from "../routes/dispatch-options.ts";

/** Says what a value should have been, or nothing when it is fine. */
type Rule = (value: unknown) => string | undefined;

const wholeNumber =
  (minimum: number, maximum = Number.MAX_SAFE_INTEGER): Rule =>
  (value) =>
    Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum
      ? undefined
      : maximum === Number.MAX_SAFE_INTEGER
        ? `a whole number of at least ${minimum}`
        : `a whole number from ${minimum} to ${maximum}`;
/** The longest wait a Node timer takes, about 24.8 days; a longer one would end at once. */
const MAX_SECONDS = Math.floor((2 ** 31 - 1) / 1000);
const seconds: Rule = (value) =>
  typeof value === "number" && value > 0 && value <= MAX_SECONDS
    ? undefined
    : `a positive number of seconds, at most ${MAX_SECONDS}`;
const text: Rule = (value) => (typeof value === "string" && value !== "" ? undefined : "a text");
const texts: Rule = (value) =>
  Array.isArray(value) && value.every((item) => text(item) === undefined) ? undefined : "a list of texts";
const textOrTexts: Rule = (value) =>
  text(value) === undefined || texts(value) === undefined ? undefined : "a text or a list of texts";
const oneOf =
  (...names: string[]): Rule =>
  (value) =>
    names.includes(value as string) ? undefined : `one of ${names.map((name) => `"${name}"`).join(", ")}`;
const flag: Rule = (value) => (typeof value === "boolean" ? undefined : "true or false");
const record: Rule = (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? undefined : "an object";

const RETRY_CONDITIONS = ["timeout", "server_error", "connection_error"] as const;

/** A reason for which a platform sends a request to another runner. */
export type RetryCondition = (typeof RETRY_CONDITIONS)[number];

/** What an app says of its container image: a `ContainerImage`. */
export interface AppImage {
  /** The name of an image that is there; undefined for one that is made of a Dockerfile. */
  readonly reference: string | undefined;
  /** The form in which it goes over the wire. */
  toDict(): Readonly<Record<string, unknown>>;
}

// By its shape, since another copy of this package may have made it.
const containerImage: Rule = (value) =>
  record(value) === undefined && typeof (value as Partial<AppImage>).toDict === "function"
    ? undefined
    : "a ContainerImage";

const retryConditions: Rule = (value) =>
  Array.isArray(value) && value.every((item) => RETRY_CONDITIONS.includes(item as RetryCondition))
    ? undefined
    : `a list of ${RETRY_CONDITIONS.map((name) => `"${name}"`).join(", ")}`;

const retryConfig: Rule = (value) => {
  const expected = `an object from ${RETRY_CONDITIONS.map((name) => `"${name}"`).join(", ")} to { retries: number }`;
  if (record(value) !== undefined || Object.keys(value as object).length === 0) return expected;
  const fits = Object.entries(value as object).every(
    ([condition, item]) =>
      RETRY_CONDITIONS.includes(condition as RetryCondition) &&
      wholeNumber(0)((item as { retries?: unknown } | null)?.retries) === undefined,
  );
  return fits ? undefined : expected;
};

const appName: Rule = (value) =>
  typeof value === "string" && /^[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?$/i.test(value) && !value.includes("--")
    ? undefined
    : 'letters, digits and single "-", such as "text-to-image"';

/** Every setting of an app, and what it takes. One place for all range checks. */
export const APP_SETTINGS: Readonly<Record<string, Rule>> = {
  version: text,
  appName,
  appAuth: oneOf("private", "public", "shared"),
  machineType: textOrTexts,
  numGpus: wholeNumber(1),
  regions: texts,
  requirements: (value) =>
    Array.isArray(value) && value.every((item) => textOrTexts(item) === undefined)
      ? undefined
      : "a list of package specs",
  localModules: texts,
  keepAlive: wholeNumber(0),
  minConcurrency: wholeNumber(0),
  maxConcurrency: wholeNumber(1),
  concurrencyBuffer: wholeNumber(0),
  concurrencyBufferPerc: wholeNumber(0),
  scalingDelay: wholeNumber(0),
  requestStartTimeout: wholeNumber(0, MAX_SECONDS),
  maxMultiplexing: wholeNumber(1),
  workers: (value) => {
    try {
      resolveWorkers(value as number | WorkerOptions, (message) => {
        throw new TypeError(message);
      });
      return undefined;
    } catch (error) {
      return `a number or { count, devices } (${(error as Error).message})`;
    }
  },
  overloadStatus: (value) => (value === 429 || value === 503 ? undefined : "429 or 503"),
  requestTimeout: seconds,
  startupTimeout: seconds,
  terminationGracePeriodSeconds: wholeNumber(0, MAX_SECONDS),
  stuckGracePeriodSeconds: seconds,
  metricsPort: wholeNumber(0, 65_535),
  exposedPort: wholeNumber(1, 65_535),
  secrets: texts,
  dataMounts: texts,
  retryConfig,
  skipRetryConditions: retryConditions,
  image: containerImage,
  appFiles: texts,
  appFilesIgnore: texts,
  appFilesContextDir: text,
  privateLogs: flag,
  hostOptions: record,
};

/**
 * Checks the statics of an app class and of its ancestors up to `root`. Methods and accessors are the user's own, but
 * under a setting's very name.
 * @throws DefinitionError for a value that makes no sense, and for a static that looks like a misspelt setting.
 */
export function assertSettings(constructor: Function, root: Function): void {
  for (
    let owner: Function = constructor;
    owner !== root && owner !== Function.prototype;
    owner = Object.getPrototypeOf(owner) as Function
  ) {
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(owner))) {
      if (BUILT_IN.has(name)) continue;
      if (Object.hasOwn(APP_SETTINGS, name)) {
        assertSetting(constructor.name, name, (owner as unknown as Record<string, unknown>)[name]);
      } else if ("value" in descriptor && typeof descriptor.value !== "function") {
        assertNotMisspelt(constructor.name, name);
      }
    }
  }
}

const BUILT_IN: ReadonlySet<string> = new Set(["length", "name", "prototype", "arguments", "caller"]);

function assertSetting(className: string, name: string, value: unknown): void {
  const expected = value === undefined ? undefined : APP_SETTINGS[name]?.(value);
  if (expected === undefined) return;
  throw new DefinitionError(
    "SETTING_INVALID",
    `${className}.${name} must be ${expected}, got ${shown(value)}.`,
  );
}

function assertNotMisspelt(className: string, name: string): void {
  const meant = meantSetting(name);
  if (meant === undefined) return; // a static of the user's own
  throw new DefinitionError(
    "SETTING_UNKNOWN",
    `${className}.${name} is no setting; did you mean "${meant}"?`,
  );
}

/**
 * The setting that a static most likely means: one of the same letters, whatever their case and underscores, or one
 * that is a letter away (left out, added, changed, or two swapped). A setting's whole name with more after it
 * (`images`, `version2`) is a word of its own.
 */
function meantSetting(name: string): string | undefined {
  const plain = plainName(name);
  const known = Object.keys(APP_SETTINGS).map((setting) => [setting, plainName(setting)] as const);
  const same = known.find(([, setting]) => setting === plain);
  if (same !== undefined) return same[0];
  if (known.some(([, setting]) => plain.startsWith(setting))) return undefined;
  return known.find(([, setting]) => isOneTypoAway(plain, setting))?.[0];
}

function plainName(name: string): string {
  return name.toLowerCase().replaceAll("_", "");
}

function isOneTypoAway(a: string, b: string): boolean {
  if (distance(a, b) === 1) return true;
  const at = [...a].findIndex((letter, index) => letter !== b[index]);
  return a.slice(0, at) + a.charAt(at + 1) + a.charAt(at) + a.slice(at + 2) === b;
}

function shown(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return typeof value;
  }
}
