import type { SchemaObject } from "../routes/handler-types.ts";
import { SETTINGS, type SettingsOf, type SettingValues } from "../settings/settings.ts";
import type { ServedSchemas } from "./runtime.ts";
import { mergeRequirements, type Requirements } from "./requirements.ts";
import { omitUndefined } from "../settings/defined-fields.ts";

export type { Requirements } from "./requirements.ts";

/** The kind of a function's environment: npm packages, or a container image. */
export type FunctionKind = "npm" | "container";

/** Where a function's packages come from. */
export interface EnvironmentOptions {
  /** Default: "container" if `image` is set, otherwise "npm". */
  readonly kind: FunctionKind;
  /**
   * npm packages, such as `["lodash@4.17.21"]`; several lists are installed one after the other. A spec has no spaces:
   * write ranges as `^4` or `4.x`.
   */
  readonly requirements?: Requirements;
  /**
   * The version of Node.js, such as "22" or "22.11.0". Default: the version of the calling process. Only for kind
   * "npm".
   */
  readonly nodeVersion?: string;
  /** Path of the package-lock.json that determines the installed versions. Only for kind "npm". */
  readonly lockfile?: string;
  /** The image, such as "node:22-slim". Required for kind "container", and only valid there. */
  readonly image?: string;
  /** Rebuild an existing environment. Default false. */
  readonly force?: boolean;
}

/**
 * How a host runs a function. Settings of runners, such as `machineType`, have no effect on a `LocalHost`. Each host
 * has its own defaults; those of `LocalHost` are noted.
 */
export interface HostOptions extends SettingValues<SettingsOf<"function">> {
  /** Runs once in each process. Its result is the function's first argument and need not be serializable. */
  readonly setupFunction?: () => unknown;
  /** Maximum memory of a process, in MB (1,000,000 bytes); at least 100. */
  readonly memoryLimitMb?: number;
  /**
   * Environment variables of the process, in addition to a short default list: the names of variables to copy from this
   * process, or names with their values.
   */
  readonly env?: readonly string[] | Readonly<Record<string, string>>;
  /** Additional information for a platform, as plain data. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** How a function is served. */
export interface GatewayOptions {
  /** Serves the function over HTTP at `POST /`. Default false. */
  readonly serve?: boolean;
  /** The public port; 0 for any free one. Default 8080 for a served function. */
  readonly exposedPort?: number;
  /** The port of the metrics; 0 for any free one. Default 9090 if a port is exposed. */
  readonly metricsPort?: number;
  /** The schema of a served function's body. */
  readonly input?: SchemaObject;
  /** The schema of the function's result, or of an item if it returns a stream. */
  readonly output?: SchemaObject;
  /** The served function returns an async iterable, sent as server-sent events. Default false. */
  readonly stream?: boolean;
}

/** The checked options of a function, made by a host's `parseOptions`. Nothing in it is shared with the caller. */
export class Options {
  readonly host: HostOptions;
  readonly gateway: GatewayOptions;
  #environment: EnvironmentOptions;

  constructor(parts: {
    readonly host: HostOptions;
    readonly environment: EnvironmentOptions;
    readonly gateway: GatewayOptions;
  }) {
    this.host = Object.freeze({ ...parts.host });
    this.gateway = Object.freeze({ ...parts.gateway });
    this.#environment = Object.freeze({ ...parts.environment });
  }

  get environment(): EnvironmentOptions {
    return this.#environment;
  }

  /** An independent copy. */
  copy(): Options {
    return new Options(this);
  }

  /**
   * Adds packages to the last step of the requirements. Packages that are listed already keep their version and step.
   */
  addRequirements(requirements: Requirements): void {
    const merged = mergeRequirements(this.#environment.requirements ?? [], requirements);
    this.#environment = Object.freeze({ ...this.#environment, requirements: merged });
  }

  /** The public port; undefined if there is none. */
  getExposedPort(): number | undefined {
    return (
      this.gateway.exposedPort ?? (this.gateway.serve === true ? SETTINGS.exposedPort.default : undefined)
    );
  }

  /** The port of the metrics; undefined if there is none. */
  getMetricsPort(): number | undefined {
    const isExposed = this.getExposedPort() !== undefined;
    return this.gateway.metricsPort ?? (isExposed ? SETTINGS.metricsPort.default : undefined);
  }
}

/** The schemas among the options. */
export function schemasOf({ input, output, stream }: GatewayOptions): ServedSchemas {
  return omitUndefined({ input, output, stream });
}
