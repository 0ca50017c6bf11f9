import { constants } from "node:os";
import { resolve } from "node:path";
import { FalServerlessError } from "../errors.ts";
import { runProgram } from "../processes/program.ts";

/** The kind of command line of an engine. Podman may be installed under the name "docker". */
export type EngineFlavor = "docker" | "podman" | "buildah";

/** An installed program that builds images or runs containers, with its daemon running. */
export interface FoundEngine<Flavor extends EngineFlavor = EngineFlavor> {
  /** Its name in `PATH`, or its path. */
  readonly command: string;
  readonly flavor: Flavor;
  /** Whether the root user in its containers is the user of this process (rootless mode). */
  readonly isRootless: boolean;
}

/** The environment variable that selects the program: "docker", "podman", "buildah" or a path. */
export const ENGINE_VARIABLE = "SERVABLE_CONTAINER_ENGINE";

/** Timeout for the check of a program, in milliseconds. */
const CHECK_MS = 10_000;

/**
 * Finds the program that the environment names, else the first usable one of the given flavors.
 * @param flavors the accepted flavors, by preference
 * @returns the program, or the reason why each candidate is not usable
 * @throws the signal's reason
 */
export async function probeEngines<Flavor extends EngineFlavor>(
  flavors: readonly Flavor[],
  environment: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<FoundEngine<Flavor> | readonly string[]> {
  const named = environment[ENGINE_VARIABLE];
  // An absolute path, because the program may run in another folder later.
  const candidates = named ? [/[/\\]/.test(named) ? resolve(named) : named] : flavors;
  // In parallel, because a daemon that hangs takes the whole timeout. Checks that are no longer needed are aborted.
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

/** A program that builds images. */
export type Builder = Pick<FoundEngine, "command" | "flavor">;

/**
 * Finds a builder: the program that the environment names, else Docker if its daemon runs, else Podman, else Buildah.
 * @throws FalServerlessError with code BUILDER_MISSING and the reason for each candidate; the signal's reason
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

/** Checks a program by its "info" command. Resolves to the engine, or to the reason why it is not usable. */
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
    // Buildah prints JSON by default and refuses the flag.
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
      ? `${command}: it builds images but does not run containers`
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

/** Reads the output of "info", which tells the flavors apart. Undefined for a client without a daemon. */
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

/** The reason of a program's failure: the last line of its output that is neither a log line nor advice. */
export function failureReason(output: string): string {
  const last = output
    .split("\n")
    .findLast(
      (line) =>
        line.trim() !== "" && line.trim() !== "null" && !/\blevel=\w+|^(?:Run|See) '.* --help'/.test(line),
    );
  return (last ?? "").replace(/^(?:docker: )?(?:Error|ERROR)(?: response from daemon)?: /, "").trim();
}

/** The signal in an engine's exit code, which follows the shell: 137 for SIGKILL. Undefined if there is none. */
export function signalOfExitCode(code: number): NodeJS.Signals | undefined {
  const found = Object.entries(constants.signals).find(([, number]) => number === code - 128);
  return found?.[0] as NodeJS.Signals | undefined;
}
