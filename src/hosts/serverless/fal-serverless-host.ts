import { DefinitionError, FalServerlessError } from "../../errors.ts";
import { type FunctionTarget, Host, type RunOptions, type SpawnInfo } from "../../functions/host.ts";
import { currentRuntime } from "../../functions/runtime.ts";
import type { LogEntry } from "../../log-entry.ts";
import type { Options } from "../../functions/options.ts";
import { checkArguments, spawnRun, type RunListener } from "../spawned-run.ts";
import type { DeploymentResult } from "../../platform/deployment/deploy.ts";
import { plainLine } from "../../platform/transport/plain-line.ts";
import { settingsOf } from "../../settings/settings.ts";
import type { RegisterOptions, Registrable } from "./registration.ts";
import type * as RunsModule from "./serverless-runs.ts";

/** Settings of a {@link FalServerlessHost}. */
export interface FalServerlessHostOptions {
  /** The control plane's host. Default, in this order: `FAL_GRPC_HOST`, `FAL_HOST`, the profile's host, fal's own. */
  readonly host?: string;
  /** A key, `id:secret`. Default, in this order: `FAL_KEY`, the profile's key, `FAL_KEY_ID` with `FAL_KEY_SECRET`. */
  readonly apiKey?: string;
  /** A profile of the config file. Default: the one named by `FAL_PROFILE`, otherwise the selected one. */
  readonly profile?: string;
  /** The control plane's environment for functions, such as "staging". Default: `FAL_ENV`, otherwise the main one. */
  readonly environmentName?: string;
  /**
   * The base image of functions without an `image`. It needs npm and the function's version of Node. Default: the official
   * `node` image of that version.
   */
  readonly baseImage?: string;
  /**
   * Receives every line of a call's output and of its build, instead of this process's standard output and error. Lines
   * of a spawned run go to its {@link SpawnInfo}.
   */
  readonly onLog?: (entry: LogEntry, functionName: string) => void;
}

/**
 * Runs isolated functions on a platform: fal's, or one of your own. The first call uploads the function's code and builds
 * an image with its packages. Each call runs a private app of that image, which is deleted when the call ends or is
 * cancelled.
 *
 * @example
 * ```ts
 * export const embed = fn(
 *   { host: new FalServerlessHost(), machineType: "GPU-A100", requirements: ["@huggingface/transformers@3"] },
 *   async (text: string) => { … },
 * );
 * ```
 */
export class FalServerlessHost extends Host {
  readonly supportedKeys: ReadonlySet<string> = new Set([
    ...settingsOf("function"),
    ...["setupFunction", "env", "metadata"],
  ]);
  readonly #options: FalServerlessHostOptions;
  #runs: Promise<RunsModule.ServerlessRuns> | undefined;

  constructor(options: FalServerlessHostOptions = {}) {
    super();
    this.#options = options;
  }

  override parseOptions(config: Readonly<Record<string, unknown>>): Options {
    const options = super.parseOptions(config);
    const { serve, exposedPort } = options.gateway;
    if (serve === true || exposedPort === undefined) return options;
    throw new DefinitionError(
      "FUNCTION_OPTION_INVALID",
      "exposedPort is for functions that are served here: the port of others is where calls come in. Add serve: true, or leave it out.",
    );
  }

  async run(target: FunctionTarget, args: readonly unknown[], { signal }: RunOptions): Promise<unknown> {
    checkArguments(target, args);
    const runs = await this.#getRuns();
    const { onLog = print } = this.#options;
    return runs.run(target, args, { signal, onLog: (entry) => onLog(entry, target.name) });
  }

  spawn(target: FunctionTarget, args: readonly unknown[], { signal }: RunOptions): SpawnInfo {
    checkArguments(target, args);
    const isServed = target.options.gateway.serve === true;
    const start = ({ onUrl, ...listener }: Required<RunListener>): Promise<unknown> =>
      this.#getRuns().then((runs) => runs.run(target, args, isServed ? { ...listener, onUrl } : listener));
    return spawnRun(start, signal);
  }

  /**
   * Deploys a served function or a class as a permanent app, like `servable deploy` deploys a file, with its OpenAPI
   * document and health check. The image of a class is its `static image`, unless the option `image` is set.
   * @throws UsageError if it can't be registered, or its name or notes are invalid; the errors of
   *   `ServerlessClient.deploy`
   */
  async register(app: Registrable, options: RegisterOptions = {}): Promise<DeploymentResult> {
    const { register } = await import("./registration.ts");
    return register(app, options, this.#parts());
  }

  /** The code that runs functions, with the platform's client. Loaded by the first call. */
  #getRuns(): Promise<RunsModule.ServerlessRuns> {
    if (currentRuntime() !== undefined) {
      const message =
        "A function that runs isolated can't call one on a platform from there: it has no key. Call it from the program, " +
        "or call its runLocal().";
      return Promise.reject(new FalServerlessError("RUN_FAILED", message));
    }
    return (this.#runs ??= this.#loadRuns());
  }

  async #loadRuns(): Promise<RunsModule.ServerlessRuns> {
    const { ServerlessRuns: Runs } = await import("./serverless-runs.ts");
    return new Runs(this.#parts());
  }

  /** The settings of this host, with defaults from the environment's variables. */
  #parts(): RunsModule.ServerlessRunsOptions {
    const { host, apiKey, profile, baseImage } = this.#options;
    const { environmentName = process.env["FAL_ENV"] } = this.#options;
    return {
      target: { host, key: apiKey, profile },
      environmentName: environmentName === "" ? undefined : environmentName,
      baseImage,
    };
  }
}

/** Prints the function's own lines to the stream that they were written to, and all other lines to standard error. */
function print({ message, source, level }: LogEntry, functionName: string): void {
  if (source === "USER") (level === "STDERR" ? process.stderr : process.stdout).write(`${message}\n`);
  else process.stderr.write(`${functionName}: ${plainLine(message)}\n`);
}
