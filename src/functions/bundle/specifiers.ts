import { readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname } from "node:path";
import { findUp } from "../../typescript/package-files.ts";

const BUILTIN: ReadonlySet<string> = new Set(builtinModules);

/** Whether a specifier names a built-in module of Node. */
export function isBuiltin(specifier: string): boolean {
  return specifier.startsWith("node:") || BUILTIN.has(specifier);
}

/** Whether a specifier names a package, not a file or an entry of `imports` in package.json. */
export function isBare(specifier: string): boolean {
  return /^[^./#\\]/.test(specifier) && !/^[A-Za-z][A-Za-z+.-]*:/.test(specifier);
}

/** The package that a bare specifier belongs to: `@scope/name/sub.js` → `@scope/name`. */
export function packageNameOf(specifier: string): string {
  return /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;
}

/** The import of an entry of `imports` in package.json. */
export interface ImportsQuestion {
  /** The importing file. */
  readonly importer: string;
  /** Whether it is imported by `require()`. */
  readonly isRequired: boolean;
  /** Conditions in addition to Node's own. */
  readonly conditions: readonly string[];
}

/**
 * The target of `#name` in the `imports` of the nearest package.json: a path that begins with "./", or a package.
 * @returns undefined if there is no entry for it
 */
export function importsTarget(
  specifier: string,
  { importer, isRequired, conditions }: ImportsQuestion,
): string | undefined {
  const entries = importsOf(importer);
  const active = new Set([...conditions, "node", isRequired ? "require" : "import", "default"]);
  if (!specifier.includes("*") && Object.hasOwn(entries, specifier)) {
    return choose(entries[specifier], active);
  }
  const { key = "", matched = "" } = bestPattern(Object.keys(entries), specifier) ?? {};
  return choose(entries[key], active)?.replaceAll("*", () => matched);
}

function importsOf(importer: string): Readonly<Record<string, unknown>> {
  const manifest = findUp("package.json", dirname(importer));
  if (manifest === undefined) return {};
  try {
    const { imports } = JSON.parse(readFileSync(manifest, "utf8")) as { imports?: unknown };
    return typeof imports === "object" && imports !== null ? (imports as Record<string, unknown>) : {};
  } catch {
    return {}; // the bundler reports the error
  }
}

/** The matching pattern with the longest prefix, and the text matched by its "*". */
function bestPattern(
  keys: readonly string[],
  specifier: string,
): { readonly key: string; readonly matched: string } | undefined {
  const patterns = keys.flatMap((key) => {
    const [start = "", end, ...more] = key.split("*");
    if (end === undefined || more.length > 0) return [];
    const fits = specifier.startsWith(start) && specifier.endsWith(end) && specifier.length >= key.length;
    return fits
      ? [{ key, start, matched: specifier.slice(start.length, specifier.length - end.length) }]
      : [];
  });
  return patterns.sort((a, b) => b.start.length - a.start.length || b.key.length - a.key.length)[0];
}

/** The first matching target, in the order of conditions and lists. */
function choose(target: unknown, conditions: ReadonlySet<string>): string | undefined {
  if (typeof target === "string") return target;
  if (typeof target !== "object" || target === null) return undefined;
  const candidates = Array.isArray(target)
    ? (target as readonly unknown[])
    : Object.entries(target).flatMap(([name, value]) => (conditions.has(name) ? [value as unknown] : []));
  for (const candidate of candidates) {
    const chosen = choose(candidate, conditions);
    if (chosen !== undefined) return chosen;
    // `null` excludes the entry, whatever follows.
    if (candidate === null && !Array.isArray(target)) return undefined;
  }
  return undefined;
}
