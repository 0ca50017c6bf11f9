import { DefinitionError } from "../errors.ts";
import type { ClassSettings } from "../settings/settings.ts";
import type { Refuse } from "../settings/check.ts";
import { resolveWorkers } from "../settings/worker-options.ts";
import type { ServeDefinition } from "../server/definition.ts";
import { deriveAppName } from "./app-name.ts";
import { DESCRIBE, SERVABLE } from "../routes/servable.ts";
import { BaseServable } from "./base-servable.ts";
import { assertSettings, CLASS_SETTINGS } from "./settings.ts";

/** A static of `App`, by which two installed copies of this package recognise each other's apps. */
const APP: unique symbol = Symbol.for("servable.App");

// The table of settings defines the types of the statics. A static is undefined unless a class sets it.
const Configurable = BaseServable as typeof BaseServable & ClassSettings;

/**
 * A servable that can be deployed. Its statics are settings for the platform that runs it. All of them are optional;
 * the platform chooses the values of omitted ones. They are checked when the class is first used.
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
export abstract class App extends Configurable {
  static override readonly [SERVABLE] = true;
  /** @internal */
  static readonly [APP] = true;

  static {
    for (const name of CLASS_SETTINGS) if (!(name in this)) Reflect.set(this, name, undefined);
  }

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

  /** The name of the deployed app: the static `appName`, otherwise a name derived from the class's own name. */
  get appName(): string {
    const { appName, name } = this.constructor as typeof App;
    return appName ?? deriveAppName(name);
  }

  override [DESCRIBE](): ServeDefinition {
    const { overloadStatus, workers, requestTimeout, startupTimeout, terminationGracePeriodSeconds } = this
      .constructor as typeof App;
    const base = super[DESCRIBE]();
    return {
      ...base,
      name: this.appName,
      overloadStatus,
      workers: workers === undefined ? undefined : resolveWorkers(workers, refuseWorkers(base.className)),
      defaultTimeoutMs: requestTimeout === undefined ? undefined : requestTimeout * 1000,
      startupTimeoutMs: startupTimeout === undefined ? base.startupTimeoutMs : startupTimeout * 1000,
      terminationGraceMs:
        terminationGracePeriodSeconds === undefined
          ? base.terminationGraceMs
          : terminationGracePeriodSeconds * 1000,
    };
  }
}

/** The class of an app, which may be of another installed copy of this package; undefined if it does not extend `App`. */
export function appClassOf(servable: BaseServable): typeof App | undefined {
  return APP in servable.constructor ? (servable.constructor as typeof App) : undefined;
}

function refuseWorkers(className: string): Refuse {
  return (message) => {
    throw new DefinitionError("SETTING_INVALID", `${className}: ${message}`);
  };
}
