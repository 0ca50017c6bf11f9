import {
  appImage,
  appName,
  AUTH_MODES,
  machineType,
  retryConfig,
  skipRetryConditions,
} from "./app-values.ts";
import { flag, MAX_SECONDS, oneOf, seconds, text, texts, wholeNumber, type Checked } from "./check.ts";
import { SERVER_OPTIONS } from "./server-options.ts";
import type { Setting, Source } from "./setting.ts";
import { workerOptions } from "./worker-options.ts";

const count = wholeNumber(0);
const countFromOne = wholeNumber(1);
const wholeSeconds = wholeNumber(0, MAX_SECONDS);

/**
 * Every setting of an app, of a function's host and of an app's scale, one row each. The types of class statics,
 * configs, options and scales, their checks, the fields of the protocol, the flags of the command line and the tables
 * of docs/guides/settings.md derive from it or are tested against it.
 */
export const SETTINGS = {
  /** Version shown at `/health`, in the docs and in metrics. */
  version: {
    check: text("1.2.0"),
    doc: "version shown at `/health`, in the docs and in metrics",
    sources: ["class"],
    default: "0.1.0",
  },
  /** Name it is deployed under, and the docs' title. Default: made from the class's name. */
  appName: {
    check: appName,
    doc: "name it is deployed under, and the docs' title",
    sources: ["class"],
  },
  /**
   * Worker processes; all endpoints except streams run in them. Each worker has its own instance of the class, and calls its `setup()`.
   * `{ devices: ["0", "1"] }` starts one worker per GPU. Default: endpoints run in the server's process.
   */
  workers: {
    check: workerOptions,
    doc: "worker processes; all endpoints except streams run in them",
    sources: ["class"],
  },
  /**
   * Status of rejections for lack of capacity or time, for endpoints that set none. Use 503 for load balancers that try
   * another instance then; not on platforms that end a runner which answers 503, such as fal.
   */
  overloadStatus: {
    check: oneOf(429, 503),
    doc: "status of rejections for lack of capacity or time, for endpoints that set none",
    sources: ["class"],
    default: 429,
  },
  /** Maximum time for running requests to end after a stop signal, in seconds. */
  terminationGracePeriodSeconds: {
    check: wholeSeconds,
    doc: "maximum time for running requests to end after a stop signal",
    sources: ["class", "config"],
    unit: "seconds",
    default: 30,
  },
  /** Port the app listens on where it is deployed. */
  exposedPort: {
    check: wholeNumber(1, 65_535),
    doc: "port the app listens on where it is deployed",
    sources: ["class", "config"],
    unit: "port",
    default: 8080,
    classDefault: 8080,
    wire: "exposedPort",
  },
  /** Allowed callers: only the owner ("private"), anyone ("public"), or anyone with a key, whose account pays ("shared"). */
  appAuth: {
    check: oneOf(...AUTH_MODES),
    doc: 'allowed callers: only the owner ("private"), anyone ("public"), or anyone with a key, whose account pays ("shared")',
    sources: ["class"],
  },
  /** Kind of machine, or several in order of preference. */
  machineType: {
    check: machineType,
    doc: "kind of machine, or several in order of preference",
    sources: ["class", "config", "function"],
    platformDefault: "XS",
    classDefault: "S",
    wire: "machineTypes",
    keptBy: "code",
  },
  /** GPUs per runner. */
  numGpus: {
    check: countFromOne,
    doc: "GPUs per runner",
    sources: ["class", "config", "function"],
    wire: "numGpus",
  },
  /** Regions where runners may be. */
  regions: {
    check: texts("us-east"),
    doc: "regions where runners may be",
    sources: ["class", "config", "function"],
    wire: "validRegions",
    keptBy: "platform",
  },
  /** Time an idle runner or process is kept, in whole seconds. 0 ends a function's process after each call. */
  keepAlive: {
    check: wholeSeconds,
    doc: "time an idle runner or process is kept",
    sources: ["class", "config", "function", "scale"],
    unit: "whole seconds",
    default: 10,
    classDefault: 60,
    wire: "keepAlive",
    keptBy: "platform",
  },
  /** Minimum number of runners. */
  minConcurrency: {
    check: count,
    doc: "minimum number of runners",
    sources: ["class", "config", "function", "scale"],
    platformDefault: 0,
    wire: "minConcurrency",
    keptBy: "platform",
  },
  /** Maximum number of runners, or of a function's processes on this machine. */
  maxConcurrency: {
    check: countFromOne,
    doc: "maximum number of runners",
    sources: ["class", "config", "function", "scale"],
    platformDefault: 2,
    wire: "maxConcurrency",
    keptBy: "platform",
  },
  /** Runners kept ready beyond the demand. */
  concurrencyBuffer: {
    check: count,
    doc: "runners kept ready beyond the demand",
    sources: ["class", "config", "function", "scale"],
    platformDefault: 0,
    wire: "concurrencyBuffer",
    keptBy: "platform",
  },
  /** Runners kept ready beyond the demand, in percent of the demand. */
  concurrencyBufferPerc: {
    check: count,
    doc: "runners kept ready beyond the demand, in percent of the demand",
    sources: ["class", "config", "function", "scale"],
    unit: "percent",
    platformDefault: 0,
    wire: "concurrencyBufferPerc",
    keptBy: "platform",
  },
  /** Time a request waits before a runner is added, in seconds. */
  scalingDelay: {
    check: count,
    doc: "time a request waits before a runner is added",
    sources: ["class", "config", "function", "scale"],
    unit: "seconds",
    platformDefault: 0,
    wire: "scalingDelaySeconds",
    keptBy: "platform",
  },
  /** Maximum time of a request, in seconds. Endpoints with a `timeoutMs` use that. */
  requestTimeout: {
    check: seconds,
    doc: "maximum time of a request",
    sources: ["class", "config", "function", "scale"],
    unit: "seconds",
    platformDefault: 3_600,
    wire: "requestTimeout",
    keptBy: "platform",
  },
  /**
   * Maximum time a request of the owner waits for a runner, 0 for no limit, in seconds. The header
   * `x-fal-request-timeout` of a request takes precedence.
   */
  requestStartTimeout: {
    check: wholeSeconds,
    doc: "maximum time a request of the owner waits for a runner, 0 for no limit",
    sources: ["class", "config", "function", "scale"],
    unit: "seconds",
    platformDefault: 0,
    wire: "requestStartTimeout",
    keptBy: "platform",
  },
  /** Maximum time of `setup()`, or of a function's start, in seconds. Installing packages does not count. */
  startupTimeout: {
    check: seconds,
    doc: "maximum time of `setup()`",
    sources: ["class", "config", "function", "scale"],
    unit: "seconds",
    default: 600,
    wire: "startupTimeout",
    keptBy: "code",
  },
  /** Names of the secrets the app sees as variables. Default: all that are exposed by default. */
  secrets: {
    check: texts("HF_TOKEN"),
    doc: "names of the secrets the app sees as variables",
    sources: ["class", "config", "function"],
  },
  /** Shared volumes to mount. */
  dataMounts: {
    check: texts("/data"),
    doc: "shared volumes to mount",
    sources: ["class", "config", "function"],
  },
  /** Number of retries of a request, by condition. */
  retryConfig: {
    check: retryConfig,
    doc: "number of retries of a request, by condition",
    sources: ["class", "config"],
  },
  /** Conditions under which a request is not retried. */
  skipRetryConditions: {
    check: skipRetryConditions,
    doc: "conditions under which a request is not retried",
    sources: ["class", "config"],
  },
  /** Container image, in place of a generated one. */
  image: {
    check: appImage,
    doc: "container image, in place of a generated one",
    sources: ["class"],
  },
  /** Files to include in the image that ignore rules leave out, relative to the app's folder. */
  appFiles: {
    check: texts("weights"),
    doc: "files to include in the image that ignore rules leave out, relative to the app's folder",
    sources: ["class"],
  },
  /** Patterns of files to leave out of the image. */
  appFilesIgnore: {
    check: texts("*.tmp"),
    doc: "patterns of files to leave out of the image",
    sources: ["class"],
  },
  /** Logs can be read by the owner only. */
  privateLogs: {
    check: flag,
    doc: "logs can be read by the owner only",
    sources: ["class", "config", "function"],
  },
  ...SERVER_OPTIONS,
} as const satisfies Readonly<Record<string, Setting>>;

