import { didYouMean } from "../did-you-mean.ts";
import { DefinitionError } from "../errors.ts";
import type { Bundle } from "./bundle/bundle.ts";
import type { LogEntry } from "../log-entry.ts";
import { flag, misfit, shown, text, texts, type Check } from "../settings/check.ts";
import { checkedOption, environmentKeys, OPTION_TABLE, optionRule } from "./option-table.ts";
import {
  Options,
  type EnvironmentOptions,
  type FunctionKind,
  type GatewayOptions,
  type HostOptions,
} from "./options.ts";
import { serveRequirements } from "./requirements.ts";
import type { SourceLocation } from "./source-location.ts";

/** The function that a host runs. */
export interface FunctionTarget {
  /** The function's name in messages: the handler's name, or the source location of the definition. */
  readonly name: string;
  readonly options: Options;
  /** How the function is found in its bundle. */
  readonly entry: FunctionEntry;
  /** The code that is sent to the environment. Built by the first call. */
  bundle(): Promise<Bundle>;
}

/**
 * How a function is found in its bundle: by the name of its export if that is set, otherwise by the source location of
 * its definition.
 */
export interface FunctionEntry {
  readonly place: SourceLocation;
  readonly exportName?: string;
  /** Number of parameters of its handler, to distinguish two functions on the same line. */
  readonly parameters?: number;
}

/** Options of a run, besides the arguments. */
export interface RunOptions {
  /** Ends the run when it aborts; the run then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A run in the background. */
export interface SpawnInfo<Result = unknown> {
  /**
   * The output of the run, line by line, from its first line on; ends with the run. Up to 10,000 unread lines are kept,
   * the newest ones.
   */
  readonly logs: AsyncIterable<LogEntry>;
  /** The return value. Rejects like a call of the function; an unhandled rejection does not end the process. */
  readonly result: Promise<Result>;
  /** The address of a served function; undefined for any other function. Rejects if the function can't be started. */
  readonly url: Promise<string | undefined>;
  readonly stream: {
    /** Ends the run. `result` rejects with the reason, by default a `RequestCancelledException`. */
    cancel(reason?: unknown): void;
  };
}

/** Options that say how a function is found and called. They are the same for all hosts. */
export interface DefinitionOptions {
  /** The host that runs the function. Default: a `LocalHost`. */
  readonly host?: Host;
  /**
   * The module that exports the function, as `import.meta.url`. Default: the module that calls `fn()`. Set it if a
   * helper in another file calls `fn()`.
   */
  readonly module?: string;
  /**
   * The name under which the module exports the function. Needed only if the function can't be found by its source
   * location.
   */
  readonly exportName?: string;
  /** Packages whose code is part of the bundle, instead of being installed where the function runs. */
  readonly localModules?: readonly string[];
  /**
   * Whether a call throws the function's own error. If false, it throws a `UserFunctionException` that has this error
   * as its cause. Default true.
   */
  readonly reraise?: boolean;
}

/** All options of a function. */
export interface FunctionOptions
  extends DefinitionOptions, Partial<EnvironmentOptions>, HostOptions, GatewayOptions {}

type Config = Readonly<Record<string, unknown>>;

/**
 * Names from fal's Python SDK and other common names, each with the option that it corresponds to here. They are too
 * different for a spelling suggestion.
 */
const OTHER_NAMES: ReadonlyMap<string, string> = new Map([
  ["pythonversion", "nodeVersion"],
  ["node", "nodeVersion"],
  ["localpythonmodules", "localModules"],
  ["forceenvbuild", "force"],
  ["packages", "requirements"],
  ["dependencies", "requirements"],
  ["timeout", "requestTimeout"],
  ["memory", "memoryLimitMb"],
  ["memorylimit", "memoryLimitMb"],
  ["setup", "setupFunction"],
  ["port", "exposedPort"],
  ["workers", "maxConcurrency"],
]);

const OWN_CHECKS: Readonly<Record<keyof DefinitionOptions, Check>> = {
  host: (value) => (isHost(value) ? value : misfit("a host, such as new LocalHost()", value)),
  module: (value) =>
    typeof value === "string" && value !== "" ? value : misfit("the module's import.meta.url", value),
  exportName: text("speak"),
  localModules: texts("my-package"),
  reraise: flag,
};

/** Options of `fn()` itself, not passed to hosts. */
const OWN_OPTIONS: ReadonlySet<string> = new Set(Object.keys(OWN_CHECKS));

/**
 * Checks the options of `fn()` that are not passed to hosts.
 * @throws DefinitionError with code FUNCTION_OPTION_INVALID
 */
export function assertOwnOptions(options: DefinitionOptions): void {
  for (const [name, check] of Object.entries(OWN_CHECKS)) {
    const value: unknown = options[name as keyof DefinitionOptions];
    if (value !== undefined) checkedOption(name, check, value);
  }
}

/** Where isolated functions run. */
export abstract class Host {
  /** The names of the host options that this host supports. */
  abstract readonly supportedKeys: ReadonlySet<string>;

  /**
   * Runs a function.
   * @param args serializable, otherwise the run rejects with a FalSerializationError
   * @returns the function's return value
   */
  abstract run(target: FunctionTarget, args: readonly unknown[], options: RunOptions): Promise<unknown>;

