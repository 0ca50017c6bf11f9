import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createAppProject } from "./app-project.ts";
import { runCommand } from "./command.ts";
import type { StagedPackage } from "./staged-package.ts";

/** A platform in a process of its own, as `servable up` starts it, with one project whose apps it can run. */
export class PlatformProcess implements AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** The value of the header `authorization`. */
  readonly authorization: string;
  readonly #project: string;
  readonly #state: string;
  readonly #child: ChildProcess;
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(
    child: ChildProcess,
    {
      project,
      state,
      environment,
    }: { readonly project: string; readonly state: string; readonly environment: NodeJS.ProcessEnv },
  ) {
    this.#child = child;
    this.pid = child.pid as number;
    this.#project = project;
    this.#state = state;
    this.#environment = environment;
    const { url } = JSON.parse(readFileSync(join(state, "platform.json"), "utf8")) as { url: string };
    this.url = url;
    const [, key = ""] =
      /key = "(.+)"/.exec(readFileSync(environment["FAL_CONFIG_PATH"] as string, "utf8")) ?? [];
    this.authorization = `Key ${key}`;
  }

  /** Starts a platform. @param files those of the project, such as `app.ts` */
  static async start(
    staged: StagedPackage,
    files: Readonly<Record<string, string>>,
  ): Promise<PlatformProcess> {
    const dist = join(staged.folder, "dist");
    const project = createAppProject(files, {
      index: join(dist, "bundle/index.js"), // as package.json's exports say
      cli: join(dist, "cli/main.js"),
    });
    const state = mkdtempSync(join(tmpdir(), "servable-up-"));
    chmodSync(state, 0o755); // the user of the database enters it
    const environment = { ...process.env, FAL_CONFIG_PATH: join(project, "config.toml"), NODE_OPTIONS: "" };
    const place = ["--state", state, "--port", "0", "--owner", "me"];
    const child = spawn(process.execPath, [join(dist, "cli/main.js"), "up", ...place], {
      cwd: project,
      env: environment,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    const ended = once(child, "exit").then(([code]) => {
      throw new Error(`servable up ended with ${String(code)}:\n${said}`);
    });
    ended.catch(() => undefined);
    const ready = new Promise<void>((resolve) => {
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        said = (said + text).slice(-10_000);
        if (said.includes("servable down")) resolve();
      });
    });
    await Promise.race([ready, ended]);
    return new PlatformProcess(child, { project, state, environment });
  }

  /** The file of an app in the project. */
  pathOf(file: string): string {
    return join(this.#project, file);
  }

  /** Runs a command of `servable`. @returns its standard output */
  run(...args: readonly string[]): Promise<string> {
    const program = join(this.#project, "node_modules/servable/dist/cli/main.js");
    return runCommand(process.execPath, [program, ...args], {
      cwd: this.#project,
      env: this.#environment,
    });
  }

  /** Resident memory, in bytes. */
  get memoryBytes(): number {
    const [, pages] = readFileSync(`/proc/${this.pid}/statm`, "utf8").split(" ");
    return Number(pages) * 4_096;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, "exit");
      this.#child.kill("SIGTERM");
      await ended;
    }
    for (const folder of [this.#state, this.#project]) rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Lets a process with all of its threads run on one core only. Without a second core, or without `taskset`, nothing
 * changes.
 * @returns whether it does
 */
export function pin(pid: number, core: number): boolean {
  const { status } = spawnSync("taskset", ["-acp", String(core), String(pid)], { stdio: "ignore" });
  return status === 0;
}

/** Resolves when the memory of a process has not grown any more for a time. */
export async function settled(memoryBytes: () => number): Promise<number> {
  let lowest = Infinity;
  for (let quiet = 0; quiet < 5; quiet++) {
    await delay(100);
    const bytes = memoryBytes();
    if (bytes < lowest) {
      lowest = bytes;
      quiet = 0;
    }
  }
  return lowest;
}
