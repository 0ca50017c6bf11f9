import { join } from "node:path";
import { FalServerlessError } from "../../../errors.ts";
import { BUNDLE_FILES } from "../../../functions/bundle/bundle.ts";
import type { Options } from "../../../functions/options.ts";
import type { Environment, EnvironmentSpec, PrepareOptions } from "../../../environments/environment-spec.ts";
import type { NodeRuntime } from "../../../environments/node-runtime.ts";
import type { NpmEnvironments } from "../../../environments/npm-environments.ts";
import type { LaunchedWorkers } from "../function-worker.ts";
import type { BridgeStart } from "./bridge/protocol.ts";
import { writeBridge } from "./bridge-program.ts";
import { ContainerChannel } from "./container-channel.ts";
import { containerNpm, ENVIRONMENT_FOLDER } from "./container-npm.ts";
import { findEngine, type ContainerEngine } from "../../../packaging/container-engine.ts";
import { findImage, type LocalImage } from "./image.ts";
import {
  containerName,
  containerVariables,
  excludesOthers,
  ownerOf,
  publishedPorts,
  type ContainerRun,
} from "./run-arguments.ts";
import { omitUndefined } from "../../../settings/defined-fields.ts";

/** An image, and the installed requirements of a function. */
export interface PreparedContainer {
  readonly engine: ContainerEngine;
  readonly image: LocalImage;
  readonly environment: Environment;
}

/**
 * Finds the engine and the image, and installs the requirements with the image's npm.
 * @throws FalServerlessError with code CONTAINER_UNAVAILABLE or ENVIRONMENT_FAILED; the signal's reason
 */
export async function prepareContainer(
  environments: NpmEnvironments,
  spec: EnvironmentSpec & { readonly image: string },
  options: Omit<PrepareOptions, "node">,
): Promise<PreparedContainer> {
  const { signal, log } = options;
  const engine = await findEngine();
  const image = await findImage(engine, spec.image, {
    cacheDirectory: environments.cacheDirectory,
    ...omitUndefined({ signal, log }),
  });
  if (image.npm === undefined && spec.steps.flat().length > 0) {
    throw new FalServerlessError(
      "ENVIRONMENT_FAILED",
      `The image ${image.name} has no npm to install ${spec.steps.flat().join(", ")} with. Add it, or install them in the image and leave them out of requirements.`,
    );
  }
  const node: NodeRuntime = {
    executable: "node",
    ...image.node,
    installer: { npm: image.npm ?? {}, run: containerNpm({ engine, image, steps: spec.steps }) },
  };
  const environment = await environments.prepare({ ...spec, image: image.id }, { ...options, node });
  return { engine, image, environment };
}

/** Options of {@link containerWorkers}. */
export interface ContainerWorkerOptions {
  readonly options: Options;
  /** The folder of the bundle on this machine. */
  readonly folder: string;
  /** The container's label, for people who list containers. */
  readonly title: string;
  readonly nodeOptions: readonly string[];
  /** Variables for the runner. */
  readonly variables: Readonly<Record<string, string>>;
}

/** Path of the bundle in a container, below the environment's packages. */
const BUNDLE_FOLDER = `${ENVIRONMENT_FOLDER}/function`;
const BRIDGE_PATH = `${ENVIRONMENT_FOLDER}/bridge.mjs`;

/** Memory of the bridge, in bytes, without the messages that pass through it. */
const BRIDGE_BYTES = 128 * 2 ** 20;

/** Starts the workers of a function, each in a separate container. */
export async function containerWorkers(
  { engine, image, environment }: PreparedContainer,
  { options, folder, title, nodeOptions, variables }: ContainerWorkerOptions,
): Promise<LaunchedWorkers> {
  const { env, memoryLimitMb } = options.host;
  const ports = publishedPorts(options);
  const bridge = await writeBridge(environment.directory);
  // The runner ends itself at its limit. The container's limit covers its child processes and sudden growth; arguments
  // and results, up to half of the limit, also pass through the bridge.
  const memory = memoryLimitMb === undefined ? {} : { memoryBytes: memoryLimitMb * 2e6 + BRIDGE_BYTES };
  const run: Omit<ContainerRun, "name"> = {
    label: title,
    image: image.id,
    mounts: [
      { source: join(environment.directory, "node_modules"), target: `${ENVIRONMENT_FOLDER}/node_modules` },
      { source: folder, target: BUNDLE_FOLDER },
      { source: bridge, target: BRIDGE_PATH },
    ],
    ports,
    // If the image sets a user, its files are made for that user.
    ...(image.user === "" ? { user: ownerOf(engine) } : {}),
    ...memory,
    args: [BRIDGE_PATH],
  };
  const start: BridgeStart = {
    args: [...nodeOptions, `${BUNDLE_FOLDER}/${BUNDLE_FILES.runner}`, title],
    variables: { ...containerVariables(env), ...variables },
    hasMessages: true,
    ...memory,
  };
  return {
    start: (listener) =>
      new ContainerChannel(
        { engine, run: { ...run, name: containerName() }, start, directory: environment.directory },
        listener,
      ),
    ...(excludesOthers(ports) ? { maxWorkers: 1 } : {}),
  };
}
