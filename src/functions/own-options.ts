import { DefinitionError } from "../errors.ts";
import type { DefinitionOptions } from "./function-options.ts";
import type { Host } from "./host.ts";
import { shown } from "./option-table.ts";

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
