import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { findProgram, type ShellProgram } from "../../shell/terminal.ts";
import { markOf, parseMark, stateOf, type ProcessMark } from "../../../cache/process-mark.ts";
import { endGroup, endTree } from "../../../processes/process-tree.ts";
import type {
  BuiltContent,
  Engine,
  PrepareOptions,
  RunnerEnding,
  RunnerHandle,
  RunnerOrder,
  StartedRunner,
} from "../engine.ts";
import type { RunnerLogs } from "../../logs/runner-logs.ts";
import type { RunnerOutput } from "../../logs/runner-output.ts";
import type { Revision } from "../../state/revisions.ts";
import type { AppFolders } from "./app-folders.ts";
import { recipeOf } from "./recipe.ts";
import { treeMemory } from "./tree-memory.ts";

/** A runner that this engine looks after. */
interface Running {
  readonly mark: ProcessMark;
  readonly onEnd: (ending: RunnerEnding) => void;
  /** Set once it was asked to end, or killed: the reason. */
  asked?: string;
  killTimer?: NodeJS.Timeout;
}

/** The variables with the address at which a runner announces that it is ready: see cli/announcement.ts. */
const ANNOUNCE_URL = "SERVABLE_ANNOUNCE_URL";
const ANNOUNCE_TOKEN = "SERVABLE_ANNOUNCE_TOKEN";
/** The variables by which an app reaches what the platform keeps for it: see storage/platform-account.ts. */
const PLATFORM_URL = "SERVABLE_PLATFORM_URL";
const PLATFORM_TOKEN = "SERVABLE_PLATFORM_TOKEN";
/** Interval at which a runner of an earlier process is looked at, in milliseconds. */
const ADOPTED_POLL_MS = 250;
/**
 * Variables of this process that a runner gets. All others are withheld: they may be secrets of the platform. `HOME` is
 * the runner's own folder.
 */
const PASSED_ON: readonly string[] = [
  "PATH",
  "LANG",
  "LC_ALL",
  "TZ",
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_FILE",
  "LD_LIBRARY_PATH",
];

/** Runs each runner as a process of this machine, from the files and packages of its revision, without any container. */
export class ProcessEngine implements Engine {
  readonly name = "process";
  readonly #folders: AppFolders;
  readonly #output: RunnerOutput;
  readonly #logs: RunnerLogs;
  readonly #running = new Map<string, Running>();

  constructor(folders: AppFolders, output: RunnerOutput, logs: RunnerLogs) {
    this.#folders = folders;
    this.#output = output;
    this.#logs = logs;
  }

  async refusal(image: Revision["definition"]["image"]): Promise<string | undefined> {
    if (recipeOf(image) !== undefined) return undefined;
    return 'it has an image or a Dockerfile of its own, and needs Docker or Podman, which this platform does not use: see "servable up --engine"';
  }

  async build(content: BuiltContent, options: PrepareOptions = {}): Promise<void> {
    await this.#folders.build(content, options);
  }

  async prepare(revision: Revision, options: PrepareOptions = {}): Promise<void> {
    await this.#folders.prepare(revision, options);
  }

  async start(
    { id, revision, variables, platform, gpus }: RunnerOrder,
    onEnd: (ending: RunnerEnding) => void,
  ): Promise<StartedRunner> {
    const { directory, program, arguments: given, node } = await this.#folders.find(revision);
    const home = this.#output.folderOf(id);
    mkdirSync(join(home, "tmp"), { recursive: true, mode: 0o700 });
    const outputs = [this.#output.pathOf(id, "stdout"), this.#output.pathOf(id, "stderr")].map((path) =>
      openSync(path, "a", 0o600),
    );
    let child: ChildProcess;
    try {
      const address = ["--host", "127.0.0.1", "--port", "0", "--metrics-port", "0"];
      child = spawn(node, [program, ...given, ...address], {
        cwd: directory,
        // A group of its own, with everything that it starts. It survives this process, and is adopted by the next one.
        detached: true,
        stdio: ["ignore", ...outputs],
        env: {
          ...Object.fromEntries(PASSED_ON.flatMap((name) => pairOf(name, process.env[name]))),
          NODE_ENV: "production",
          HOME: home,
          TMPDIR: join(home, "tmp"),
          ...variables,
          // An app that asks for no devices sees none.
          CUDA_VISIBLE_DEVICES: gpus.map((gpu) => gpu.id).join(","),
          [ANNOUNCE_URL]: `${platform.url}/_platform/runners/${id}/ready`,
          [ANNOUNCE_TOKEN]: platform.announcementToken,
          [PLATFORM_URL]: platform.url,
          [PLATFORM_TOKEN]: platform.token,
        },
      });
    } finally {
      outputs.forEach((output) => closeSync(output));
    }
    const pid = await new Promise<number>((resolve, reject) => {
      child.once("spawn", () => resolve(child.pid as number));
      child.once("error", reject);
    });
    this.#logs.watch(id);
    const running: Running = { mark: markOf(pid), onEnd };
    this.#running.set(id, running);
    child.once("exit", (code, signal) =>
      this.#ended(id, signal === null ? `exit code ${code}` : `killed by ${signal}`, code === 0),
    );
    child.unref();
    return { handle: { mark: running.mark } };
  }

