import { createHash } from "node:crypto";

/** The version of the format below. A host rejects an unknown version. */
export const BUNDLE_FORMAT = 1;

/**
 * The names of a bundle's files in the folder where it runs. The code imports itself by its name, to provide its exports
 * while it is still being evaluated.
 */
export const BUNDLE_FILES = {
  code: "bundle.mjs",
  map: "bundle.mjs.map",
  runner: "runner.mjs",
  host: "host.mjs",
} as const;

/** A package that a bundle imports from outside. */
export interface PackageImport {
  /** The package's name: `@scope/name` or `name`. */
  readonly packageName: string;
  /** As written in the code, such as `lodash/fp.js`. */
  readonly specifier: string;
  /** The file that imports it, relative to the bundle's root, with "/". */
  readonly importer: string;
  /** Whether it is imported at run time, by `import()` or `require()`, instead of when the bundle is loaded. */
  readonly isDynamic: boolean;
}

/**
 * An isolated function's module in the form that is sent to hosts: ES modules that need only Node and the packages in
 * `imports`. `docs/wire/bundle.md` describes it for authors of hosts.
 */
export interface Bundle {
  readonly format: typeof BUNDLE_FORMAT;
  /** SHA-256 of all other fields but `imports` and `root`, in hexadecimal: independent of the machine and the folder. */
  readonly hash: string;
  /** The function's module, relative to `root`, with "/". */
  readonly module: string;
  /** The module with the user's own modules and the parts of this package that they use. */
  readonly code: string;
  /** The source map of `code`, version 3; its sources are relative to `root`. */
  readonly map: string;
  /** The program that loads `code` and runs the function, controlled by messages. */
  readonly runner: string;
  /** The module through which a running function calls other isolated functions. */
  readonly host: string;
  readonly imports: readonly PackageImport[];
  /** `file:` URL of the folder that paths are relative to, with a "/" at its end. Valid only on the machine that built it. */
  readonly root: string;
}

/** Creates a bundle from its parts: adds the format and the hash. */
export function createBundle(parts: Omit<Bundle, "format" | "hash">): Bundle {
  const { module, code, map, runner, host } = parts;
  const hash = createHash("sha256").update(JSON.stringify([BUNDLE_FORMAT, module, code, map, runner, host]));
  return { format: BUNDLE_FORMAT, hash: hash.digest("hex"), ...parts };
}

/** The `file:` URL that a bundle's entry module had when it was bundled. */
export function moduleUrlOf(bundle: Bundle): string {
  return new URL(bundle.module, bundle.root).href;
}

/** The files of a bundle by name. The sources in its map are `file:` URLs. */
export function bundleFiles(bundle: Bundle): ReadonlyMap<string, string> {
  const map = JSON.parse(bundle.map) as { sources: readonly string[] };
  const sources = map.sources.map((source) => new URL(source, bundle.root).href);
  return new Map([
    [BUNDLE_FILES.code, bundle.code],
    [BUNDLE_FILES.map, JSON.stringify({ ...map, sources })],
    [BUNDLE_FILES.runner, bundle.runner],
    [BUNDLE_FILES.host, bundle.host],
  ]);
}
