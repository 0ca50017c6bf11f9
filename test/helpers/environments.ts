import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Environment, EnvironmentSpec } from "../../src/environments/environment-spec.ts";

/** A folder for a test's environments. */
export interface CacheFolder extends Disposable {
  readonly path: string;
  /** All files and folders in it, except those inside installed packages. */
  contents(): string[];
}

/** Makes a folder that is removed when disposed. */
export function createCacheFolder(): CacheFolder {
  const path = mkdtempSync(join(tmpdir(), "servable-environments-"));
  return {
    path,
    contents: () =>
      readdirSync(path, { recursive: true, encoding: "utf8" }).filter((name) => !/node_modules./.test(name)),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }),
  };
}

/** A spec of npm packages in one step. */
export function npmSpec(...requirements: string[]): EnvironmentSpec {
  return { kind: "npm", steps: [requirements] };
}

/** A line of test/fixtures/environment-process.ts. */
export interface EnvironmentLine {
  readonly log?: string;
  readonly environment?: Environment;
  readonly holding?: boolean;
  readonly error?: string;
}

/** A process that prepares an environment. */
export class EnvironmentProcess {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  readonly lines: EnvironmentLine[] = [];
  /** Resolves when the process has ended and all its lines are read. */
  readonly ended: Promise<void>;
  readonly #watchers = new Set<() => void>();

  constructor(cacheDirectory: string, spec: EnvironmentSpec, env: NodeJS.ProcessEnv, mode = "") {
    const fixture = fileURLToPath(new URL("../fixtures/environment-process.ts", import.meta.url));
    const args = ["--conditions=servable-source", "--import", import.meta.resolve("tsx"), fixture];
    this.child = spawn(process.execPath, [...args, cacheDirectory, JSON.stringify(spec), mode], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...env },
    });
    createInterface({ input: this.child.stdout }).on("line", (line) => {
      this.lines.push(JSON.parse(line) as EnvironmentLine);
      this.#tell();
    });
    this.ended = once(this.child, "close").then(() => this.#tell());
  }

  /** Resolves with the first line that matches. Rejects if the process ends without one. */
  async said(fits: (line: EnvironmentLine) => boolean): Promise<EnvironmentLine> {
    for (;;) {
      const found = this.lines.find(fits);
      if (found !== undefined) return found;
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`the process ended having said ${JSON.stringify(this.lines)}`);
      }
      await new Promise<void>((resolve) => this.#watchers.add(resolve));
    }
  }

  #tell(): void {
    for (const tell of this.#watchers) tell();
    this.#watchers.clear();
  }
}
