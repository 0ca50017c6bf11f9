import { existsSync } from "node:fs";
import { FalServerlessError } from "../errors.ts";
import { ENGINE_VARIABLE, probeEngines, type FoundEngine } from "./engines.ts";
import { loadOnce } from "../processes/single-flight.ts";

/** A container engine that works on this machine. */
export interface ContainerEngine extends FoundEngine<"docker" | "podman"> {
  /** Whether SELinux denies containers access to files without a label for them. */
  readonly isConfined: boolean;
}

const found = new Map<string, Promise<ContainerEngine>>();

/**
 * Finds the engine: the one named by the environment, otherwise Docker if its daemon responds, otherwise Podman. The
 * result is cached.
 * @throws FalServerlessError with code CONTAINER_UNAVAILABLE and the error of each engine
 */
export function findEngine(environment: NodeJS.ProcessEnv = process.env): Promise<ContainerEngine> {
  const key = `${environment[ENGINE_VARIABLE] ?? ""}\0${environment["PATH"] ?? ""}`;
  return loadOnce(found, key, () => searchEngine(environment)); // a missing one may be started later
}

async function searchEngine(environment: NodeJS.ProcessEnv): Promise<ContainerEngine> {
  const result = await probeEngines(["docker", "podman"], environment);
  if ("command" in result) return { ...result, isConfined: existsSync("/sys/fs/selinux/enforce") };
  const advice = environment[ENGINE_VARIABLE]
    ? `Start it, or set ${ENGINE_VARIABLE} to "docker", "podman" or a program's path.`
    : `Install Docker or Podman and start it; ${ENGINE_VARIABLE} names a program elsewhere.`;
  throw new FalServerlessError(
    "CONTAINER_UNAVAILABLE",
    `Containers need Docker or Podman, and none is usable here.\n${result
      .map((failure) => `  ${failure}\n`)
      .join("")}${advice}`,
  );
}
