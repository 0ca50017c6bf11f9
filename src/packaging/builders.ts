import { FalServerlessError } from "../errors.ts";
import { runProgram } from "./program.ts";

/** Which program's habits a builder has. */
export type BuilderFlavor = "docker" | "podman" | "buildah";

/** A program that builds images, and can do so here and now. */
export interface Builder {
  /** Its name in `PATH`, or its path. */
  readonly command: string;
  readonly flavor: BuilderFlavor;
}

/** The variable that names the builder: "docker", "podman", "buildah" or a program's path. */
const BUILDER_VARIABLE = "SERVABLE_CONTAINER_ENGINE";
/** A daemon that has not answered by then is none, in milliseconds. */
const CHECK_MS = 10_000;

/**
 * Finds the builder: the one that the environment names, else Docker if its daemon answers, else Podman, else Buildah.
 * @throws FalServerlessError with code BUILDER_MISSING, which says what each of them said; the signal's reason
 */
export async function findBuilder(
  environment: NodeJS.ProcessEnv = process.env,
  signal?: AbortSignal,
): Promise<Builder> {
  const named = environment[BUILDER_VARIABLE];
  const candidates = named ? [named] : ["docker", "podman", "buildah"];
  // All at once, since a daemon that hangs takes its time.
  const checks = candidates.map((command) => checkBuilder(command, environment, signal));
  const failures: string[] = [];
  for (const check of checks) {
    const result = await check;
    if (typeof result !== "string") return result;
    failures.push(result);
  }
  signal?.throwIfAborted();
  const advice = named
    ? `start it, or set ${BUILDER_VARIABLE} to "docker", "podman", "buildah" or a program's path`
    : `install one of them, or start it; ${BUILDER_VARIABLE} names a program elsewhere`;
  throw new FalServerlessError(
    "BUILDER_MISSING",
    `Docker, Podman or Buildah is needed to build an image, and none is usable here: ${advice}.\n` +
      failures.map((failure) => `  ${failure}`).join("\n"),
  );
}

/** A builder that works, or why it does not. */
async function checkBuilder(
  command: string,
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
): Promise<Builder | string> {
  const limit = AbortSignal.timeout(CHECK_MS);
  try {
    const options = { environment, signal: signal === undefined ? limit : AbortSignal.any([signal, limit]) };
    let end = await runProgram(command, ["info", "--format", "{{json .}}"], options);
    // Buildah prints JSON unless it is asked to.
    if (end.lines.some((line) => line.includes('"json" not defined'))) {
      end = await runProgram(command, ["info"], options);
    }
    const { code, stdout, lines } = end;
    const flavor = code === 0 ? flavorOf(stdout) : undefined;
    if (flavor !== undefined) return { command, flavor };
    return `${command}: ${lastWords(lines) || `its "info" ended with exit code ${code}`}`;
  } catch {
    return `${command}: no answer in ${CHECK_MS} ms`;
  }
}

/** Which of them answered: Podman may well be called "docker". Undefined for a client without a daemon. */
function flavorOf(text: string): BuilderFlavor | undefined {
  let info: { readonly host?: unknown; readonly version?: unknown; readonly ServerVersion?: string };
  try {
    info = JSON.parse(text) as typeof info;
  } catch {
    return undefined;
  }
  if (info.host !== undefined) return info.version === undefined ? "buildah" : "podman";
  return info.ServerVersion ? "docker" : undefined;
}

/** What a program said last, without the marks of its log: the reason it failed for. */
export function lastWords(lines: readonly string[]): string {
  const last = lines.findLast(
    (line) => line.trim() !== "" && !/\blevel=\w+/.test(line) && line.trim() !== "null",
  );
  return (last ?? "").replace(/^(?:Error|ERROR)(?: response from daemon)?: /, "").trim();
}