type Table = typeof SETTINGS;

export type SettingName = keyof Table;

/** The names of the settings that can be given in one place. */
export type SettingsOf<S extends Source> = {
  [Name in SettingName]: S extends Table[Name]["sources"][number] ? Name : never;
}[SettingName];

/** The settings that are fields of the protocol's messages on machines. */
export type MachineSetting = {
  [Name in SettingName]: Table[Name] extends { readonly wire: string } ? Name : never;
}[SettingName];

// Generic over the table, so that editors show the comment of a row beside the property.
type Values<T, Name extends keyof T> = {
  readonly [N in Name]?: T[N] extends { readonly check: infer C } ? Checked<C> | undefined : never;
};

/** Values of some settings, all optional. */
export type SettingValues<Name extends SettingName> = Values<Table, Name>;

type Statics<T, Name extends keyof T> = {
  -readonly [N in Name]: T[N] extends { readonly check: infer C } ? Checked<C> | undefined : never;
};

/** The statics of an app class; undefined if not given. */
export type ClassSettings = Statics<Table, Exclude<SettingsOf<"class">, "version">>;

/** The row of a setting; undefined for any other name. */
export function settingOf(name: string): Setting | undefined {
  return Object.hasOwn(SETTINGS, name) ? SETTINGS[name as SettingName] : undefined;
}

/** The settings that can be given in one place, in the order of the table. */
export function settingsOf<S extends Source>(source: S): readonly SettingsOf<S>[] {
  const rows: [string, Setting][] = Object.entries(SETTINGS);
  return rows.filter(([, { sources }]) => sources.includes(source)).map(([name]) => name as SettingsOf<S>);
}
