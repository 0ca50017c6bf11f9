import type { Definition } from "../state/revisions.ts";
import type { Engine } from "./engine.ts";

/** The engines of a platform. */
export class Engines {
  readonly #engines: readonly Engine[];

  /** @param engines by preference */
  constructor(engines: readonly Engine[]) {
    this.#engines = engines;
  }

  /** The engine for an image: the first that can run it. @throws Error with the reason of the last one */
  async engineFor(image: Definition["image"]): Promise<Engine> {
    let reason: string | undefined;
    for (const engine of this.#engines) {
      reason = await engine.refusal(image);
      if (reason === undefined) return engine;
    }
    throw new NoEngine(reason);
  }

  /** The engine of a name; undefined if this platform does not use it. */
  named(name: string): Engine | undefined {
    return this.#engines.find((engine) => engine.name === name);
  }

  /** Removes the files and images of a revision that was deleted. Those that can't be removed stay, and are reported. */
  async discard(revision: string, onError: (error: unknown) => void): Promise<void> {
    await Promise.all(this.#engines.map((engine) => engine.discard(revision).catch(onError)));
  }

  all(): readonly Engine[] {
    return this.#engines;
  }
}

/** No engine of the platform can run an image. */
export class NoEngine extends Error {}
