import { existsSync } from "node:fs";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import { FalServerlessError } from "../../../errors.ts";
import type { WorkerEnd } from "../../../processes/worker-channel.ts";
import type { NpmResult, NpmRun } from "../../../environments/npm-run.ts";
import { localPath } from "../../../environments/requirement-specs.ts";
import { writeBridge } from "./bridge-program.ts";
import { ContainerProcess } from "./container-process.ts";
import type { ContainerEngine } from "../../../packaging/container-engine.ts";
import type { LocalImage } from "./image.ts";
import { containerName, ownerOf, type Mount } from "./run-arguments.ts";

/** The environment's folder in a container. The same during installation and use, since install scripts may store it. */
export const ENVIRONMENT_FOLDER = "/servable";

/** Variables that name paths or the user of this machine. npm's other variables are valid in a container too. */
const LOCAL_VARIABLES =
  /^(?:path|home|userprofile|(?:local)?appdata|program(?:files|data)|systemroot|comspec|pathext|te?mp|tmpdir|shell|user|logname|ssl_cert_(?:file|dir)|node_extra_ca_certs|npm_config_(?:cache|cafile|userconfig|globalconfig|prefix|tmp))$/i;
/** Variables with the path of a file that npm needs. */
const FILE_VARIABLES = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "npm_config_cafile"] as const;
/** Number of output lines kept for messages. */
const KEPT_LINES = 400;

/** The engine, the image and the requirements to install. */
export interface ContainerNpmParts {
  readonly engine: ContainerEngine;
  readonly image: LocalImage;
  readonly steps: readonly (readonly string[])[];
}

/** Runs an image's npm in a container, so that packages are built for the image's system. */
export function containerNpm({
  engine,
  image,
  steps,
}: ContainerNpmParts): (run: NpmRun) => Promise<NpmResult> {
  return async ({ args, cwd, env, npm, signal, onLine }) => {
    signal?.throwIfAborted();
    const { variables, mounts } = npmInContainer(env);
    const bridge = basename(await writeBridge(cwd));
    const lines: string[] = [];
    const end = await new Promise<WorkerEnd>((resolve) => {
      const container = new ContainerProcess({
        engine,
        run: {
          name: containerName(),
          label: "install",
          image: image.id,
          mounts: [
            { source: cwd, target: ENVIRONMENT_FOLDER, isWritable: true },
            ...mounts,
            ...localMounts(steps),
          ],
          user: ownerOf(engine),
          directory: ENVIRONMENT_FOLDER,
          // The registry may be on this machine, or reachable only through its proxies.
          hasHostNetwork: true,
          args: [`${ENVIRONMENT_FOLDER}/${bridge}`],
        },
        start: { args: [npm.script ?? "", ...args], variables, hasMessages: false },
        directory: cwd,
        onMessage: () => {},
        onEnd: (ended) => {
          signal?.removeEventListener("abort", kill);
          resolve(ended);
        },
      });
      const kill = (): void => container.kill();
      signal?.addEventListener("abort", kill, { once: true });
      for (const stream of [container.stdout, container.stderr]) {
        createInterface({ input: stream, crlfDelay: Infinity }).on("line", (line) => {
          if (lines.push(line) > KEPT_LINES) lines.shift();
          onLine(line);
        });
      }
    });
    signal?.throwIfAborted();
    if (end.error !== undefined) {
      const message = `npm can't be run in the image ${image.name}: ${end.error.message}`;
      throw new FalServerlessError("ENVIRONMENT_FAILED", message, { cause: end.error });
    }
    return { exitCode: end.code, killedBy: end.signal as NodeJS.Signals | null, lines };
  };
}

/** npm's variables for a container, and the mounts of the files that they name. */
export function npmInContainer(env: NodeJS.ProcessEnv): {
  readonly variables: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
} {
  const variables: Record<string, string> = { HOME: "/tmp", npm_config_cache: "/tmp/servable-npm" };
  const mounts: Mount[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && !LOCAL_VARIABLES.test(name)) variables[name] = value;
  }
  const takeFile = (name: string, path: string): void => {
    const target = `/run/servable/${name}`;
    mounts.push({ source: path, target });
    variables[name] = target;
  };
  for (const name of FILE_VARIABLES) {
    const path = env[name];
    if (path !== undefined && existsSync(path)) takeFile(name, path);
  }
  const settings = env["npm_config_userconfig"] ?? `${env["HOME"] ?? env["USERPROFILE"] ?? ""}/.npmrc`;
  if (existsSync(settings)) takeFile("npm_config_userconfig", settings);
  return { variables, mounts };
}

/** Mounts of the local packages among the requirements, at the same paths. */
function localMounts(steps: ContainerNpmParts["steps"]): Mount[] {
  const paths = steps.flat().flatMap((requirement) => localPath(requirement) ?? []);
  return [...new Set(paths)].map((path) => ({ source: path, target: path }));
}