  async adopt(
    id: string,
    handle: RunnerHandle,
    onEnd: (ending: RunnerEnding) => void,
  ): Promise<Pick<StartedRunner, "address"> | undefined> {
    const mark = parseMark(JSON.stringify(handle["mark"] ?? null));
    if (mark === undefined || stateOf(mark) !== "alive") {
      if (mark !== undefined) endGroup(mark.pid);
      return undefined;
    }
    this.#logs.watch(id);
    this.#running.set(id, { mark, onEnd });
    const timer = setInterval(() => {
      if (stateOf(mark) === "alive") return;
      clearInterval(timer);
      // Only the process that has started it learns its exit code.
      this.#ended(id, "ended, with an exit code that is not known", false);
    }, ADOPTED_POLL_MS);
    timer.unref();
    return {};
  }

  async endOthers(ids: ReadonlySet<string>): Promise<void> {
    // The process before this one may have been killed after it had started a runner and before it could record that.
    const pids =
      process.platform === "linux" ? readdirSync("/proc").filter((name) => /^\d+$/.test(name)) : [];
    for (const pid of pids) {
      const id = this.#runnerOf(pid);
      if (id !== undefined && !ids.has(id)) endTree(Number(pid));
    }
  }

  /** The runner of this platform that a process belongs to, by its environment; undefined for any other process. */
  #runnerOf(pid: string): string | undefined {
    try {
      const variables = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      const id = variables.find((each) => each.startsWith("SERVABLE_RUNNER_ID="))?.split("=")[1];
      return id !== undefined && variables.includes(`HOME=${this.#output.folderOf(id)}`) ? id : undefined;
    } catch {
      return undefined; // it has ended, or belongs to another user
    }
  }

  end(id: string, graceMs: number): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    const { pid } = running.mark;
    running.asked ??= "asked to end";
    if (stateOf(running.mark) !== "alive") return;
    if (graceMs > 0) {
      process.kill(pid, "SIGTERM");
      running.killTimer ??= setTimeout(() => endTree(pid), graceMs).unref();
      return;
    }
    clearTimeout(running.killTimer);
    endTree(pid);
  }

  async shellOf(id: string, command: readonly string[]): Promise<ShellProgram | undefined> {
    const running = this.#running.get(id);
    if (running === undefined || stateOf(running.mark) !== "alive") return undefined;
    const { pid } = running.mark;
    try {
      const own = readFileSync(`/proc/${pid}/environ`, "utf8")
        .split("\0")
        .filter((pair) => pair.includes("="));
      const environment = Object.fromEntries(
        own.map((pair): [string, string] => [
          pair.slice(0, pair.indexOf("=")),
          pair.slice(pair.indexOf("=") + 1),
        ]),
      );
      // Only the runner itself says that it is ready.
      for (const name of [ANNOUNCE_URL, ANNOUNCE_TOKEN]) delete environment[name];
      const [program = findProgram("bash", environment["PATH"]) ?? "/bin/sh", ...args] = command;
      return { command: program, args, directory: readlinkSync(`/proc/${pid}/cwd`), environment };
    } catch {
      return undefined; // it has just ended
    }
  }

  async discard(revision: string): Promise<void> {
    await this.#folders.remove(revision);
  }

  memory(): ReadonlyMap<string, number> {
    if (this.#running.size === 0) return new Map();
    const ids = new Map([...this.#running].map(([id, { mark }]) => [mark.pid, id]));
    const bytes = treeMemory([...ids.keys()]);
    return new Map([...bytes].map(([pid, sum]) => [ids.get(pid) as string, sum]));
  }

  #ended(id: string, how: string, isClean: boolean): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    this.#running.delete(id);
    clearTimeout(running.killTimer);
    this.#logs.end(id);
    // Processes that it has started and left behind.
    endGroup(running.mark.pid);
    void this.#output
      .lastWords(id)
      .then((words) =>
        running.onEnd({ how, isFailure: running.asked === undefined || !isClean, lastWords: words }),
      );
  }
}

function pairOf(name: string, value: string | undefined): [string, string][] {
  return value === undefined ? [] : [[name, value]];
}
