import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { functionFactsComment } from "../../build-context/function-facts.ts";
import { FalServerlessError } from "../../errors.ts";
import { bundleFiles, moduleUrlOf, type Bundle } from "../../functions/bundle/bundle.ts";
import { programCode } from "../../functions/bundle/programs.ts";
import type { FunctionTarget } from "../../functions/host.ts";
import { schemasOf, type HostOptions, type Options } from "../../functions/options.ts";
import { serveRequirements, toSteps } from "../../functions/requirements.ts";
import { ContainerImage } from "../../packaging/container-image.ts";
import { MACHINE_SETTINGS, type MachineSettings } from "../../platform/apps/machine-requirements.ts";
import { omitUndefined, pick } from "../../settings/defined-fields.ts";
import { SETTINGS } from "../../settings/settings.ts";
import { installProject, INSTALL_FLAGS, originFlags, stepsBeside } from "../../environments/install-plan.ts";
import { readLockfile, type Lockfile } from "../../environments/lockfile.ts";
import { readNpmSettings } from "../../environments/npm.ts";
import { localPath } from "../../environments/requirement-specs.ts";
import { SOURCE_ROOT, withoutParents } from "./container-sources.ts";
import { CALL_FORMAT } from "./server/call-protocol.ts";
import { IMAGE_ROOT, IMAGE_FOLDERS, SERVER_FILES, type ServerSettings } from "./server/container-layout.ts";

/** The default port for calls. */
const CALL_PORT = SETTINGS.exposedPort.default;
/** The user of the processes unless the image is the function's own: `node` in the official images. */
const USER = "1000:1000";
/** The build secret with npm's settings. */
const NPMRC = "npmrc";

/** Options of {@link createFunctionImage}. */
export interface FunctionImageOptions {
  /** The base image. Default: the official image of the function's version of Node. */
  readonly baseImage?: string | undefined;
  /** An empty folder for its files. */
  readonly folder: string;
  readonly onWarning: (message: string) => void;
}

/**
 * Creates the image of a function, with its packages, its bundle, and the server that answers its calls or serves it.
 * @throws FalServerlessError with code BUNDLE_FAILED or ENVIRONMENT_FAILED
 */
export async function createFunctionImage(
  target: FunctionTarget,
  { baseImage, folder, onWarning }: FunctionImageOptions,
): Promise<ContainerImage> {
  const { options } = target;
  const isServed = options.gateway.serve === true;
  const [made, program] = await Promise.all([target.bundle(), programCode("server")]);
  // The local path of the project is private, and must not change the image's hash.
  const bundle: Bundle = { ...made, map: withoutParents(made.map), root: SOURCE_ROOT };
  const install = installOf(options, onWarning);
  const files = new Map<string, string>();
  for (const [name, text] of bundleFiles(bundle)) files.set(`${IMAGE_FOLDERS.bundle}/${name}`, text);
  files.set(`${IMAGE_FOLDERS.server}/${SERVER_FILES.program}`, program);
  files.set(`${IMAGE_FOLDERS.server}/${SERVER_FILES.settings}`, json(settingsOf(target, bundle)));
  files.set(`${IMAGE_FOLDERS.function}/package.json`, json(installProject(install.lockfile, install.steps)));
  if (install.lockfile !== undefined)
    files.set(`${IMAGE_FOLDERS.function}/package-lock.json`, install.lockfile.text);
  const serverSteps = isServed ? [] : [serveRequirements().filter((spec) => !spec.startsWith("typebox@"))];
  if (!isServed) {
    files.set(`${IMAGE_FOLDERS.server}/package.json`, json(installProject(undefined, serverSteps)));
  }
  for (const [name, text] of files) await writePlain(join(folder, name), text);
  const npmrc = npmSettings();
  return ContainerImage.fromDockerfileString(
    dockerfile({
      // Only images that differ from the official one in nothing can be replaced by processes.
      facts:
        (options.environment.image ?? baseImage) === undefined
          ? factsOf(target, { ...install, serverSteps })
          : undefined,
      base: options.environment.image ?? baseImage ?? nodeImage(options.environment.nodeVersion),
      user: options.environment.image === undefined ? USER : undefined,
      serverSteps,
      ...install,
      hasNpmrc: npmrc !== "",
      port: portOf(options),
    }),
    { contextDirectory: folder, ignore: [], ...(npmrc === "" ? {} : { secrets: { [NPMRC]: npmrc } }) },
  );
}

/** The container's port for requests from outside. */
function portOf(options: Options): number {
  return options.getExposedPort() || CALL_PORT;
}

/** The port of the metrics; undefined for a function that is not served. */
function metricsPortOf(options: Options): number | undefined {
  return options.gateway.serve === true
    ? options.getMetricsPort() || SETTINGS.metricsPort.default
    : undefined;
}

/** The machine that a function's options ask for. */
export function machineSettings(options: Options): MachineSettings {
  const ports = { exposedPort: portOf(options), metricsPort: metricsPortOf(options) };
  return pick({ ...options.host, ...ports }, MACHINE_SETTINGS);
}

interface Install {
  readonly lockfile: Lockfile | undefined;
  readonly steps: readonly (readonly string[])[];
}

function installOf({ environment }: Options, onWarning: (message: string) => void): Install {
  const { requirements = [], lockfile: path } = environment;
  const steps = toSteps(requirements);
  const local = steps.flat().find((requirement) => localPath(requirement) !== undefined);
  if (local !== undefined) {
    throw new FalServerlessError(
      "ENVIRONMENT_FAILED",
      `The requirement ${local} lies on this machine, and can't be installed elsewhere: publish it, or take its code along with localModules.`,
    );
  }
  if (path === undefined) return { lockfile: undefined, steps };
  const lockfile = readLockfile(path);
  return { lockfile, steps: stepsBeside(lockfile, steps, onWarning) };
}

