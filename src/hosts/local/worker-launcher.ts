import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { BUNDLE_FILES } from "../../functions/bundle/bundle.ts";
import type { Options } from "../../functions/options.ts";
import { toSteps } from "../../functions/requirements.ts";
import { MEMORY_LIMIT_VARIABLE } from "../../functions/runner/process-guards.ts";
import { ForkChannel, type ForkOptions } from "../../processes/worker-channel.ts";
import type { Environment, EnvironmentSpec, PrepareOptions } from "../../environments/environment-spec.ts";
import type { NpmEnvironments } from "../../environments/npm-environments.ts";
import type { LaunchedWorkers } from "./function-worker.ts";
import { workerVariables } from "./worker-environment.ts";
import { omitUndefined } from "../../settings/defined-fields.ts";

/** The environment of a function, and the way to start its workers: as processes of this machine, or in containers. */
export interface WorkerLauncher {
  readonly environment: Environment;
  /** `file:` URL of the only folder to find packages in, as the workers see it. Set if a folder above it has packages too. */
  readonly packagesUrl: string | undefined;
  /**
   * Prepares the start of workers.
   * @param folder the function's bundle
   * @param title the name in lists of processes
   */
  workers(options: Options, folder: string, title: string): Promise<LaunchedWorkers>;
}

/**
 * Prepares a function's environment, and keeps it as long as this process runs.
 * @throws FalServerlessError that says why the environment can't be made; the signal's reason
 */
export async function prepareLauncher(
  environments: NpmEnvironments,
  { environment }: Options,
  options: PrepareOptions,
): Promise<WorkerLauncher> {
  const { kind, requirements = [], nodeVersion, lockfile, image, force } = environment;
  const spec: EnvironmentSpec = {
    kind,
    steps: toSteps(requirements),
    ...omitUndefined({ nodeVersion, lockfile }),
  };
  const prepareOptions = { ...options, ...omitUndefined({ force }) };
  const launcher =
    image === undefined
      ? forkLauncher(await environments.prepare(spec, prepareOptions))
      : await containerLauncher(environments, { ...spec, image }, prepareOptions);
  environments.use(launcher.environment);
  return launcher;
}

async function containerLauncher(
  environments: NpmEnvironments,
  spec: EnvironmentSpec & { readonly image: string },
  options: PrepareOptions,
): Promise<WorkerLauncher> {
  // Loaded only for a function in a container.
  const { prepareContainer, containerWorkers } = await import("./container/containers.ts");
  const prepared = await prepareContainer(environments, spec, options);
  return {
    environment: prepared.environment,
    packagesUrl: undefined, // a container has no folders above it
    workers: (of, folder, title) =>
      containerWorkers(prepared, { options: of, folder, title, ...runnerSettings(of) }),
  };
}

function forkLauncher(environment: Environment): WorkerLauncher {
  const { directory, node } = environment;
  return {
    environment,
    packagesUrl: seesForeignPackages(directory) ? pathToFileURL(join(directory, "/")).href : undefined,
    workers: (options, folder, title) => {
      const { nodeOptions, variables } = runnerSettings(options);
      const fork: ForkOptions = {
        program: join(folder, BUNDLE_FILES.runner),
        node,
        nodeOptions,
        environment: { ...workerVariables(options.host.env), ...variables },
        directory: process.cwd(),
        title,
      };
      return Promise.resolve({ start: (listener) => new ForkChannel(fork, listener) });
    },
  };
}

/** Whether Node would find packages in folders above this one, or in the user's own folders. */
function seesForeignPackages(folder: string): boolean {
  const home = homedir();
  if ([".node_modules", ".node_libraries"].some((name) => existsSync(join(home, name)))) return true;
  for (let current = dirname(folder); ; current = dirname(current)) {
    if (existsSync(join(current, "node_modules"))) return true;
    if (dirname(current) === current) return false;
  }
}

/** Node options and variables of the runner, on this machine or in a container. */
function runnerSettings({ host: { memoryLimitMb } }: Options): {
  readonly nodeOptions: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
} {
  if (memoryLimitMb === undefined) return { nodeOptions: ["--enable-source-maps"], variables: {} };
  const heapMb = Math.ceil((memoryLimitMb * 1e6) / 2 ** 20);
  return {
    nodeOptions: ["--enable-source-maps", `--max-old-space-size=${heapMb}`],
    variables: { [MEMORY_LIMIT_VARIABLE]: String(memoryLimitMb) },
  };
}
