import { FalServerlessError } from "../errors.ts";
import { ENGINE_VARIABLE, lookForEngine, type EngineFlavor } from "./engines.ts";

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
  const found = await lookForEngine(["docker", "podman", "buildah"], environment, signal);
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
