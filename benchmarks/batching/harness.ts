import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { progress } from "../lib/benchmark.ts";
import { ServerProcess } from "../lib/server-process.ts";
import { StagedPackage } from "../lib/staged-package.ts";
import { quantile } from "../lib/statistics.ts";
import type { Span } from "./analysis.ts";
import type { Configuration } from "./configuration.ts";
import { GeneratorProcess } from "./generator-process.ts";
import type { Control, Report } from "./item.ts";
import type { ClosedLoad, LoadCommand, OpenLoad, Samples } from "./load.ts";
import { monotonicMs } from "./monotonic.ts";
import type { Shape } from "./shape.ts";

/** The result of one run. */
export interface Trial {
  readonly samples: Samples;
  readonly report: Report;
  /** The evaluated part of the run: the part before warms up code, connections and what a rule learns. */
  readonly span: Span;
  /** Processor time of the server's process in the whole run, as a share of one processor. */
  readonly serverLoad: number;
}

/** A change of the executors' costs during a run. */
export interface CostChange {
  readonly atMs: number;
  readonly factor: number;
}

/** A run in open loop. */
export interface OpenRun {
  readonly ratePerSecond: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
  readonly seed: number;
  readonly changes?: readonly CostChange[];
}

/** A run in closed loop. */
export interface ClosedRun {
  readonly clients: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
}

/**
 * A run is valid if the machine had time for it: the 99th percentile of the delay with which requests were sent, or
 * batches ended, is within this share of the deadline.
 */
const LATENESS_LIMIT = 0.04;
/** The same limit for the average excess duration of batches, as a share of the fixed cost of a batch. */
const OVERTIME_LIMIT = 0.03;
const MOST_ATTEMPTS = 3;
/** The part of the warm-up in which the load rises; in the rest, queues settle. */
const RAMP_SHARE = 0.6;
/**
 * Calls that make the engine compile the server's code, as it is after a minute of operation. The executors cost
 * almost nothing during them, so that there are thousands of calls.
 */
const FIRST_CALLS = { clients: 64, durationMs: 700, factor: 0.02 };
/** The maximum wait for responses after the last request and its deadline, in milliseconds. */
const SETTLE_MS = 300;

/** Starts a fresh server for each run and puts load on it from another process. */
export class Harness implements AsyncDisposable {
  readonly #staged: StagedPackage;
  readonly #programs: string;
  readonly #generator: GeneratorProcess;
  #repeatBudgetMs: number;
  #runs = 0;
  #noisyRuns = 0;

  private constructor(staged: StagedPackage, programs: string, repeatBudgetMs: number) {
    this.#repeatBudgetMs = repeatBudgetMs;
    this.#staged = staged;
    this.#programs = programs;
    this.#generator = GeneratorProcess.start(join(programs, "batching", "generator.js"));
  }

  /**
   * Compiles the package and the programs as in production.
   * @param repeatBudgetMs the total time for repeating runs for which the machine had no time.
   */
  static async create(repeatBudgetMs: number): Promise<Harness> {
    const staged = await StagedPackage.create();
    await staged.linkDependencies();
    const programs = await staged.compilePrograms(fileURLToPath(new URL("..", import.meta.url)));
    return new Harness(staged, programs, repeatBudgetMs);
  }

  /** The number of runs so far. */
  get runs(): number {
    return this.#runs;
  }

  /** The number of runs that were used although the machine was busy with other programs in every attempt. */
  get noisyRuns(): number {
    return this.#noisyRuns;
  }

