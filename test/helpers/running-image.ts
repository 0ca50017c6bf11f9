import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { ContainerEngine } from "../../src/packaging/container-engine.ts";
import { runEngineProgram } from "./engine-program.ts";

/** A listening container of a servable's image. */
export interface RunningImage extends AsyncDisposable {
  readonly url: string;
  /** The container's name. */
  readonly name: string;
  /** Settles with the exit code and the signal of the program that runs the container. */
  readonly ended: Promise<unknown[]>;
}

/** Runs an image and waits until its servable listens. */
export async function runImage(engine: ContainerEngine, image: string, name: string): Promise<RunningImage> {
  const flags = engine.flavor === "podman" ? ["--no-healthcheck"] : [];
  const args = ["run", "--rm", "--name", name, "--publish", "127.0.0.1::8080", ...flags, image];
  const child = spawn(engine.command, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  for await (const line of createInterface({ input: child.stdout })) if (line.includes('"listening"')) break;
  child.stdout.resume();
  const { stdout: port } = await runEngineProgram(engine.command, ["port", name, "8080"]);
  return {
    url: `http://${port.trim()}/`,
    name,
    ended,
    async [Symbol.asyncDispose]() {
      await runEngineProgram(engine.command, ["rm", "--force", name]);
      await ended;
    },
  };
}
