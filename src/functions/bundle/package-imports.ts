import { builtinModules } from "node:module";

const BUILTIN: ReadonlySet<string> = new Set(builtinModules);

/** Whether it is a module of Node's own. */
export function isBuiltin(specifier: string): boolean {
  return specifier.startsWith("node:") || BUILTIN.has(specifier);
}

/** Whether a specifier names a package, rather than a file or an entry of `imports` in package.json. */
export function isBare(specifier: string): boolean {
  return /^[^./#\\]/.test(specifier) && !/^[A-Za-z][A-Za-z+.-]*:/.test(specifier);
}

/** The package that a bare specifier belongs to: `@scope/name/sub.js` → `@scope/name`. */
export function packageNameOf(specifier: string): string {
  return /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;
}