  /** Starts a server that the caller puts load on. */
  start(program: string, configuration?: Configuration): Promise<ServerProcess> {
    const path = join(this.#programs, "batching", "servers", program);
    return ServerProcess.start(path, [], configuration === undefined ? [] : [JSON.stringify(configuration)]);
  }

  /** Puts a load on such a server. */
  generate(command: LoadCommand): Promise<Samples> {
    return this.#generator.run(command);
  }

  /** Sends requests on a Poisson schedule. */
  open(configuration: Configuration, run: OpenRun): Promise<Trial> {
    const { ratePerSecond, warmUpMs, measuredMs, seed } = run;
    const { deadlineMs } = configuration.shape;
    return this.#attempt(configuration, run, run.changes ?? [], (url): OpenLoad => ({
      kind: "open",
      url,
      ratePerSecond,
      durationMs: warmUpMs + measuredMs,
      seed,
      rampMs: RAMP_SHARE * warmUpMs,
      settleMs: deadlineMs + SETTLE_MS,
      connections: Math.min(2000, 32 + Math.ceil((1.1 * ratePerSecond * deadlineMs) / 1000)),
    }));
  }

  /** Lets clients send continuously. */
  closed(configuration: Configuration, run: ClosedRun): Promise<Trial> {
    const { clients, warmUpMs, measuredMs } = run;
    return this.#attempt(configuration, run, [], (url): ClosedLoad => ({
      kind: "closed",
      url,
      clients,
      durationMs: warmUpMs + measuredMs,
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#generator[Symbol.asyncDispose]();
    await this.#staged[Symbol.asyncDispose]();
  }

  async #attempt(
    configuration: Configuration,
    { warmUpMs, measuredMs }: { readonly warmUpMs: number; readonly measuredMs: number },
    changes: readonly CostChange[],
    loadOn: (url: string) => LoadCommand,
  ): Promise<Trial> {
    this.#runs++;
    for (let attempt = 1; ; attempt++) {
      const startedMs = monotonicMs();
      const trial = await this.#run(configuration, changes, loadOn);
      const span = { fromMs: warmUpMs, toMs: warmUpMs + measuredMs };
      const noise = noiseOf(configuration.shape, trial, span);
      if (noise === undefined) return { ...trial, span };
      const isLast = attempt === MOST_ATTEMPTS || this.#repeatBudgetMs <= 0;
      progress(`  ${noise}; ${isLast ? "it has to do" : "once more"}`);
      if (isLast) {
        this.#noisyRuns++;
        return { ...trial, span };
      }
      this.#repeatBudgetMs -= monotonicMs() - startedMs;
    }
  }

  async #run(
    configuration: Configuration,
    changes: readonly CostChange[],
    loadOn: (url: string) => LoadCommand,
  ): Promise<Omit<Trial, "span">> {
    const program = configuration.rule === "ours" ? "batching-ours.js" : "batching-rivals.js";
    await using server = await this.start(program, configuration);
    const { clients, durationMs, factor } = FIRST_CALLS;
    await control(server.url, { factor });
    await this.#generator.run({ kind: "closed", url: server.url, clients, durationMs });
    await control(server.url, { factor: 1 });
    const before = await server.usage();
    const startedMs = monotonicMs();
    const running = this.#generator.run(loadOn(server.url));
    for (const { atMs, factor } of changes) {
      await sleep(startedMs + atMs - monotonicMs());
      await control(server.url, { factor });
    }
    const samples = await running;
    const milliseconds = monotonicMs() - startedMs;
    const { cpuMicros } = await server.usage();
    const serverLoad = (cpuMicros - before.cpuMicros) / 1000 / milliseconds;
    return { samples, serverLoad, report: await control(server.url, { factor: 1 }) };
  }
}

async function control(url: string, body: Control): Promise<Report> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(new URL("/control", url), {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`The server answered ${response.status} ${await response.text()}.`);
  return (await response.json()) as Report;
}

/** The reason to distrust a run. */
function noiseOf(
  { deadlineMs, baseMs }: Shape,
  { samples, report }: Pick<Trial, "samples" | "report">,
  span: Span,
): string | undefined {
  const lateMs = [...samples.lateMs].filter((_late, request) => {
    const due = samples.dueMs[request] as number;
    return due >= span.fromMs && due < span.toMs;
  });
  const errorsMs = report.batches
    .filter(({ startedMs }) => startedMs >= samples.startedMs + span.fromMs)
    .map(({ errorMs }) => errorMs);
  const limitMs = LATENESS_LIMIT * deadlineMs;
  const sent = lateMs.length === 0 ? 0 : quantile(lateMs, 0.99);
  if (sent > limitMs) return `requests were sent up to ${sent.toFixed(1)} ms late`;
  if (errorsMs.length === 0) return undefined;
  const slept = quantile(errorsMs, 0.99);
  if (slept > limitMs) return `executors took up to ${slept.toFixed(1)} ms too long`;
  const overtime = errorsMs.reduce((sum, error) => sum + error, 0) / errorsMs.length;
  if (overtime > OVERTIME_LIMIT * baseMs)
    return `executors took ${overtime.toFixed(1)} ms too long on average`;
  return undefined;
}
