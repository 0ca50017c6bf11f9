import { existsSync, readFileSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { FalServerlessError } from "../errors.ts";

/** How npm is started. */
export interface NpmProgram {
  /** Path of the script to run with Node; absent if npm is run as a program. */
  readonly script?: string;
  /** The program, if the script of npm is not found. */
  readonly command?: string;
  /** The version of npm; absent if it is not known before npm runs. */
  readonly version?: string;
}

const CLI = "npm/bin/npm-cli.js";

/**
 * Finds npm: the one of this Node, otherwise the one that runs this process, otherwise the one in `PATH`.
 * @throws FalServerlessError
 */
export function findNpm(
  environment: NodeJS.ProcessEnv = process.env,
  node: string = process.execPath,
): NpmProgram {
  for (const folder of new Set([dirname(node), dirname(realpath(node) ?? node)])) {
    for (const modules of ["../lib/node_modules", "node_modules", "../node_modules"]) {
      const found = scriptAt(join(folder, modules, CLI));
      if (found !== undefined) return found;
    }
  }
  const running = environment["npm_execpath"];
  if (running !== undefined && basename(running) === "npm-cli.js") {
    const found = scriptAt(running);
    if (found !== undefined) return found;
  }
  for (const folder of (environment["PATH"] ?? environment["Path"] ?? "").split(delimiter)) {
    if (folder === "") continue;
    const found = npmIn(folder);
    if (found !== undefined) return found;
  }
  throw new FalServerlessError(
    "ENVIRONMENT_FAILED",
    `There is no npm beside ${node} and none in PATH. Install it: environments are made by npm.`,
  );
}

function npmIn(folder: string): NpmProgram | undefined {
  if (process.platform === "win32") return scriptAt(join(folder, "node_modules", CLI));
  const target = realpath(join(folder, "npm"));
  if (target === undefined) return undefined;
  return target.endsWith(".js") ? scriptAt(target) : { command: target };
}

function scriptAt(path: string): NpmProgram | undefined {
  if (!existsSync(path)) return undefined;
  const script = realpath(path) ?? path;
  try {
    const manifest = readFileSync(join(dirname(script), "../package.json"), "utf8");
    return { script, version: (JSON.parse(manifest) as { version: string }).version };
  } catch {
    return { script };
  }
}

function realpath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/**
 * Variables of this process that npm gets. All others are withheld, because install scripts must not see secrets of
 * this process.
 */
const PASSED_ON: ReadonlySet<string> = new Set([
  ...["PATH", "HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMFILES", "PROGRAMDATA", "SYSTEMROOT"],
  ...["COMSPEC", "PATHEXT", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "SHELL"],
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "NODE_EXTRA_CA_CERTS"],
  ...["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_USE_ENV_PROXY", "NODE_USE_SYSTEM_CA"],
]);

/**
 * Variables that npm must not get: those that `npm run` has set for this process, and those that would change npm's
 * folder or task.
 */
const OF_ANOTHER_RUN =
  /^npm_config_(?:local[-_]prefix|global[-_]prefix|prefix|global|location|workspaces?|include[-_]workspace[-_]root|dry[-_]run|package[-_]lock[-_]only|node[-_]gyp|npm[-_]version|user[-_]agent|omit|include|only|production|save.*|json|loglevel|long|parseable|silent)$/i;

/**
 * npm's waits before another request to a registry that does not respond. With its defaults of 10 to 60 s, it would
 * take long to report an unreachable registry.
 */
const RETRY_DEFAULTS: Readonly<Record<string, string>> = {
  fetch_retry_mintimeout: "1000",
  fetch_retry_maxtimeout: "4000",
};

/** The contents of the `.npmrc` files that apply: the user's and that of the current folder. */
export interface NpmSettings {
  readonly user: string;
  readonly project: string;
}

/** Reads the `.npmrc` files. A missing one is empty. */
export function readNpmSettings(environment: NodeJS.ProcessEnv = process.env): NpmSettings {
  const home = environment["HOME"] ?? environment["USERPROFILE"] ?? homedir();
  const user = environment["npm_config_userconfig"] ?? join(home, ".npmrc");
  return { user: textOf(user), project: home === process.cwd() ? "" : textOf(join(process.cwd(), ".npmrc")) };
}

/**
 * The environment variables for npm.
 * @param nodeFolder the folder in which install scripts find `node` first
 * @param extra variables in addition to those of this process
 */
export function npmEnvironment(
  nodeFolder: string,
  settings: NpmSettings,
  extra: NodeJS.ProcessEnv = {},
  environment: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  const texts = `${settings.user}\n${settings.project}`;
  const named = new Set([...texts.matchAll(/\$\{([^}?]+)\??\}/g)].map(([, name]) => name));
  const env: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(environment)) {
    const isNpms = /^npm_config_/i.test(name) && !OF_ANOTHER_RUN.test(name);
    if (isNpms || named.has(name) || PASSED_ON.has(name.toUpperCase())) env[name] = value;
  }
  Object.assign(env, extra);
  const pathName = Object.keys(env).find((name) => name.toUpperCase() === "PATH") ?? "PATH";
  env[pathName] = [nodeFolder, env[pathName] ?? ""].filter((part) => part !== "").join(delimiter);
  for (const [name, value] of Object.entries(RETRY_DEFAULTS)) {
    const isSet = texts.includes(name.replaceAll("_", "-")) || `npm_config_${name}` in env;
    if (!isSet) env[`npm_config_${name}`] = value;
  }
  return env;
}

/** The registry that npm uses according to its settings. */
export function registryOf(env: NodeJS.ProcessEnv, settings: NpmSettings): string {
  const fromFile = (text: string): string | undefined => /^\s*registry\s*=\s*"?([^\s"]+)/m.exec(text)?.[1];
  return (
    env["npm_config_registry"] ??
    fromFile(settings.project) ??
    fromFile(settings.user) ??
    "https://registry.npmjs.org/"
  );
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