function settingsOf({ name, entry, options }: FunctionTarget, bundle: Bundle): ServerSettings {
  const {
    maxMultiplexing = 1,
    requestTimeout,
    startupTimeout = SETTINGS.startupTimeout.default,
    env,
  } = options.host;
  const moduleUrl = moduleUrlOf(bundle);
  const metricsPort = metricsPortOf(options);
  return {
    format: CALL_FORMAT,
    functionName: name,
    moduleUrl,
    entry: { ...entry, place: { ...entry.place, module: moduleUrl } },
    port: portOf(options),
    ...(metricsPort === undefined ? {} : { served: { metricsPort, schemas: schemasOf(options.gateway) } }),
    maxCalls: maxMultiplexing,
    ...omitUndefined({ requestTimeout }),
    startupTimeout,
    variables: variablesOf(env),
  };
}

/** The option `env`, with current values from this process. */
function variablesOf(env: HostOptions["env"]): Readonly<Record<string, string>> {
  if (env === undefined) return {};
  const isList = Array.isArray as (value: unknown) => value is readonly string[];
  if (!isList(env)) return env;
  return Object.fromEntries(
    env.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name] as string]])),
  );
}

/** The facts by which a platform starts the function as a process. */
function factsOf(
  { name, options }: FunctionTarget,
  { lockfile, steps, serverSteps }: Install & { readonly serverSteps: readonly (readonly string[])[] },
): string {
  const { function: own, server } = IMAGE_FOLDERS;
  return functionFactsComment({
    name: name.replace(/\(\)$/, ""),
    program: `${server}/${SERVER_FILES.program}`,
    installs: [
      { folder: server, hasLockfile: false, steps: serverSteps },
      { folder: own, hasLockfile: lockfile !== undefined, steps },
    ].filter(({ hasLockfile, steps: { length } }) => hasLockfile || length > 0),
    ...omitUndefined({ nodeVersion: options.environment.nodeVersion }),
  });
}

interface DockerfileParts extends Install {
  readonly facts: string | undefined;
  readonly base: string;
  /** Undefined for the image's own. */
  readonly user: string | undefined;
  readonly serverSteps: readonly (readonly string[])[];
  readonly hasNpmrc: boolean;
  readonly port: number;
}

/** The layers that change least come first, so that an edit of the function rebuilds only two small layers. */
function dockerfile({
  facts,
  base,
  user,
  serverSteps,
  lockfile,
  steps,
  hasNpmrc,
  port,
}: DockerfileParts): string {
  const { function: own, bundle, server } = IMAGE_FOLDERS;
  const mount = hasNpmrc ? `--mount=type=secret,id=${NPMRC},target=${IMAGE_ROOT}/${own}/.npmrc ` : "";
  const npm = (place: string, ...args: readonly string[]): string =>
    `RUN ${place === own ? mount : ""}${JSON.stringify(["npm", ...args])}`;
  const installs = (place: string, all: readonly (readonly string[])[]): string[] =>
    all.map((step) =>
      npm(place, "install", ...INSTALL_FLAGS, ...originFlags(NEWEST_NPM, step), "--", ...step),
    );
  return [
    ...(facts === undefined ? [] : [facts]),
    `ARG BASE_IMAGE=${base}`,
    "FROM ${BASE_IMAGE} AS packages",
    "USER 0:0",
    ...(serverSteps.length === 0
      ? [`WORKDIR ${IMAGE_ROOT}/${server}`]
      : [
          `WORKDIR ${IMAGE_ROOT}/${server}`,
          `COPY ${server}/package.json ./`,
          ...installs(server, serverSteps),
        ]),
    `WORKDIR ${IMAGE_ROOT}/${own}`,
    `COPY ${own}/package.json ${lockfile === undefined ? "" : `${own}/package-lock.json `}./`,
    ...(lockfile === undefined ? [] : [npm(own, "ci", ...INSTALL_FLAGS)]),
    ...installs(own, steps),
    "FROM ${BASE_IMAGE}",
    `WORKDIR ${IMAGE_ROOT}`,
    `COPY --from=packages ${IMAGE_ROOT} ./`,
    `EXPOSE ${port}`,
    ...(user === undefined ? [] : [`USER ${user}`]),
    `ENTRYPOINT ${JSON.stringify(["node", `${IMAGE_ROOT}/${server}/${SERVER_FILES.program}`])}`,
    `COPY ${server}/${SERVER_FILES.program} ${server}/${SERVER_FILES.settings} ./${server}/`,
    `COPY ${bundle} ./${bundle}`,
    "",
  ].join("\n");
}

/** Selects the flags of the newest npm; older versions ignore unknown flags. */
const NEWEST_NPM = "12";

function nodeImage(version: string = process.versions.node): string {
  return `docker.io/library/node:${version}-slim`;
}

/** The project's npm settings, such as tokens and registries, with the values of variables inserted. */
function npmSettings(): string {
  return readNpmSettings().project.replaceAll(/\$\{([^}?]+)\??\}/g, (text, name: string) => {
    return process.env[name] ?? (text.endsWith("?}") ? "" : text);
  });
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Writes a file with fixed permissions, which are part of its hash. */
async function writePlain(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  await chmod(path, 0o644);
}
