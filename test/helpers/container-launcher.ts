import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { JsonObject } from "@bufbuild/protobuf";
import type { ContainerEngine } from "../../src/packaging/container-engine.ts";
import { runEngineProgram } from "./engine-program.ts";
import { collectContext } from "../../src/build-context/context-entries.ts";
import { buildImage } from "../../src/packaging/build-image.ts";
import { findBuilder } from "../../src/packaging/engines.ts";
import { ContainerImage } from "../../src/packaging/container-image.ts";
import type { Launcher } from "./function-platform.ts";

/** Builds the images that are sent to a platform, and runs each app in a container. */
export class ContainerLauncher implements Launcher {
  readonly #engine: ContainerEngine;
  readonly #tag: string;
  #containers = 0;

  /** @param tag the name of the images */
  constructor(engine: ContainerEngine, tag: string) {
    this.#engine = engine;
    this.#tag = tag;
  }

  async build(root: string, image: JsonObject): Promise<void> {
    const made = ContainerImage.fromDockerfileString(image["dockerfile_str"] as string, {
      contextDirectory: root,
      ignore: [],
    });
    const entries = await collectContext({
      directory: root,
      sources: made.sources(),
      ignore: made.ignoreRules(),
    });
    await buildImage(await findBuilder(), {
      dockerfile: made.dockerfile as string,
      entries,
      tag: this.#tag,
      secrets: image["secrets"] as Record<string, string>,
    });
  }

  async launch(): Promise<{ process: ReturnType<typeof spawn>; port: number }> {
    const { command } = this.#engine;
    const name = `servable-test-function-${process.pid}-${++this.#containers}`;
    const args = ["run", "--rm", "--name", name, "--publish", "127.0.0.1::8080", this.#tag];
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    const isClosed = once(child, "close").then(() => true);
    for (;;) {
      const { code, stdout } = await runEngineProgram(command, ["port", name, "8080/tcp"]);
      const port = Number(/:(\d+)\s*$/m.exec(stdout)?.[1]);
      if (code === 0 && port > 0) return { process: child, port };
      const hasEnded = await Promise.race([isClosed, delay(100, false)]);
      if (hasEnded) throw new Error(`The container ${name} did not start: ${stdout}`);
    }
  }

  async removeImages(): Promise<void> {
    await runEngineProgram(this.#engine.command, ["rmi", "--force", this.#tag]);
  }
}