  /** Starts a run in the background. */
  abstract spawn(target: FunctionTarget, args: readonly unknown[], options: RunOptions): SpawnInfo;

  /**
   * Checks one option. Override it in a host that has its own options or other names for them.
   * @returns the name and the value to keep, copied if the caller could change it later
   * @throws DefinitionError with code FUNCTION_OPTION_INVALID
   */
  parseKey(key: string, value: unknown): [key: string, value: unknown] {
    const rule = optionRule(key);
    if (rule === undefined) {
      if (this.supportedKeys.has(key)) return [key, value];
      throw refusal(this.#describeUnknown(key));
    }
    if (rule.group === "host" && rule.isCarried !== true && !this.supportedKeys.has(key)) {
      const known = this.#hostKeys().join(", ");
      throw refusal(`${this.constructor.name} has no option "${key}"; it takes ${known}.`);
    }
    return [key, checkedOption(key, rule.check, value)];
  }

  /**
   * Checks the options of a function and groups them into environment, host and gateway options. Options set to
   * `undefined` are omitted. Keeps no reference to `config`.
   * @throws DefinitionError with code FUNCTION_OPTION_INVALID
   */
  parseOptions(config: Config): Options {
    if (typeof config !== "object" || config === null || Array.isArray(config)) {
      throw refusal(
        `Options are an object, such as { requirements: ["lodash@4.17.21"] }; got ${shown(config)}.`,
      );
    }
    const groups: Record<"environment" | "host" | "gateway", Record<string, unknown>> = {
      environment: {},
      host: {},
      gateway: {},
    };
    for (const [name, given] of Object.entries(config)) {
      if (given === undefined) continue;
      const [key, value] = this.parseKey(name, given);
      groups[optionRule(key)?.group ?? "host"][key] = value;
    }
    const environment = resolveEnvironment(groups.environment);
    assertGateway(groups.gateway, "setupFunction" in groups.host);
    const options = new Options({ host: groups.host, environment, gateway: groups.gateway });
    if (options.gateway.serve === true) options.addRequirements(serveRequirements());
    assertPorts(options);
    return options;
  }

  #hostKeys(): string[] {
    const carried = Object.entries(OPTION_TABLE).filter(([, { isCarried }]) => isCarried === true);
    return [...new Set([...this.supportedKeys, ...carried.map(([name]) => name)])];
  }

  #describeUnknown(key: string): string {
    if (OWN_OPTIONS.has(key)) return `"${key}" is an option of fn() alone; hosts do not take it.`;
    const known = [...Object.keys(OPTION_TABLE), ...OWN_OPTIONS, ...this.supportedKeys];
    const plain = key.toLowerCase().replaceAll(/[-_ ]/g, "");
    if (plain === "pythonversion") {
      return `Unknown option "${key}": functions run on Node.js; nodeVersion is its version, such as "22".`;
    }
    const other = OTHER_NAMES.get(plain);
    const meant = other === undefined ? didYouMean(key, known) : `; did you mean "${other}"?`;
    return `Unknown option "${key}"${meant || `; known: ${[...new Set(known)].join(", ")}.`}`;
  }
}

/** Determines the kind, and rejects options of another kind. */
function resolveEnvironment(given: Config): EnvironmentOptions {
  const { image } = given;
  const kind = (given["kind"] as FunctionKind | undefined) ?? (image === undefined ? "npm" : "container");
  for (const name of Object.keys(given)) {
    if (optionRule(name)?.kinds?.includes(kind) ?? true) continue;
    throw refusal(
      `"${name}" is not an option of kind "${kind}", which takes ${environmentKeys(kind).join(", ")}.`,
    );
  }
  if (kind === "container" && image === undefined) {
    throw refusal('A function of kind "container" needs an image, such as image: "node:22-slim".');
  }
  return { ...given, kind };
}

function assertGateway({ serve, stream, input, output }: GatewayOptions, hasSetup: boolean): void {
  if (serve === true) {
    if (!hasSetup) return;
    throw refusal(
      "setupFunction does not go together with serve: true. Write a class that extends App, with a setup() method.",
    );
  }
  const [name] =
    Object.entries({ input, output, stream: stream === true ? stream : undefined }).find(
      ([, value]) => value !== undefined,
    ) ?? [];
  if (name !== undefined) throw refusal(`"${name}" is for functions that are served; add serve: true.`);
}

function assertPorts(options: Options): void {
  const { serve, exposedPort, metricsPort } = options.gateway;
  // A function that is not served opens its ports itself, and a platform chooses the default metrics port.
  const areOurs = serve === true || (exposedPort !== undefined && metricsPort !== undefined);
  const port = options.getExposedPort();
  if (!areOurs || port === 0 || port !== options.getMetricsPort()) return;
  throw refusal(`exposedPort and metricsPort are both ${port}; set one of them to another port.`);
}

function refusal(message: string): DefinitionError {
  return new DefinitionError("FUNCTION_OPTION_INVALID", message);
}

/** Whether a value is a host, of any copy of this package. */
export function isHost(value: unknown): value is Host {
  return typeof (value as Partial<Host> | null | undefined)?.parseOptions === "function";
}
