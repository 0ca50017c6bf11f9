import type { FunctionOptions } from "./function-options.ts";
import type { Host } from "./host.ts";
import { environmentKeys, optionRule } from "./option-table.ts";
import type { FunctionKind, Options } from "./options.ts";

/** What is said of a function beside how it is found and called. */
export type Config = Omit<FunctionOptions, "host" | "module" | "exportName" | "localModules" | "reraise">;

/**
 * The options of a function that is moved to another host, or changed: what was set before, as far as it means something
 * there, and the changes over it.
 */
export function mergedConfig(previous: Options, host: Host, changes: Config): Record<string, unknown> {
  const { environment, gateway } = previous;
  const kind: FunctionKind = changes.kind ?? (changes.image === undefined ? environment.kind : "container");
  const isServed = changes.serve ?? gateway.serve === true;
  return {
    ...kept(previous.host, (key) => host.supportedKeys.has(key) || optionRule(key)?.isCarried === true),
    ...kept(environment, (key) => environmentKeys(kind).includes(key)),
    ...kept(gateway, (key) => isServed || !SCHEMAS.has(key)),
    kind,
    ...changes,
  };
}

/** What only a served function has. */
const SCHEMAS: ReadonlySet<string> = new Set(["input", "output", "stream"]);

function kept(options: object, isKept: (key: string) => boolean): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([key]) => isKept(key)));
}
