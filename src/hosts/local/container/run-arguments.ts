import { randomBytes } from "node:crypto";
import type { Options } from "../../../functions/options.ts";
import { workerVariables, type PassedVariables } from "../worker-environment.ts";
import type { ContainerEngine } from "./engine.ts";

/** A file or folder of this machine in a container. */
export interface Mount {
  readonly source: string;
  /** Where it is in the container. */
  readonly target: string;
  /** Default false. */
  readonly isWritable?: boolean;
}

/** A port of a container that is reached from this machine alone. */
export interface PublishedPort {
  /** The port in the container. */
  readonly inner: number;
  /** The port on this machine; 0 for any. */
  readonly outer: number;
}

/** A container, run once and removed when it ends. */
export interface ContainerRun {
  readonly name: string;
  /** What it is for, for whoever lists containers. */
  readonly label: string;
  /** The image's id. */
  readonly image: string;
  readonly mounts: readonly Mount[];
  readonly ports?: readonly PublishedPort[];
  /** `UID:GID`. Default: the image's own. */
  readonly user?: string;
  /** The folder it works in. Default: the image's own. */
  readonly directory?: string;
  /** It has this machine's network instead of one of its own. Default false. */
  readonly hasHostNetwork?: boolean;
  /** Default: no limit. */
  readonly memoryBytes?: number;
  /** The arguments of the image's Node. */
  readonly args: readonly string[];
}

/** The label that all containers of this package have; its value says what they are for. */
export const CONTAINER_LABEL = "servable";

/**
 * The arguments by which an engine's program runs a container, attached to the program's input and output.
 * @param isConfined this machine keeps containers from files that are not labelled for them (SELinux)
 */
export function runArguments(
  run: ContainerRun,
  flavor: ContainerEngine["flavor"],
  isConfined: boolean,
): string[] {
  const { ports = [], user, directory, hasHostNetwork = false, memoryBytes } = run;
  return [
    ...["run", "--rm", "--interactive", `--name=${run.name}`, `--label=${CONTAINER_LABEL}=${run.label}`],
    // Frames are not worth a log; an image's own check knows nothing of what runs in it here.
    ...["--log-driver=none", "--no-healthcheck"],
    // Podman would hand this process's proxies over, with what passwords are in them.
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

/** The fields of a line of comma-separated values. */
function mountOption({ source, target, isWritable = false }: Mount): string {
  const fields = ["type=bind", `source=${source}`, `target=${target}`, ...(isWritable ? [] : ["readonly"])];
  return fields.map((field) => (/[",]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(",");
}

/** A name that no other container has. */
export function containerName(): string {
  return `servable-${process.pid}-${randomBytes(6).toString("hex")}`;
}

/** The user in a container to whom the files belong that this process may remove again. */
export function ownerOf(engine: ContainerEngine): string {
  const user = process.getuid?.() ?? 0;
  return engine.isRootless || user === 0 ? "0:0" : `${user}:${process.getgid?.() ?? 0}`;
}

/** Where a served function listens in its container, if any port of this machine will do. */
const INNER_PORTS = [8080, 9090] as const;

/**
 * The ports of a function's container: the exposed one first, then that of the metrics. A function that is not served
 * listens by itself, on the ports that it names.
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

/** Whether two of these containers can't run at a time: both would have the same port of this machine. */
export function excludesOthers(ports: readonly PublishedPort[]): boolean {
  return ports.some(({ outer }) => outer !== 0);
}

/** Of the variables that every worker has, those that do not name places of this machine. */
const PORTABLE_VARIABLES: readonly string[] = ["LANG", "LC_ALL", "TZ"];

/**
 * What a worker in a container has in its environment beside the image's own: the language, the time zone and the listed
 * variables.
 */
export function containerVariables(
  passed: PassedVariables = [],
  own: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const isList = Array.isArray as (value: unknown) => value is readonly string[];
  const names = new Set([...PORTABLE_VARIABLES, ...(isList(passed) ? passed : [])]);
  const known = Object.fromEntries(Object.entries(own).filter(([name]) => names.has(name)));
  return workerVariables(passed, known);
}
