import { resolve } from "node:path";
import { FalServerlessError } from "../errors.ts";
import { runProgram } from "../processes/program.ts";

/** Which program's habits one has. */
export type EngineFlavor = "docker" | "podman" | "buildah";

/** A program that builds images or runs containers, and can do so here and now. */
export interface FoundEngine<Flavor extends EngineFlavor = EngineFlavor> {
  /** Its name in `PATH`, or its path. */
  readonly command: string;
  readonly flavor: Flavor;
  /** Root in its containers is this process's user. */
  readonly isRootless: boolean;
}

/** The variable that names the program: "docker", "podman", "buildah" or a path. */
export const ENGINE_VARIABLE = "SERVABLE_CONTAINER_ENGINE";

/** A daemon that has not answered by then is none, in milliseconds. */
const CHECK_MS = 10_000;

/**
 * Looks for the one that the environment names, else for those that will do, in their order.
 * @param flavors those that will do
 * @returns the first that works, or else what each of them said
 * @throws the signal's reason
 */
export async function probeEngines<Flavor extends EngineFlavor>(
  flavors: readonly Flavor[],
  environment: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<FoundEngine<Flavor> | readonly string[]> {
  const named = environment[ENGINE_VARIABLE];
  // A path counts from here, wherever the program is run later.
  const candidates = named ? [/[/\\]/.test(named) ? resolve(named) : named] : flavors;
  // All at once, since a daemon that hangs takes its time; those that are not waited for are ended.
  const enough = new AbortController();
  const stop = signal === undefined ? enough.signal : AbortSignal.any([signal, enough.signal]);
  const checks = candidates.map((command) => checkEngine(command, flavors, environment, stop));
  try {
    const failures: string[] = [];
    for (const check of checks) {
      const result = await check;
      if (typeof result !== "string") return result;
      failures.push(result);
    }
    signal?.throwIfAborted();
    return failures;
  } finally {
    enough.abort();
  }
}

/** A program that builds images, and can do so here and now. */
export interface Builder {
  /** Its name in `PATH`, or its path. */
  readonly command: string;
  readonly flavor: EngineFlavor;
}

/**
 * Finds the builder: the one that the environment names, else Docker if its daemon answers, else Podman, else Buildah.
 * @throws FalServerlessError with code BUILDER_MISSING, which says what each of them said; the signal's reason
 */
export async function findBuilder(
  environment: NodeJS.ProcessEnv = process.env,
  signal?: AbortSignal,
): Promise<Builder> {
  const found = await probeEngines(["docker", "podman", "buildah"], environment, signal);
  if ("command" in found) return { command: found.command, flavor: found.flavor };
  const advice = environment[ENGINE_VARIABLE]
    ? `start it, or set ${ENGINE_VARIABLE} to "docker", "podman", "buildah" or a program's path`
    : `install one of them, or start it; ${ENGINE_VARIABLE} names a program elsewhere`;
  throw new FalServerlessError(
    "BUILDER_MISSING",
    `Docker, Podman or Buildah is needed to build an image, and none is usable here: ${advice}.\n` +
      found.map((failure) => `  ${failure}`).join("\n"),
  );
}

/** A program that works, or why it does not. */
async function checkEngine<Flavor extends EngineFlavor>(
  command: string,
  flavors: readonly Flavor[],
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<FoundEngine<Flavor> | string> {
  const limit = AbortSignal.timeout(CHECK_MS);
  try {
    const options = { environment, signal: AbortSignal.any([signal, limit]) };
    let end = await runProgram(command, ["info", "--format", "{{json .}}"], options);
    // Buildah prints JSON unless it is asked to.
    if (end.lines.some((line) => line.includes('"json" not defined'))) {
      end = await runProgram(command, ["info"], options);
    }
    const { code, stdout, lines } = end;
    const known = code === 0 ? readInfo(stdout) : undefined;
    if (known === undefined) {
      return `${command}: ${failureReason(lines.join("\n")) || `its "info" ended with exit code ${code}`}`;
    }
    const flavor = flavors.find((item) => item === known.flavor);
    return flavor === undefined
      ? `${command}: it builds images, and runs no containers`
      : { command, flavor, isRootless: known.isRootless };
  } catch {
    return `${command}: no answer in ${CHECK_MS} ms`;
  }
}

interface EngineInfo {
  /** Of Podman and Buildah. */
  readonly host?: { readonly security?: { readonly rootless?: boolean }; readonly rootless?: boolean };
  readonly version?: unknown;
  /** Of Docker. */
  readonly ServerVersion?: string;
  readonly SecurityOptions?: readonly string[] | null;
}

/** What they say of themselves: Podman may well be called "docker". Undefined for a client without a daemon. */
function readInfo(text: string): Omit<FoundEngine, "command"> | undefined {
  let info: EngineInfo;
  try {
    info = JSON.parse(text) as EngineInfo;
  } catch {
    return undefined;
  }
  const { host, version, ServerVersion, SecurityOptions } = info;
  if (host !== undefined) {
    const flavor = version === undefined ? "buildah" : "podman";
    return { flavor, isRootless: host.security?.rootless ?? host.rootless ?? false };
  }
  if (!ServerVersion) return undefined;
  return {
    flavor: "docker",
    isRootless: SecurityOptions?.some((option) => option.includes("rootless")) ?? false,
  };
}

/** What a program said last, without the marks of its log and its advice: the reason it failed for. */
export function failureReason(said: string): string {
  const last = said
    .split("\n")
    .findLast(
      (line) =>
        line.trim() !== "" && line.trim() !== "null" && !/\blevel=\w+|^(?:Run|See) '.* --help'/.test(line),
    );
  return (last ?? "").replace(/^(?:docker: )?(?:Error|ERROR)(?: response from daemon)?: /, "").trim();
}
