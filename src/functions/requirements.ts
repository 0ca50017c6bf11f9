import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** npm packages to install: a list, or a list of lists, which are installed one after the other. */
export type Requirements = readonly string[] | readonly (readonly string[])[];

const URL_SPEC = /^(?:git\+)?[a-z]+:/i;
const GIT_SPEC = /^[^@]+@[^:.]+\.[^:]+:.+$/;
const FILE_SPEC = /[/\\]|\.(?:tgz|tar\.gz|tar)$/i;

/**
 * The name under which the package of an npm spec is imported: `lodash` for `lodash@^4`, `alias` for
 * `alias@npm:real@1`. Undefined for a spec without a name, such as a URL or a file.
 */
export function requirementName(spec: string): string | undefined {
  if (URL_SPEC.test(spec) || GIT_SPEC.test(spec)) return undefined;
  const end = spec.indexOf("@", 1);
  const name = end > 0 ? spec.slice(0, end) : spec;
  if (name.startsWith("@")) return /^@[^/\\@]+\/[^/\\@]+$/.test(name) ? name : undefined;
  return name === "" || FILE_SPEC.test(name) || name.startsWith(".") ? undefined : name;
}

/** The installation steps of requirements, as new lists; a plain list is one step. */
export function toSteps(requirements: Requirements): string[][] {
  if (isLayered(requirements)) return requirements.map((step) => [...step]);
  return requirements.length === 0 ? [] : [[...(requirements as readonly string[])]];
}

/**
 * Adds requirements to others, in a new list: to the last step, without packages that any step already has. The steps of
 * `present` are kept; those of `added` are flattened.
 */
export function mergeRequirements(present: Requirements, added: Requirements): Requirements {
  const steps = toSteps(present);
  const known = new Set(steps.flat().map(identity));
  const last = steps.at(-1) ?? [];
  if (steps.length === 0) steps.push(last);
  for (const spec of toSteps(added).flat()) {
    if (known.has(identity(spec))) continue;
    known.add(identity(spec));
    last.push(spec);
  }
  return isLayered(present) ? steps : last;
}

function isLayered(requirements: Requirements): requirements is readonly (readonly string[])[] {
  return requirements.some((item) => typeof item !== "string");
}

/** Equal for two specs of one package: its name, or the whole spec if it has no name. */
function identity(spec: string): string {
  return requirementName(spec) ?? spec;
}

/**
 * The packages that serving a function loads at run time; the code of this package itself is in the function's bundle.
 * typebox is used by the user's module, to create schemas.
 */
const SERVING_PACKAGES = [
  "fastify",
  "@fastify/swagger",
  "@fastify/swagger-ui",
  "ajv",
  "ajv-formats",
  "fast-json-stringify",
  "pino",
  "prom-client",
  "typebox",
] as const;

/**
 * The packages that the process of a served function needs, with the exact versions installed here; with the range in
 * this package's package.json if one is not installed.
 */
export function serveRequirements(): string[] {
  servingSpecs ??= SERVING_PACKAGES.map((name) => {
    const version = installedVersion(name) ?? ownRange(name);
    return version === undefined ? name : `${name}@${version}`;
  });
  return [...servingSpecs];
}

let servingSpecs: readonly string[] | undefined;

interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** The version in the nearest node_modules above this file, which is the one that Node loads. */
function installedVersion(name: string): string | undefined {
  for (let folder = new URL(".", import.meta.url); ; folder = new URL("..", folder)) {
    const version = readManifest(new URL(`node_modules/${name}/package.json`, folder))?.version;
    if (version !== undefined || folder.pathname === new URL("..", folder).pathname) return version;
  }
}

function ownRange(name: string): string | undefined {
  const manifest = readManifest(new URL("../../package.json", import.meta.url));
  // In a bundle, this URL leads to another package.json or to none.
  if (manifest?.name !== "servable") return undefined;
  return manifest.dependencies?.[name] ?? manifest.devDependencies?.[name]; // files of the latter are copied into dist
}

function readManifest(url: URL): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(fileURLToPath(url), "utf8")) as Manifest;
  } catch {
    return undefined;
  }
}
