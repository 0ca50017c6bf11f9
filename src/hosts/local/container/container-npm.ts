import { existsSync } from "node:fs";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import { FalServerlessError } from "../../../errors.ts";
import type { NpmResult, NpmRun } from "../environments/npm-run.ts";
import { localPath } from "../environments/requirement-specs.ts";
import { writeBridge } from "./bridge-program.ts";
import { ContainerProcess, type ContainerEnd } from "./container-process.ts";
import type { ContainerEngine } from "./engine.ts";
import type { LocalImage } from "./image.ts";
import { containerName, ownerOf, type Mount } from "./run-arguments.ts";

/** Where an environment is in a container, while it is installed and when it is used: install scripts may note it. */
export const ENVIRONMENT_PLACE = "/servable";

/** Variables that name places of this machine, or its user. What else npm is given is for it wherever it runs. */
const PLACES =
  /^(?:path|home|userprofile|(?:local)?appdata|program(?:files|data)|systemroot|comspec|pathext|te?mp|tmpdir|shell|user|logname|ssl_cert_(?:file|dir)|node_extra_ca_certs|npm_config_(?:cache|cafile|userconfig|globalconfig|prefix|tmp))$/i;
/** Variables that name a file of this machine that npm needs. */
const FILE_VARIABLES = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "npm_config_cafile"] as const;
/** Lines that are kept for a message. */
const KEPT_LINES = 400;

/** What npm is run with in a container. */
export interface ContainerNpmParts {
  readonly engine: ContainerEngine;
  readonly image: LocalImage;
  readonly steps: readonly (readonly string[])[];
}

/** Runs an image's npm in a container: the packages are made for what the image has. */
export function containerNpm({
  engine,
  image,
  steps,
}: ContainerNpmParts): (run: NpmRun) => Promise<NpmResult> {
  return async ({ args, cwd, env, npm, signal, onLine }) => {
    signal?.throwIfAborted();
    const { variables, mounts } = placesInside(env);
    const bridge = basename(await writeBridge(cwd));
    const lines: string[] = [];
    const end = await new Promise<ContainerEnd>((resolve) => {
      const container = new ContainerProcess({
        engine,
        run: {
          name: containerName(),
          label: "install",
          image: image.id,
          mounts: [
            { source: cwd, target: ENVIRONMENT_PLACE, isWritable: true },
            ...mounts,
            ...localMounts(steps),
          ],
          user: ownerOf(engine),
          directory: ENVIRONMENT_PLACE,
          // A registry may be on this machine, or be reached by its proxies alone.
          hasHostNetwork: true,
          args: [`${ENVIRONMENT_PLACE}/${bridge}`],
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

/** What of npm's variables holds in a container, and the files that they name. */
export function placesInside(env: NodeJS.ProcessEnv): {
  readonly variables: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
} {
  const variables: Record<string, string> = { HOME: "/tmp", npm_config_cache: "/tmp/servable-npm" };
  const mounts: Mount[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && !PLACES.test(name)) variables[name] = value;
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

/** Packages of this machine are where npm is told that they are. */
function localMounts(steps: ContainerNpmParts["steps"]): Mount[] {
  const paths = steps.flat().flatMap((requirement) => localPath(requirement) ?? []);
  return [...new Set(paths)].map((path) => ({ source: path, target: path }));
}
