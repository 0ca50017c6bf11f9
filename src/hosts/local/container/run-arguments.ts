import { randomBytes } from "node:crypto";
import type { Options } from "../../../functions/options.ts";
import { SETTINGS } from "../../../settings/settings.ts";
import { workerVariables, type PassedVariables } from "../worker-environment.ts";
import type { ContainerEngine } from "../../../packaging/container-engine.ts";

/** A file or folder of this machine that is mounted in a container. */
export interface Mount {
  readonly source: string;
  /** Its path in the container. */
  readonly target: string;
  /** Default false. */
  readonly isWritable?: boolean;
}

/** A port of a container that is reachable from this machine only. */
export interface PublishedPort {
  /** The port in the container. */
  readonly inner: number;
  /** The port on this machine; 0 for any. */
  readonly outer: number;
}

/** A container that runs once and is removed at its end. */
export interface ContainerRun {
  readonly name: string;
  /** Its purpose, for people who list containers. */
  readonly label: string;
  /** The image's id. */
  readonly image: string;
  readonly mounts: readonly Mount[];
  readonly ports?: readonly PublishedPort[];
  /** `UID:GID`. Default: the image's own. */
  readonly user?: string;
  /** The working directory. Default: the image's own. */
  readonly directory?: string;
  /** Uses this machine's network instead of a separate one. Default false. */
  readonly hasHostNetwork?: boolean;
  /** Default: no limit. */
  readonly memoryBytes?: number;
  /** The arguments of the image's Node. */
  readonly args: readonly string[];
}

/** The label of all containers of this package; its value is their purpose. */
const CONTAINER_LABEL = "servable";

/**
 * The engine's arguments that run a container attached to standard input and output.
 * @param isConfined SELinux denies containers access to files without a label for them
 */
export function runArguments(
  run: ContainerRun,
  flavor: ContainerEngine["flavor"],
  isConfined: boolean,
): string[] {
  const { ports = [], user, directory, hasHostNetwork = false, memoryBytes } = run;
  return [
    ...["run", "--rm", "--interactive", `--name=${run.name}`, `--label=${CONTAINER_LABEL}=${run.label}`],
    // Frames need no log, and the image's own health check does not apply to a function.
    ...["--log-driver=none", "--no-healthcheck"],
    // By default, Podman passes this process's proxy settings, including passwords.
    ...(flavor === "podman" ? ["--http-proxy=false"] : []),
    ...(isConfined ? ["--security-opt=label=disable"] : []),
    ...(hasHostNetwork ? ["--network=host"] : []),
    ...(user === undefined ? [] : [`--user=${user}`]),
    ...(directory === undefined ? [] : [`--workdir=${directory}`]),
    ...(memoryBytes === undefined ? [] : [`--memory=${memoryBytes}`]),
    ...run.mounts.map((mount) => `--mount=${mountOption(mount)}`),
    ...ports.map(({ inner, outer }) => `--publish=127.0.0.1:${outer === 0 ? "" : outer}:${inner}`),
    ...["--entrypoint=node", run.image, ...run.args],
  ];
}

/** The value of `--mount`: one line of comma-separated values. */
function mountOption({ source, target, isWritable = false }: Mount): string {
  const fields = ["type=bind", `source=${source}`, `target=${target}`, ...(isWritable ? [] : ["readonly"])];
  return fields.map((field) => (/[",]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(",");
}

/** A unique name for a container. */
export function containerName(): string {
  return `servable-${process.pid}-${randomBytes(6).toString("hex")}`;
}

/** The user in a container whose files this process can remove. */
export function ownerOf(engine: ContainerEngine): string {
  const user = process.getuid?.() ?? 0;
  return engine.isRootless || user === 0 ? "0:0" : `${user}:${process.getgid?.() ?? 0}`;
}

/** The ports of a served function in its container if any port of this machine can be used. */
const INNER_PORTS = [SETTINGS.exposedPort.default, SETTINGS.metricsPort.default] as const;

/**
 * The ports of a function's container: first the exposed port, then the metrics port. A function that is not served
 * opens the ports in its options itself.
 */
export function publishedPorts(options: Options): readonly PublishedPort[] {
  const { serve, exposedPort, metricsPort } = options.gateway;
  if (serve !== true) {
    const named = new Set([exposedPort ?? 0, metricsPort ?? 0]);
    return [...named].filter((port) => port > 0).map((port) => ({ inner: port, outer: port }));
  }
  const outer = [options.getExposedPort() ?? 0, options.getMetricsPort() ?? 0];
  const taken = new Set(outer);
  return outer.map((port, place) => {
    let inner = port === 0 ? (INNER_PORTS[place] as number) : port;
    while (port === 0 && taken.has(inner)) inner++;
    taken.add(inner);
    return { inner, outer: port };
  });
}

/** Whether only one such container can run at a time, because it needs a fixed port of this machine. */
export function excludesOthers(ports: readonly PublishedPort[]): boolean {
  return ports.some(({ outer }) => outer !== 0);
}

/** The variables of every worker that contain no paths of this machine. */
const PORTABLE_VARIABLES: readonly string[] = ["LANG", "LC_ALL", "TZ"];

/**
 * The variables of a worker in a container, in addition to the image's own: language, time zone and the listed ones.
 */
export function containerVariables(
  passed: PassedVariables = [],
  own: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  return workerVariables(passed, own, PORTABLE_VARIABLES);
}
