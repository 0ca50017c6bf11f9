import { DefinitionError } from "../../src/errors.ts";
import { Host, type SpawnInfo } from "../../src/functions/host.ts";
import type { Options } from "../../src/functions/options.ts";
import { thrownBy } from "./thrown.ts";

/** A host that parses options and runs nothing. */
export class ReadingHost extends Host {
  readonly supportedKeys: ReadonlySet<string>;

  constructor(...supportedKeys: readonly string[]) {
    super();
    this.supportedKeys = new Set(supportedKeys);
  }

  override run(): Promise<unknown> {
    return Promise.reject(new Error("this host runs nothing"));
  }

  override spawn(): SpawnInfo {
    throw new Error("this host runs nothing");
  }
}

const LOCAL_KEYS = [
  "keepAlive",
  "maxConcurrency",
  "setupFunction",
  "requestTimeout",
  "startupTimeout",
  "memoryLimitMb",
  "env",
];

const local = new ReadingHost(...LOCAL_KEYS);

/** The options as parsed by a host that supports every option. */
export function parsed(config: Readonly<Record<string, unknown>>): Options {
  return local.parseOptions(config);
}

/** The message with which the host refuses the options; fails if it accepts them. */
export function refusalOf(config: unknown, host: Host = local): string {
  const error = thrownBy(() => host.parseOptions(config as Readonly<Record<string, unknown>>));
  if (error instanceof DefinitionError && error.code === "FUNCTION_OPTION_INVALID") return error.message;
  throw error;
}
