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
