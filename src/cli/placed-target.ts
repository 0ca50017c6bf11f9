import { existsSync } from "node:fs";
import { UsageError } from "../errors.ts";

/** A parsed `[/prefix=]FILE[::Class]`. */
export interface PlacedTarget {
  /** The path that the requests of the class begin with; undefined: the default. */
  readonly prefix: string | undefined;
  /** `FILE[::Class]` */
  readonly target: string;
}

/**
 * Splits `/prefix=FILE[::Class]`. The path of an existing file is a file, even if its name has an equals sign.
 * @throws UsageError
 */
export function parsePlacedTarget(text: string): PlacedTarget {
  const [, prefix, target] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  if (prefix === undefined || target === undefined || existsSync(text.split("::", 1)[0] ?? "")) {
    return { prefix: undefined, target: text };
  }
  if (!prefix.startsWith("/")) {
    throw new UsageError(`The prefix in "${text}" does not begin with a slash; write /${prefix}=${target}.`);
  }
  return { prefix, target };
}
