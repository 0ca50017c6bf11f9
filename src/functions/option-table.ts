import { DefinitionError } from "../errors.ts";
import type { Host } from "./host.ts";
import { requirementName } from "./requirements.ts";
import type {
  DefinitionOptions,
  EnvironmentOptions,
  FunctionKind,
  GatewayOptions,
  HostOptions,
} from "./options.ts";

/** Why a value is none for its option: what it should have been. */
export class Misfit {
  /** Such as "a whole number of at least 1". */
  readonly expected: string;
  /** Where in the value, such as "[1]"; empty for all of it. */
  readonly path: string;
  /** What is there, in words. */
  readonly got: string;

  constructor(expected: string, got: string, path = "") {
    this.expected = expected;
    this.got = got;
    this.path = path;
  }

  /** The same in a list or an object. */
  within(path: string): Misfit {
    return new Misfit(this.expected, this.got, `${path}${this.path}`);
  }
}

function misfit(expected: string, value: unknown): Misfit {
  return new Misfit(expected, shown(value));
}

/** One that does not show the value, which may be a secret. */
function hiddenMisfit(expected: string, value: unknown): Misfit {
  return new Misfit(expected, value === null ? "null" : `a value of type ${typeof value}`);
}

/** A value for a message: data as JSON, up to a length; of anything else, what it is. */
export function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  try {
    const text = JSON.stringify(value) ?? String(value);
    return text.length <= 80 ? text : `${text.slice(0, 80)}…`;
  } catch {
    return `a value of type ${typeof value}`;
  }
}

/** Checks a value and copies it, as far as the caller could change it later. */
type Reader = (value: unknown) => unknown;

/** One option that functions can have. */
export interface OptionRule {
  /** Who it is for. */
  readonly group: "environment" | "host" | "gateway";
  /** The kinds of environment it is for. Default: all. */
  readonly kinds?: readonly FunctionKind[];
  /** Kept by hosts that have no use for it, for those that have. */
  readonly isCarried?: boolean;
  /** The value to keep, or a {@link Misfit}. */
  readonly read: Reader;
}

type OptionName = keyof EnvironmentOptions | keyof HostOptions | keyof GatewayOptions;

/** The longest wait a Node timer takes, about 24.8 days; a longer one would end at once. */
const MAX_SECONDS = Math.floor((2 ** 31 - 1) / 1000);
/** A process that does nothing yet takes some 75 MB. */
const LEAST_MEMORY_MB = 100;

const flag: Reader = (value) => (typeof value === "boolean" ? value : misfit("true or false", value));

const text =
  (example: string): Reader =>
  (value) =>
    typeof value === "string" && value.trim() !== "" ? value : misfit(`a text, such as "${example}"`, value);

const texts =
  (example: string): Reader =>
  (value) =>
    readList(value, `a list of texts, such as ["${example}"]`, text(example));

const wholeNumber =
  (minimum: number, maximum = Number.MAX_SAFE_INTEGER): Reader =>
  (value) => {
    if (Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum) return value;
    const isOpen = maximum === Number.MAX_SAFE_INTEGER;
    return misfit(
      isOpen ? `a whole number of at least ${minimum}` : `a whole number from ${minimum} to ${maximum}`,
      value,
    );
  };

const port = wholeNumber(0, 65_535);

const seconds: Reader = (value) =>
  typeof value === "number" && value > 0 && value <= MAX_SECONDS
    ? value
    : misfit(`a positive number of seconds, at most ${MAX_SECONDS}`, value);

const secondsOrNone: Reader = (value) =>
  value === 0 || typeof seconds(value) === "number"
    ? value
    : misfit(`a number of seconds from 0 to ${MAX_SECONDS}`, value);

const schema: Reader = (value) =>
  isRecord(value) ? value : misfit("a schema, such as Type.Object({ … })", value);

const callable: Reader = (value) =>
  typeof value === "function" ? value : misfit("a function without arguments", value);

const kind: Reader = (value) => {
  if (value === "npm" || value === "container") return value;
  if (value === "virtualenv" || value === "conda") {
    const expected =
      '"npm", with the packages as requirements, or "container", with an image, for a system with Python in it';
    return misfit(expected, value);
  }
  return misfit('"npm" or "container"', value);
};

