import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { markOf, parseMark, stateOf, type ProcessMark } from "../../../cache/process-mark.ts";
import { FalServerlessError } from "../../../errors.ts";
import { findEngine, type ContainerEngine } from "../../../packaging/container-engine.ts";
import { failureReason, signalOfExitCode } from "../../../packaging/engines.ts";
import { runProgram, type ProgramEnd } from "../../../processes/program.ts";
import { pause } from "../../../processes/timers.ts";
import type { RunnerLogs } from "../../logs/runner-logs.ts";
import type { RunnerOutput } from "../../logs/runner-output.ts";
import type { ShellProgram } from "../../shell/terminal.ts";
import type { Revision } from "../../state/revisions.ts";
import type {
  BuildOrder,
  Engine,
  PrepareOptions,
  RunnerEnding,
  RunnerHandle,
  RunnerOrder,
  StartedRunner,
} from "../engine.ts";
import { AppImages } from "./app-images.ts";
import { readImage } from "./deployed-image.ts";
import { createArguments, LIMIT_LABEL } from "./runner-arguments.ts";

/** The parts of the engine. */
export interface ContainerRunnerParts {
  /** A folder of its own. */
  readonly folder: string;
  /** Tells this platform's containers from those of others. */
  readonly platform: string;
  readonly images: AppImages;
  readonly output: RunnerOutput;
  readonly logs: RunnerLogs;
}

/** A container that this engine looks after. */
interface Running {
  readonly engine: ContainerEngine;
  readonly onEnd: (ending: RunnerEnding) => void;
  /** The program that writes its output to files, until it ends. */
  readonly mark: ProcessMark;
  /** Whether it was asked to end. */
  isAsked: boolean;
}

/** The state of a container, as its engine reports it. */
interface ContainerState {
  readonly isRunning: boolean;
  readonly exitCode: number;
  readonly isOutOfMemory: boolean;
  readonly error: string;
  readonly limit: string | undefined;
  /** Its port on this machine; undefined before it runs. */
  readonly port: number | undefined;
}

interface Inspected {
  readonly State: {
    readonly Running: boolean;
    readonly ExitCode: number;
    readonly OOMKilled?: boolean;
    readonly Error?: string;
  };
  readonly Config: { readonly Labels?: Readonly<Record<string, string>> | null };
  readonly NetworkSettings: {
    readonly Ports?: Readonly<Record<string, readonly { readonly HostPort: string }[] | null>> | null;
  };
}

const PREFIX = "servable-runner-";
const PLATFORM_LABEL = "servable.platform";
/** Interval at which a container that starts, or one of an earlier process, is looked at, in milliseconds. */
const POLL_MS = 100;
/** Time for a command of the engine, in milliseconds. */
const COMMAND_MS = 60_000;

/**
 * Runs each runner as a container of Docker or Podman. It has its own network: its port is published on this machine's loopback
 * address only, and the platform asks there until the app answers.
 *
 * The container and the program that writes its output survive this process, and are found again by the container's name.
 */
export class ContainerRunnerEngine implements Engine {
  readonly name = "container";
  readonly #parts: ContainerRunnerParts;
  readonly #running = new Map<string, Running>();
  /** The ids of all runners of this process: their containers may not be there yet. */
  readonly #own = new Set<string>();

  constructor(parts: ContainerRunnerParts) {
    this.#parts = parts;
  }

  async refusal(): Promise<string | undefined> {
    try {
      await findEngine();
      return undefined;
    } catch (error) {
      return `it needs a container. ${(error as Error).message.replace(/\.$/, "")}`;
    }
  }

  async build(order: BuildOrder, options: PrepareOptions = {}): Promise<void> {
    await this.#parts.images.make(await findEngine(), order, options);
  }

  async prepare(revision: Revision, options: PrepareOptions = {}): Promise<void> {
    if (revision.definition.exposedPort === undefined) {
      throw new FalServerlessError(
        "BUILD_FAILED",
        "The deployment has no exposed_port: say which port the container listens on.",
      );
    }
    await this.#parts.images.prepare(await findEngine(), revision, options);
  }

