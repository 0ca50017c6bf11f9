import { execFile, type ExecFileException } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { FalServerlessError } from "../../../errors.ts";

/** Which program's habits an engine has. */
export type EngineFlavor = "docker" | "podman";

/** A program that runs containers, and can do so here and now. */
export interface ContainerEngine {
  /** Its name in `PATH`, or its path. */
  readonly command: string;
  readonly flavor: EngineFlavor;
  /** Root in its containers is this process's user. */
  readonly isRootless: boolean;
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

/** The variable that names the engine: "docker", "podman" or a program's path. */
export const ENGINE_VARIABLE = "SERVABLE_CONTAINER_ENGINE";

/** A daemon that has not answered by then is none, in milliseconds. */
const CHECK_MS = 10_000;
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
    engine = lookForEngine(environment);
    found.set(key, engine);
    engine.catch(() => found.delete(key)); // it may be started meanwhile
  }
  return engine;
}

async function lookForEngine(environment: NodeJS.ProcessEnv): Promise<ContainerEngine> {
  const named = environment[ENGINE_VARIABLE];
  // A path counts from here, wherever the program is run later.
  const candidates = named ? [/[/\\]/.test(named) ? resolve(named) : named] : ["docker", "podman"];
  // All at once, since a daemon that hangs takes its time.
  const checks = candidates.map((command) => checkEngine(command, environment));
  const failures: string[] = [];
  for (const check of checks) {
    const result = await check;
    if (typeof result !== "string") return result;
    failures.push(result);
  }
  const advice = named
    ? `Start it, or set ${ENGINE_VARIABLE} to "docker", "podman" or a program's path.`
    : `Install Docker or Podman and start it; ${ENGINE_VARIABLE} names a program elsewhere.`;
  throw new FalServerlessError(
    "CONTAINER_UNAVAILABLE",
    `A function of kind "container" needs Docker or Podman, and none is usable here.\n${failures
      .map((failure) => `  ${failure}\n`)
      .join("")}${advice}`,
  );
}

/** An engine that works, or why it does not. */
async function checkEngine(
  command: string,
  environment: NodeJS.ProcessEnv,
): Promise<ContainerEngine | string> {
  const { code, stdout, stderr } = await runEngineProgram(command, ["info", "--format", "{{json .}}"], {
    environment,
    timeoutMs: CHECK_MS,
  });
  const info = parseInfo(stdout);
  if (code === 0 && info !== undefined) {
    return { command, ...info, isConfined: existsSync("/sys/fs/selinux/enforce") };
  }
  return `${command}: ${lastWords(stderr) || `its "info" ended with exit code ${code}`}`;
}

/** What both engines say of themselves; undefined for the answer of a client without a daemon. */
function parseInfo(text: string): Pick<ContainerEngine, "flavor" | "isRootless"> | undefined {
  let info: EngineInfo;
  try {
    info = JSON.parse(text) as EngineInfo;
  } catch {
    return undefined;
  }
  // Podman may well be called "docker".
  if (info.host !== undefined) {
    return { flavor: "podman", isRootless: info.host.security?.rootless === true };
  }
  if (!info.ServerVersion) return undefined;
  const isRootless = info.SecurityOptions?.some((option) => option.includes("rootless")) ?? false;
  return { flavor: "docker", isRootless };
}

interface EngineInfo {
  readonly host?: { readonly security?: { readonly rootless?: boolean } };
  readonly ServerVersion?: string;
  readonly SecurityOptions?: readonly string[] | null;
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

/** What a program said last, without the marks of its log and its advice: the reason it failed for. */
export function lastWords(stderr: string): string {
  const lines = stderr
    .split("\n")
    .filter((line) => line.trim() !== "" && !/\blevel=\w+|^(?:Run|See) '.* --help'/.test(line));
  return (lines.at(-1) ?? "").replace(/^(?:docker: )?Error(?: response from daemon)?: /, "").trim();
}

function whyNotRun({ code, message }: ExecFileException): string {
  return code === "ENOENT" ? "not found" : String(code ?? message);
}
