import { UsageError } from "../../errors.ts";
import type { Deployment } from "../../platform/deployment/deploy-request.ts";
import { pick } from "../../settings/defined-fields.ts";
import type { PlatformChoice } from "../platform/notices.ts";
import type { OutputOptions } from "../platform/output.ts";
import type { Deployable } from "./deployable.ts";

/** The flags that become settings of a deployment unchanged. */
type PassedOn = "appName" | "auth" | "strategy" | "attach" | "resetScale" | "message";

/** The flags of `servable deploy`. */
export interface DeployCommandOptions
  extends PlatformChoice, OutputOptions, Partial<Pick<Deployment, PassedOn>> {
  readonly detach?: boolean;
  /** False for `--no-scale`. */
  readonly scale?: boolean;
  readonly annotation?: readonly string[];
  readonly env?: string;
  readonly buildArg?: readonly string[];
  /** False for `--no-cache`. */
  readonly cache: boolean;
  readonly forceEnvBuild?: boolean;
  readonly check?: boolean;
  readonly yes?: boolean;
  readonly debug?: boolean;
}

/**
 * The deployment of a class or an app of a config. Flags of the command take precedence over its settings.
 * @throws UsageError if flags contradict each other or the config
 */
export function withOptions(
  { deployment, configName }: Deployable,
  options: DeployCommandOptions & { readonly annotations: Readonly<Record<string, string>> },
): Deployable["deployment"] {
  for (const flag of ["appName", "auth"] as const) {
    if (configName === undefined || options[flag] === undefined) continue;
    const written = flag === "appName" ? "--app-name" : "--auth";
    const key = flag === "appName" ? "name" : "auth";
    throw new UsageError(
      `${written} is for files; of ${configName}, the config says it: set "${key}" there.`,
    );
  }
  if (options.resetScale === true && options.scale === false) {
    throw new UsageError(
      "--reset-scale takes the scale of the code, and --no-scale keeps that of before: give one.",
    );
  }
  const environment = options.env ?? process.env["FAL_ENV"];
  const strategy = options.strategy ?? deployment.strategy;
  if (strategy === "recreate" && (options.attach === true || options.detach === true)) {
    throw new UsageError("--attach and --detach are for the strategy rolling, not for recreate.");
  }
  return {
    ...deployment,
    ...pick(options, ["appName", "auth", "strategy", "attach", "resetScale", "message"] satisfies PassedOn[]),
    ...(options.detach === true ? { attach: false } : {}),
    ...(options.scale === false ? { resetScale: false } : {}),
    environment: environment === "" ? undefined : environment,
    annotations: options.annotations,
    noCache: !options.cache || options.forceEnvBuild === true,
  };
}

/** Values of the form `KEY=value`. */
export function readAnnotations(items: readonly string[]): Record<string, string> {
  const annotations = new Map<string, string>();
  for (const item of items) {
    const at = item.indexOf("=");
    if (at <= 0) throw new UsageError(`--annotation takes KEY=value, not "${item}".`);
    const key = item.slice(0, at);
    if (annotations.has(key)) throw new UsageError(`--annotation gives "${key}" twice: give it one value.`);
    annotations.set(key, item.slice(at + 1));
  }
  return Object.fromEntries(annotations);
}