const nodeVersion: Reader = (value) => {
  const [, version] = typeof value === "string" ? (/^v?(\d{1,4}(?:\.\d{1,6}){0,2})$/.exec(value) ?? []) : [];
  return version ?? misfit('a text with a version, such as "22" or "22.11.0"', value);
};

const requirements: Reader = (value) => {
  const expected = 'a list of npm packages, such as ["lodash@4.17.21"], or a list of such lists';
  if (!Array.isArray(value)) return misfit(expected, value);
  const items: readonly unknown[] = value;
  if (!items.some((item) => Array.isArray(item))) return readList(items, expected, requirement);
  const single = items.findIndex((item) => !Array.isArray(item));
  if (single >= 0) {
    return misfit("a list, as others there are; packages and lists can't be mixed", items[single]).within(
      `[${single}]`,
    );
  }
  return readList(items, expected, (step) => readList(step, expected, requirement));
};

const requirement: Reader = (value) => {
  const expected = 'an npm package, such as "lodash@4.17.21"';
  if (typeof value !== "string" || value === "") return misfit(expected, value);
  // It would reach npm's command line as something else.
  if (value.startsWith("-")) return misfit(`${expected}, and no option of npm`, value);
  if (/[\s\0]/.test(value)) return misfit(`${expected}, without spaces (write ranges as ^4 or 4.x)`, value);
  const isNameless = value.startsWith("@") && requirementName(value) === undefined;
  return isNameless ? misfit('a package\'s full name, such as "@scope/name@1.0.0"', value) : value;
};

/** Variables by which Node ties a process to the one that started it. */
const RESERVED_VARIABLES: ReadonlySet<string> = new Set(["NODE_CHANNEL_FD", "NODE_UNIQUE_ID"]);

const variableName: Reader = (value) => {
  if (typeof value !== "string" || !/^[A-Za-z_]\w*$/.test(value)) {
    return hiddenMisfit('the name of a variable, such as "HF_TOKEN"', value);
  }
  return RESERVED_VARIABLES.has(value) ? hiddenMisfit("no variable that Node has for itself", value) : value;
};

const env: Reader = (value) => {
  const expected = 'names of variables, such as ["HF_TOKEN"], or an object of names and values';
  if (Array.isArray(value)) return readList(value, expected, variableName);
  if (!isRecord(value)) return hiddenMisfit(expected, value);
  for (const [name, content] of Object.entries(value)) {
    const read = variableName(name);
    if (read instanceof Misfit) return read;
    if (typeof content !== "string" || content.includes("\0")) {
      return hiddenMisfit("a text", content).within(`.${name}`);
    }
  }
  return Object.freeze(Object.fromEntries(Object.entries(value)));
};

const metadata: Reader = (value) => {
  const expected = "an object of plain data";
  if (!isRecord(value)) return misfit(expected, value);
  try {
    return structuredClone(value);
  } catch {
    return misfit(expected, value);
  }
};

const machineType: Reader = (value) => {
  if (!Array.isArray(value)) {
    const read = text("GPU-A100")(value);
    return read instanceof Misfit ? misfit(`${read.expected}, or a list of such`, value) : read;
  }
  return value.length === 0 ? misfit("at least one kind of machine", value) : texts("GPU-A100")(value);
};