  async start(order: RunnerOrder, onEnd: (ending: RunnerEnding) => void): Promise<StartedRunner> {
    const { id, revision, variables, need, gpus } = order;
    const { definition } = revision;
    const { folder, platform, output } = this.#parts;
    const engine = await findEngine();
    // Says that this platform may have containers, also when it has been killed.
    mkdirSync(folder, { recursive: true });
    mkdirSync(output.folderOf(id), { recursive: true, mode: 0o700 });
    const { entrypoint, cmd } = readImage(definition.image);
    const { args, environment } = createArguments(
      {
        name: PREFIX + id,
        labels: { servable: revision.app, [PLATFORM_LABEL]: platform },
        image: AppImages.nameOf(revision),
        port: definition.exposedPort as number,
        ...{ variables, need, gpus, entrypoint, cmd },
      },
      engine,
    );
    this.#own.add(id);
    const created = await runProgram(engine.command, args, { environment, endingBy: "alone" });
    if (created.code !== 0) throw failure(engine, "make the container", created);
    const mark = await this.#follow(engine, id, ["start", "--attach", PREFIX + id]).catch(
      async (error: unknown) => {
        await remove(engine, id);
        throw error;
      },
    );
    const running: Running = { engine, onEnd, mark, isAsked: false };
    this.#running.set(id, running);
    this.#parts.logs.watch(id);
    const address = await this.#address(engine, id, running);
    return { handle: { mark }, ...(address === undefined ? {} : { address }) };
  }

  async adopt(
    id: string,
    handle: RunnerHandle,
    onEnd: (ending: RunnerEnding) => void,
  ): Promise<Pick<StartedRunner, "address"> | undefined> {
    const engine = await findEngine();
    this.#own.add(id);
    const state = await inspect(engine, id);
    if (state?.isRunning !== true) {
      if (state !== undefined) await remove(engine, id);
      return undefined;
    }
    const known = parseMark(JSON.stringify(handle["mark"] ?? null));
    const isFollowed = known !== undefined && stateOf(known) === "alive";
    const mark = isFollowed ? known : await this.#follow(engine, id, attachArguments(id));
    this.#running.set(id, { engine, onEnd, mark, isAsked: false });
    this.#parts.logs.watch(id);
    if (isFollowed) {
      const timer = setInterval(() => {
        if (stateOf(mark) === "alive") return;
        clearInterval(timer);
        void this.#ended(id);
      }, POLL_MS).unref();
    }
    return state.port === undefined ? {} : { address: addressOf(state.port) };
  }

  async endOthers(ids: ReadonlySet<string>): Promise<void> {
    if (!existsSync(this.#parts.folder)) return;
    const engine = await findEngine();
    const filter = `--filter=label=${PLATFORM_LABEL}=${this.#parts.platform}`;
    const { code, stdout, lines } = await command(engine, ["ps", "--all", filter, "--format={{.Names}}"]);
    if (code !== 0) throw failure(engine, "list containers", { lines });
    const left = stdout
      .split("\n")
      .filter((name) => name.startsWith(PREFIX))
      .map((name) => name.slice(PREFIX.length));
    for (const id of left) if (!ids.has(id) && !this.#own.has(id)) await remove(engine, id);
  }

  end(id: string, graceMs: number): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    running.isAsked = true;
    const { engine } = running;
    // "stop" sends SIGTERM, or the signal that the image names, and SIGKILL when the time is over.
    const args =
      graceMs > 0 ? ["stop", `--time=${Math.ceil(graceMs / 1_000)}`, PREFIX + id] : ["kill", PREFIX + id];
    void runProgram(engine.command, args, { endingBy: "alone" }).catch(() => {});
  }

  async shellOf(id: string, command: readonly string[], tty: boolean): Promise<ShellProgram | undefined> {
    const running = this.#running.get(id);
    if (running === undefined) return undefined;
    const program = command.length > 0 ? command : ["/bin/sh"];
    return {
      command: running.engine.command,
      args: ["exec", "--interactive", ...(tty ? ["--tty"] : []), PREFIX + id, ...program],
      directory: this.#parts.output.folderOf(id),
      environment: Object.fromEntries(
        Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
      ),
    };
  }

  async discard(revision: string): Promise<void> {
    if (!existsSync(this.#parts.folder)) return;
    await command(await findEngine(), ["rmi", AppImages.nameOf({ id: revision })]);
  }

  memory(): ReadonlyMap<string, number> {
    return new Map(); // limited by the engine
  }

  /** Starts a program of the engine that writes the output of a container to files until it ends. */
  async #follow(engine: ContainerEngine, id: string, args: readonly string[]): Promise<ProcessMark> {
    const { output } = this.#parts;
    const outputs = [output.pathOf(id, "stdout"), output.pathOf(id, "stderr")].map((path) =>
      openSync(path, "a", 0o600),
    );
    let child: ChildProcess;
    try {
      child = spawn(engine.command, args, {
        // Podman writes a file "oom" here when a container runs out of memory.
        cwd: output.folderOf(id),
        // It survives this process, and is adopted by the next one.
        detached: true,
        stdio: ["ignore", ...outputs],
      });
    } finally {
      outputs.forEach((each) => closeSync(each));
    }
    const pid = await new Promise<number>((resolve, reject) => {
      child.once("spawn", () => resolve(child.pid as number));
      child.once("error", reject);
    });
    child.once("exit", () => void this.#ended(id));
    child.unref();
    return markOf(pid);
  }

  /** The address of a container, as soon as it runs; undefined if it ends before. */
  async #address(engine: ContainerEngine, id: string, running: Running): Promise<string | undefined> {
    while (this.#running.get(id) === running) {
      const state = await inspect(engine, id);
      if (state?.isRunning === true && state.port !== undefined) return addressOf(state.port);
      await pause(POLL_MS, undefined);
    }
    return undefined;
  }

  /** The program that follows a container has ended: so has the container, unless somebody has killed the program. */
  async #ended(id: string): Promise<void> {
    const running = this.#running.get(id);
    if (running === undefined) return;
    const { engine, onEnd, isAsked } = running;
    const state = await inspect(engine, id).catch(() => undefined);
    await remove(engine, id).catch(() => {});
    this.#running.delete(id);
    this.#parts.logs.end(id);
    const hasOom = existsSync(join(this.#parts.output.folderOf(id), "oom"));
    const lastWords = await this.#parts.output.lastWords(id);
    onEnd({ how: endText(state, hasOom), isFailure: !isAsked || state?.exitCode !== 0, lastWords });
  }
}

/** The arguments that follow a container that runs already. */
function attachArguments(id: string): readonly string[] {
  return ["attach", "--no-stdin", "--sig-proxy=false", PREFIX + id];
}

function addressOf(port: number): string {
  return `http://127.0.0.1:${port}`;
}

function endText(state: ContainerState | undefined, hasOom: boolean): string {
  if (state === undefined) return "its container is not there any more";
  if (state.isRunning) return "killed, since the program that follows its output has ended";
  const { exitCode, error, limit } = state;
  const signal = signalOfExitCode(exitCode);
  const how = signal === undefined ? `exit code ${exitCode}` : `killed by ${signal}`;
  if (hasOom || state.isOutOfMemory)
    return `out of memory: it reached the limit of ${limit ?? "its machine"} (${how})`;
  return error === "" ? how : `${how}: ${error}`;
}

/** The state of a runner's container; undefined if there is none. */
async function inspect(engine: ContainerEngine, id: string): Promise<ContainerState | undefined> {
  const { code, stdout } = await command(engine, ["container", "inspect", PREFIX + id]);
  const [found] = code === 0 ? (JSON.parse(stdout) as readonly Inspected[]) : [];
  if (found === undefined) return undefined;
  const { State: state, Config: config, NetworkSettings: network } = found;
  const [published] = Object.values(network.Ports ?? {}).flatMap((list) => list ?? []);
  return {
    isRunning: state.Running,
    exitCode: state.ExitCode,
    isOutOfMemory: state.OOMKilled ?? false,
    error: state.Error ?? "",
    limit: config.Labels?.[LIMIT_LABEL],
    port: published === undefined ? undefined : Number(published.HostPort),
  };
}

async function remove(engine: ContainerEngine, id: string): Promise<void> {
  await command(engine, ["rm", "--force", "--volumes", PREFIX + id]);
}

function command(engine: ContainerEngine, args: readonly string[]): Promise<ProgramEnd> {
  return runProgram(engine.command, args, { endingBy: "alone", signal: AbortSignal.timeout(COMMAND_MS) });
}

function failure(
  engine: ContainerEngine,
  what: string,
  { lines }: Pick<ProgramEnd, "lines">,
): FalServerlessError {
  return new FalServerlessError(
    "CONTAINER_UNAVAILABLE",
    `${engine.command} can't ${what}: ${failureReason(lines.join("\n")) || "it does not say why"}`,
  );
}
