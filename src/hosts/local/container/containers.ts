import { join } from "node:path";
import { FalServerlessError } from "../../../errors.ts";
import { BUNDLE_FILES } from "../../../functions/bundle/bundle.ts";
import type { Options } from "../../../functions/options.ts";
import type { Environment, EnvironmentSpec, PrepareOptions } from "../environments/environment-spec.ts";
import type { NodeRuntime } from "../environments/node-runtime.ts";
import type { NpmEnvironments } from "../environments/npm-environments.ts";
import type { StartChannel } from "../worker-channel.ts";
import type { BridgeStart } from "./bridge/protocol.ts";
import { writeBridge } from "./bridge-program.ts";
import { ContainerChannel } from "./container-channel.ts";
import { containerNpm, ENVIRONMENT_PLACE } from "./container-npm.ts";
import { findEngine, type ContainerEngine } from "./engine.ts";
import { findImage, type LocalImage } from "./image.ts";
import {
  containerName,
  containerVariables,
  excludesOthers,
  ownerOf,
  publishedPorts,
  type ContainerRun,
} from "./run-arguments.ts";

/** An image with what a function requires beside it. */
export interface PreparedContainer {
  readonly engine: ContainerEngine;
  readonly image: LocalImage;
  readonly environment: Environment;
}

/**
 * Finds the engine and the image, and installs the requirements by the image's npm.
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
    ...(signal === undefined ? {} : { signal }),
    ...(log === undefined ? {} : { log }),
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

/** What workers in containers are started with. */
export interface ContainerWorkerOptions {
  readonly options: Options;
  /** The folder of the bundle on this machine. */
  readonly folder: string;
  /** For whoever lists containers. */
  readonly title: string;
  readonly nodeOptions: readonly string[];
  /** Variables for the runner alone. */
  readonly variables: Readonly<Record<string, string>>;
}

/** How workers are started, and how many there may be at a time: undefined for as many as are wanted. */
export interface ContainerWorkers {
  readonly start: StartChannel;
  readonly maxWorkers?: number;
}

/** Where a bundle is in a container: above it are the packages of the environment. */
const BUNDLE_PLACE = `${ENVIRONMENT_PLACE}/function`;
const BRIDGE_PLACE = `${ENVIRONMENT_PLACE}/bridge.mjs`;

/** What the bridge takes by itself, in bytes. What passes through it comes on top. */
const BRIDGE_BYTES = 128 * 2 ** 20;

/** The workers of a function, each in a container of its own. */
export async function containerWorkers(
  { engine, image, environment }: PreparedContainer,
  { options, folder, title, nodeOptions, variables }: ContainerWorkerOptions,
): Promise<ContainerWorkers> {
  const { env, memoryLimitMb } = options.host;
  const ports = publishedPorts(options);
  const bridge = await writeBridge(environment.directory);
  // The runner ends itself at its limit. This is for what it has started, and for what grows faster than it looks;
  // arguments and results pass through the bridge, and may be half as large as the limit.
  const memory = memoryLimitMb === undefined ? {} : { memoryBytes: memoryLimitMb * 2e6 + BRIDGE_BYTES };
  const run: Omit<ContainerRun, "name"> = {
    label: title,
    image: image.id,
    mounts: [
      { source: join(environment.directory, "node_modules"), target: `${ENVIRONMENT_PLACE}/node_modules` },
      { source: folder, target: BUNDLE_PLACE },
      { source: bridge, target: BRIDGE_PLACE },
    ],
    ports,
    // An image with a user of its own is made for it.
    ...(image.user === "" ? { user: ownerOf(engine) } : {}),
    ...memory,
    args: [BRIDGE_PLACE],
  };
  const start: BridgeStart = {
    args: [...nodeOptions, `${BUNDLE_PLACE}/${BUNDLE_FILES.runner}`, title],
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