function readList(value: unknown, expected: string, read: Reader): unknown {
  if (!Array.isArray(value)) return misfit(expected, value);
  const items: unknown[] = [];
  // By index, since a hole is a fault as well.
  for (let index = 0; index < value.length; index++) {
    const item = read(value[index]);
    if (item instanceof Misfit) return item.within(`[${index}]`);
    items.push(item);
  }
  return Object.freeze(items);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const npmOnly = { group: "environment", kinds: ["npm"] } as const;
const environment = { group: "environment" } as const;
const host = { group: "host" } as const;
const carried = { group: "host", isCarried: true } as const;
const gateway = { group: "gateway" } as const;

/** Every option that a host can be told of, with what it takes. One place for all checks of a single value. */
export const OPTION_TABLE: Readonly<Record<OptionName, OptionRule>> = {
  kind: { ...environment, read: kind },
  requirements: { ...environment, read: requirements },
  nodeVersion: { ...npmOnly, read: nodeVersion },
  lockfile: { ...npmOnly, read: text("package-lock.json") },
  image: { ...environment, kinds: ["container"], read: text("node:22-slim") },
  force: { ...environment, read: flag },

  keepAlive: { ...host, read: secondsOrNone },
  maxConcurrency: { ...host, read: wholeNumber(1) },
  setupFunction: { ...host, read: callable },
  requestTimeout: { ...host, read: seconds },
  startupTimeout: { ...host, read: seconds },
  memoryLimitMb: { ...host, read: wholeNumber(LEAST_MEMORY_MB) },
  env: { ...host, read: env },
  machineType: { ...carried, read: machineType },
  numGpus: { ...carried, read: wholeNumber(1) },
  regions: { ...carried, read: texts("us-east") },
  minConcurrency: { ...carried, read: wholeNumber(0) },
  concurrencyBuffer: { ...carried, read: wholeNumber(0) },
  concurrencyBufferPerc: { ...carried, read: wholeNumber(0) },
  scalingDelay: { ...carried, read: wholeNumber(0) },
  requestStartTimeout: { ...carried, read: wholeNumber(0) },
  maxMultiplexing: { ...carried, read: wholeNumber(1) },
  secrets: { ...carried, read: texts("HF_TOKEN") },
  dataMounts: { ...carried, read: texts("/data") },
  metadata: { ...carried, read: metadata },
  privateLogs: { ...carried, read: flag },

  serve: { ...gateway, read: flag },
  exposedPort: { ...gateway, read: port },
  metricsPort: { ...gateway, read: port },
  input: { ...gateway, read: schema },
  output: { ...gateway, read: schema },
  stream: { ...gateway, read: flag },
};

/** The rule of an option; undefined for a name that is none. */
export function optionRule(name: string): OptionRule | undefined {
  return Object.hasOwn(OPTION_TABLE, name) ? OPTION_TABLE[name as OptionName] : undefined;
}

/** The options that an environment of a kind takes, beside `kind` itself. */
export function environmentKeys(kind: FunctionKind): string[] {
  return Object.entries(OPTION_TABLE)
    .filter(
      ([name, { group, kinds }]) =>
        group === "environment" && name !== "kind" && (kinds?.includes(kind) ?? true),
    )
    .map(([name]) => name);
}

interface Check {
  /** What the value must be. */
  readonly expected: string;
  fits(value: unknown): boolean;
}

const isText = (value: unknown): boolean => typeof value === "string" && value !== "";

const CHECKS: Readonly<Record<keyof DefinitionOptions, Check>> = {
  host: { expected: "a host, such as new LocalHost()", fits: isHost },
  module: { expected: "the module's import.meta.url", fits: isText },
  exportName: { expected: 'a text, such as "speak"', fits: isText },
  localModules: {
    expected: 'a list of texts, such as ["my-package"]',
    // By index, since a hole is a fault as well.
    fits: (value) => Array.isArray(value) && Array.from(value as unknown[]).every(isText),
  },
  reraise: { expected: "true or false", fits: (value) => typeof value === "boolean" },
};

/** Options of `fn()` itself, which a host is not told of. */
export const OWN_OPTIONS: ReadonlySet<string> = new Set(Object.keys(CHECKS));

/**
 * Checks the options that no host is told of.
 * @throws DefinitionError with code FUNCTION_OPTION_INVALID
 */
export function assertOwnOptions(options: DefinitionOptions): void {
  for (const [name, { expected, fits }] of Object.entries(CHECKS)) {
    const value: unknown = options[name as keyof DefinitionOptions];
    if (value === undefined || fits(value)) continue;
    throw new DefinitionError("FUNCTION_OPTION_INVALID", `${name} must be ${expected}; got ${shown(value)}.`);
  }
}

/** Whether a value is a host, of any copy of this package. */
export function isHost(value: unknown): value is Host {
  return typeof (value as Partial<Host> | null | undefined)?.parseOptions === "function";
}
