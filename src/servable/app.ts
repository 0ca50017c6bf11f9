import { DefinitionError } from "../errors.ts";
import { resolveWorkers, type Refuse, type WorkerOptions } from "../routes/dispatch-options.ts";
import type { ServeDefinition } from "../server/definition.ts";
import { deriveAppName } from "./app-name.ts";
import { DESCRIBE, SERVABLE } from "../routes/servable.ts";
import { BaseServable } from "./base-servable.ts";
import { assertSettings, type AppImage, type RetryCondition } from "./settings.ts";

/** Who may call a deployed app: its owner, anybody, or anybody with a key (who pays). */
export type AppAuth = "private" | "public" | "shared";

/**
 * A servable that can be deployed: its statics say how a platform runs it. All of them are optional; what is left
 * out is the platform's choice. They are checked when the class is first used.
 *
 * @example
 * ```ts
 * export default class TextToImage extends App {
 *   static override machineType = "GPU-A100";
 *   static override keepAlive = 300;
 *
 *   @endpoint("/", { input: Prompt, output: Picture })
 *   generate(input: Prompt, ctx: RequestContext): Promise<Picture> { … }
 * }
 * ```
 */
export abstract class App extends BaseServable {
  static override readonly [SERVABLE] = true;

  /** The name it is deployed under. Default: from the class's name, `TextToImage` → `text-to-image`. */
  static appName: string | undefined;
  /** Who may call it. */
  static appAuth: AppAuth | undefined;
  /** The kind of machine, or several in order of preference. */
  static machineType: string | readonly string[] | undefined;
  /** GPUs a runner gets. */
  static numGpus: number | undefined;
  /** Where runners may run. */
  static regions: readonly string[] | undefined;
  /** npm packages to install, or several lists of them for steps. */
  static requirements: readonly (string | readonly string[])[] | undefined;
  /** Modules of the project that travel along. */
  static localModules: readonly string[] | undefined;
  /** How long an idle runner lives, in seconds. */
  static keepAlive: number | undefined;
  /** Runners that are always there. */
  static minConcurrency: number | undefined;
  /** Runners there may be at most. */
  static maxConcurrency: number | undefined;
  /** Runners held ready beyond the demand. */
  static concurrencyBuffer: number | undefined;
  /** The same in percent of the demand. */
  static concurrencyBufferPerc: number | undefined;
  /** How long a request waits before a runner is added, in seconds. */
  static scalingDelay: number | undefined;
  /**
   * How long a request of the app's owner may wait for a runner where it is deployed, in seconds; 0 sets no limit. A
   * request's own `x-fal-request-timeout` goes before it.
   */
  static requestStartTimeout: number | undefined;
  /**
   * Runs all methods that answer once in so many processes of their own, each with an instance of the class that is
   * set up there; `{ devices: ["0", "1"] }` gives each its own GPU. Default: they run in the server's process.
   */
  static workers: number | WorkerOptions | undefined;
  /** Calls one runner handles at a time; others wait. */
  static maxMultiplexing: number | undefined;
  /**
   * The status of all refusals for want of room or time, of endpoints that set none of their own. Default 429. 503 is
   * for load balancers that try another instance then; a platform that ends a runner which answers 503, as fal does,
   * must not get it.
   */
  static overloadStatus: 429 | 503 | undefined;
  /** How long a request may take, in seconds; endpoints without a `timeoutMs` of their own keep to it. */
  static requestTimeout: number | undefined;
  /** How long setup may take, in seconds. Default 600. */
  static startupTimeout: number | undefined;
  /** How long running requests may take to end after a stop signal, in seconds. Default 30. */
  static terminationGracePeriodSeconds: number | undefined;
  /**
   * A call may be past its deadline for so long, in seconds, before it counts as stuck: its worker is replaced, or the
   * probes turn red. Default 10.
   */
  static stuckGracePeriodSeconds: number | undefined;
  /** The port of `GET /metrics`. Default 9090. */
  static metricsPort: number | undefined;
  /** The port the app listens on where it is deployed. Default 8080. */
  static exposedPort: number | undefined;
  /** Names of the secrets the app may see. */
  static secrets: readonly string[] | undefined;
  /** Shared volumes to mount. */
  static dataMounts: readonly string[] | undefined;
  /** How often a request is tried again, by condition. */
  static retryConfig: Readonly<Partial<Record<RetryCondition, { retries: number }>>> | undefined;
  /** Conditions under which a request is not tried again. */
  static skipRetryConditions: readonly RetryCondition[] | undefined;
  /** The container image, a `ContainerImage`, in place of a generated one. */
  static image: AppImage | undefined;
  /** Files that travel along, relative to {@link appFilesContextDir}. */
  static appFiles: readonly string[] | undefined;
  /** Patterns of files that stay behind. */
  static appFilesIgnore: readonly string[] | undefined;
  /** Where {@link appFiles} are looked for. Default: the app's own folder. */
  static appFilesContextDir: string | undefined;
  /** Logs are for the owner's eyes only. */
  static privateLogs: boolean | undefined;
  /** Further options of the host it is deployed to. */
  static hostOptions: Readonly<Record<string, unknown>> | undefined;

  constructor() {
    super();
    assertSettings(new.target, App);
    const { minConcurrency, maxConcurrency, name } = new.target;
    if (minConcurrency !== undefined && maxConcurrency !== undefined && minConcurrency > maxConcurrency) {
      throw new DefinitionError(
        "SETTING_INVALID",
        `${name}.minConcurrency (${minConcurrency}) is above maxConcurrency (${maxConcurrency}).`,
      );
    }
  }

  /** The name this app is deployed under. A derived name is never inherited. */
  get appName(): string {
    const { appName, name } = this.constructor as typeof App;
    return appName ?? deriveAppName(name);
  }

  override [DESCRIBE](): ServeDefinition {
    const {
      maxMultiplexing,
      overloadStatus,
      workers,
      requestTimeout,
      startupTimeout,
      terminationGracePeriodSeconds,
      stuckGracePeriodSeconds,
      metricsPort,
    } = this.constructor as typeof App;
    const base = super[DESCRIBE]();
    return {
      ...base,
      name: this.appName,
      metricsPort,
      maxConcurrency: maxMultiplexing,
      overloadStatus,
      workers: workers === undefined ? undefined : resolveWorkers(workers, refuseWorkers(base.className)),
      defaultTimeoutMs: requestTimeout === undefined ? undefined : requestTimeout * 1000,
      startupTimeoutMs: startupTimeout === undefined ? base.startupTimeoutMs : startupTimeout * 1000,
      stuckGraceMs: stuckGracePeriodSeconds === undefined ? undefined : stuckGracePeriodSeconds * 1000,
      terminationGraceMs:
        terminationGracePeriodSeconds === undefined
          ? base.terminationGraceMs
          : terminationGracePeriodSeconds * 1000,
    };
  }
}

function refuseWorkers(className: string): Refuse {
  return (message) => {
    throw new DefinitionError("SETTING_INVALID", `${className}: ${message}`);
  };
}
