import type { ContainerEngine } from "../../../packaging/container-engine.ts";
import type { Gpu } from "../../state/gpus.ts";
import { sizeText, type Need } from "../../state/machine-types.ts";

/** The container of a runner. */
export interface RunnerContainer {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The name of its image. */
  readonly image: string;
  /** The port that the app listens on. */
  readonly port: number;
  readonly variables: Readonly<Record<string, string>>;
  readonly need: Need;
  readonly gpus: readonly Gpu[];
  readonly entrypoint: readonly string[] | undefined;
  readonly cmd: readonly string[] | undefined;
}

/** The label that says which memory limit a runner has, for the message when it reaches it. */
export const LIMIT_LABEL = "servable.limit";

/** Variables that change what the engine's own program does. */
const OF_ENGINES =
  /^(?:DOCKER|CONTAINER|CONTAINERS|BUILDAH|PODMAN|REGISTRY|STORAGE|XDG|DBUS|LD|GO|LISTEN)(?:_|$)|proxy$/i;

/** The engine's arguments that make the container of a runner, and the environment for its program. */
export function createArguments(
  container: RunnerContainer,
  { flavor, isConfined }: Pick<ContainerEngine, "flavor" | "isConfined">,
  own: NodeJS.ProcessEnv = process.env,
): { readonly args: readonly string[]; readonly environment: NodeJS.ProcessEnv } {
  const { name, labels, image, port, variables, need, gpus, entrypoint, cmd = [] } = container;
  const { memoryBytes, cpus } = need;
  const [program, ...first] = entrypoint ?? [];
  const ofEngine = new Set(
    Object.keys(variables).filter((each) => own[each] !== undefined || OF_ENGINES.test(each)),
  );
  const args = [
    ...["create", `--name=${name}`],
    ...Object.entries(labels).map(([label, value]) => `--label=${label}=${value}`),
    // The attached program writes the output to files, and the platform checks the health.
    ...["--log-driver=none", "--no-healthcheck"],
    // By default, Podman passes this process's proxy settings, including passwords.
    ...(flavor === "podman" ? ["--http-proxy=false"] : []),
    ...(isConfined ? ["--security-opt=label=disable"] : []),
    `--publish=127.0.0.1::${port}`,
    // Without swap: the limit is for all of its memory.
    ...(memoryBytes === undefined
      ? []
      : [
          `--memory=${memoryBytes}`,
          `--memory-swap=${memoryBytes}`,
          `--label=${LIMIT_LABEL}=${limitText(need)}`,
        ]),
    ...(cpus === undefined ? [] : [`--cpus=${cpus}`]),
    ...gpuArguments(flavor, gpus),
    // A name alone takes the value from the environment of the program, which others on this machine can't read.
    ...Object.entries(variables).map(([each, value]) =>
      ofEngine.has(each) ? `--env=${each}=${value}` : `--env=${each}`,
    ),
    ...(program === undefined ? [] : [`--entrypoint=${program}`]),
    ...[image, ...first, ...cmd],
  ];
  const passed = Object.entries(variables).filter(([each]) => !ofEngine.has(each));
  return { args, environment: { ...own, ...Object.fromEntries(passed) } };
}

function gpuArguments(flavor: ContainerEngine["flavor"], gpus: readonly Gpu[]): readonly string[] {
  if (gpus.length === 0) return [];
  // Docker's value is a line of CSV; Podman finds devices by their names of the Container Device Interface.
  if (flavor === "docker") return [`--gpus="device=${gpus.map(({ id }) => id).join(",")}"`];
  return gpus.map(({ id }) => `--device=nvidia.com/gpu=${id}`);
}

function limitText({ memoryBytes = 0, machineTypes }: Need): string {
  return `${sizeText(memoryBytes)} of machine type ${machineTypes}`;
}
