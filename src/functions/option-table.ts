import { DefinitionError } from "../errors.ts";
import {
  flag,
  isRecord,
  misfit,
  Misfit,
  readList,
  text,
  wholeNumber,
  type Check,
} from "../settings/check.ts";
import { SETTINGS, settingsOf, type SettingsOf } from "../settings/settings.ts";
import { isStandardSchema } from "../routes/standard-schema.ts";
import { requirementName } from "./requirements.ts";
import type { EnvironmentOptions, FunctionKind, GatewayOptions, HostOptions } from "./options.ts";

/** A misfit that omits the value, which may be a secret. */
function hiddenMisfit(expected: string, value: unknown): Misfit {
  return new Misfit(expected, value === null ? "null" : `a value of type ${typeof value}`);
}

/** One option that functions can have. */
export interface OptionRule {
  /** The group of options that it belongs to. */
  readonly group: "environment" | "host" | "gateway";
  /** The kinds of environment it is for. Default: all. */
  readonly kinds?: readonly FunctionKind[];
  /** Hosts that do not use this option accept it too, so that a function can move between hosts. */
  readonly isCarried?: boolean;
  /** The value to keep, or a {@link Misfit}. */
  readonly check: Check;
}

type OptionName = keyof EnvironmentOptions | keyof HostOptions | keyof GatewayOptions;

/** Minimum of `memoryLimitMb`: an idle process already takes about 75 MB. */
const LEAST_MEMORY_MB = 100;

const port = wholeNumber(0, 65_535);

const schema: Check = (value) => {
  if (isRecord(value) && !isStandardSchema(value)) return value;
  // It is sent to the process that serves the function, which code of a library can't be.
  const libraries = isStandardSchema(value)
    ? "; schemas of other libraries are for endpoints and ServeWrapper"
    : "";
  return misfit(`a schema, such as Type.Object({ … })${libraries}`, value);
};

const callable: Check = (value) =>
  typeof value === "function" ? value : misfit("a function without arguments", value);

const kind: Check = (value) => {
  if (value === "npm" || value === "container") return value;
  if (value === "virtualenv" || value === "conda") {
    const expected =
      '"npm", with the packages as requirements, or "container", with an image, for a system with Python in it';
    return misfit(expected, value);
  }
  return misfit('"npm" or "container"', value);
};

const nodeVersion: Check = (value) => {
  const [, version] = typeof value === "string" ? (/^v?(\d{1,4}(?:\.\d{1,6}){0,2})$/.exec(value) ?? []) : [];
  return version ?? misfit('a text with a version, such as "22" or "22.11.0"', value);
};

const requirements: Check = (value) => {
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

const requirement: Check = (value) => {
  const expected = 'an npm package, such as "lodash@4.17.21"';
  if (typeof value !== "string" || value === "") return misfit(expected, value);
  // npm would take it for a command-line option.
  if (value.startsWith("-")) return misfit(`${expected}, and no option of npm`, value);
  if (/[\s\0]/.test(value)) return misfit(`${expected}, without spaces (write ranges as ^4 or 4.x)`, value);
  const isNameless = value.startsWith("@") && requirementName(value) === undefined;
  return isNameless ? misfit('a package\'s full name, such as "@scope/name@1.0.0"', value) : value;
};

/** Variables through which Node connects a child process to its parent. They must not be set by the user. */
const RESERVED_VARIABLES: ReadonlySet<string> = new Set(["NODE_CHANNEL_FD", "NODE_UNIQUE_ID"]);

const variableName: Check = (value) => {
  if (typeof value !== "string" || !/^[A-Za-z_]\w*$/.test(value)) {
    return hiddenMisfit('the name of a variable, such as "HF_TOKEN"', value);
  }
  return RESERVED_VARIABLES.has(value) ? hiddenMisfit("no variable that Node has for itself", value) : value;
};

const env: Check = (value) => {
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

const metadata: Check = (value) => {
  const expected = "an object of plain data";
  if (!isRecord(value)) return misfit(expected, value);
  try {
    return structuredClone(value);
  } catch {
    return misfit(expected, value);
  }
};

const npmOnly = { group: "environment", kinds: ["npm"] } as const;
const environment = { group: "environment" } as const;
const host = { group: "host" } as const;
const carried = { group: "host", isCarried: true } as const;
const gateway = { group: "gateway" } as const;

/** Settings that `LocalHost` uses; the others matter on platforms only. */
const LOCAL: ReadonlySet<string> = new Set([
  "keepAlive",
  "maxConcurrency",
  "requestTimeout",
  "startupTimeout",
] satisfies SettingsOf<"function">[]);

const SHARED = Object.fromEntries(
  settingsOf("function").map((name) => [
    name,
    { ...(LOCAL.has(name) ? host : carried), check: SETTINGS[name].check },
  ]),
) as Record<SettingsOf<"function">, OptionRule>;

/** Every option for hosts, with the check of its value. */
export const OPTION_TABLE: Readonly<Record<OptionName, OptionRule>> = {
  kind: { ...environment, check: kind },
  requirements: { ...environment, check: requirements },
  nodeVersion: { ...npmOnly, check: nodeVersion },
  lockfile: { ...npmOnly, check: text("package-lock.json") },
  image: { ...environment, kinds: ["container"], check: text("node:22-slim") },
  force: { ...environment, check: flag },

  ...SHARED,
  setupFunction: { ...host, check: callable },
  memoryLimitMb: { ...host, check: wholeNumber(LEAST_MEMORY_MB) },
  env: { ...host, check: env },
  metadata: { ...carried, check: metadata },

  serve: { ...gateway, check: flag },
  exposedPort: { ...gateway, check: port },
  metricsPort: { ...gateway, check: port },
  input: { ...gateway, check: schema },
  output: { ...gateway, check: schema },
  stream: { ...gateway, check: flag },
};

/** The rule of an option; undefined for an unknown name. */
export function optionRule(name: string): OptionRule | undefined {
  return Object.hasOwn(OPTION_TABLE, name) ? OPTION_TABLE[name as OptionName] : undefined;
}

/** The options of environments of a kind, except `kind` itself. */
export function environmentKeys(kind: FunctionKind): string[] {
  return Object.entries(OPTION_TABLE)
    .filter(
      ([name, { group, kinds }]) =>
        group === "environment" && name !== "kind" && (kinds?.includes(kind) ?? true),
    )
    .map(([name]) => name);
}

/** @throws DefinitionError with code FUNCTION_OPTION_INVALID */
export function checkedOption(name: string, check: Check, value: unknown): unknown {
  const result = check(value);
  if (!(result instanceof Misfit)) return result;
  const { path, expected, got } = result;
  throw new DefinitionError("FUNCTION_OPTION_INVALID", `${name}${path} must be ${expected}; got ${got}.`);
}
