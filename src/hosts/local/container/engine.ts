import { execFile, type ExecFileException } from "node:child_process";
import { existsSync } from "node:fs";
import { FalServerlessError } from "../../../errors.ts";
import { ENGINE_VARIABLE, lookForEngine, type FoundEngine } from "../../../packaging/engines.ts";

/** A program that runs containers, and can do so here and now. */
export interface ContainerEngine extends FoundEngine<"docker" | "podman"> {
  /** This machine keeps containers from files that are not labelled for them. */
  readonly isConfined: boolean;
}

/** What a run of an engine's program brought. */
export interface EngineResult {
  /** Undefined when it could not be run, or was ended. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

const MAX_OUTPUT_BYTES = 16 * 2 ** 20;

const found = new Map<string, Promise<ContainerEngine>>();

/**
 * Finds the engine: the one that the environment names, else Docker if its daemon answers, else Podman. An engine that
 * was found is not looked for again.
 * @throws FalServerlessError with code CONTAINER_UNAVAILABLE, which says what each of them said
 */
export function findEngine(environment: NodeJS.ProcessEnv = process.env): Promise<ContainerEngine> {
  const key = `${environment[ENGINE_VARIABLE] ?? ""}\0${environment["PATH"] ?? ""}`;
  let engine = found.get(key);
  if (engine === undefined) {
    engine = searchEngine(environment);
    found.set(key, engine);
    engine.catch(() => found.delete(key)); // it may be started meanwhile
  }
  return engine;
}

async function searchEngine(environment: NodeJS.ProcessEnv): Promise<ContainerEngine> {
  const result = await lookForEngine(["docker", "podman"], environment);
  if ("command" in result) return { ...result, isConfined: existsSync("/sys/fs/selinux/enforce") };
  const advice = environment[ENGINE_VARIABLE]
    ? `Start it, or set ${ENGINE_VARIABLE} to "docker", "podman" or a program's path.`
    : `Install Docker or Podman and start it; ${ENGINE_VARIABLE} names a program elsewhere.`;
  throw new FalServerlessError(
    "CONTAINER_UNAVAILABLE",
    `A function of kind "container" needs Docker or Podman, and none is usable here.\n${result
      .map((failure) => `  ${failure}\n`)
      .join("")}${advice}`,
  );
}

/** How an engine's program is run. */
export interface EngineRunOptions {
  readonly signal?: AbortSignal;
  /** It is ended after so long. Default: no limit. */
  readonly timeoutMs?: number;
  /** Default: this process's. */
  readonly environment?: NodeJS.ProcessEnv;
}

/** Runs an engine's program. @throws the signal's reason, and nothing else */
export async function runEngineProgram(
  command: string,
  args: readonly string[],
  { signal, timeoutMs, environment = process.env }: EngineRunOptions = {},
): Promise<EngineResult> {
  signal?.throwIfAborted();
  const result = await new Promise<EngineResult>((resolve) => {
    const options = {
      env: environment,
      maxBuffer: MAX_OUTPUT_BYTES,
      killSignal: "SIGKILL",
      windowsHide: true,
      ...(signal === undefined ? {} : { signal }),
      ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
    } as const;
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve({ code: 0, stdout, stderr });
      if (typeof error.code === "number") return resolve({ code: error.code, stdout, stderr });
      const why = error.killed === true && timeoutMs !== undefined ? `no answer in ${timeoutMs} ms` : "";
      resolve({ code: undefined, stdout, stderr: why || whyNotRun(error) });
    }).stdin?.end();
  });
  signal?.throwIfAborted();
  return result;
}

function whyNotRun({ code, message }: ExecFileException): string {
  return code === "ENOENT" ? "not found" : String(code ?? message);
}
