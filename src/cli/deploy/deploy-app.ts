import { PlatformError, UsageError } from "../../errors.ts";
import { aliasName } from "../../platform/apps/alias-name.ts";
import { Connection } from "../../platform/transport/connection.ts";
import { deploy, type DeploymentResult } from "../../platform/deployment/deploy.ts";
import {
  ApplicationAuthMode,
  IsolateController,
  type AliasInfo,
} from "../../platform/generated/controller_pb.ts";
import { Rest } from "../../platform/transport/rest.ts";
import { userOf } from "../../platform/account/user.ts";
import { isOn } from "../../platform/target/endpoints.ts";
import { resolveTarget } from "../../platform/target/target.ts";
import { readBuildArgs, withBuildArgs } from "../build/image-options.ts";
import { Interruption, INTERRUPTED } from "../interruption.ts";
import { showNotices } from "../platform/notices.ts";
import type { PlatformChoice } from "../platform/notices.ts";
import { formatOf, type OutputOptions } from "../platform/output.ts";
import { styleFor } from "../style.ts";
import { DeployProgress } from "./deploy-progress.ts";
import { findDeployable, type Deployable } from "./deployable.ts";
import { detachedNote, firstDeployTip, inheritedNote, runHint } from "./deploy-notes.ts";
import { dashboardUrls } from "./dashboard-urls.ts";
import { checkDeployment } from "./scale-check.ts";

/** What `servable deploy` takes beside the app. */
export interface DeployCommandOptions extends PlatformChoice, OutputOptions {
  readonly appName?: string;
  readonly auth?: "private" | "public" | "shared";
  readonly strategy?: "rolling" | "recreate";
  readonly attach?: boolean;
  readonly detach?: boolean;
  readonly resetScale?: boolean;
  /** False for `--no-scale`. */
  readonly scale?: boolean;
  readonly message?: string;
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

/** How long the control plane may take to tell of the app as it is, in milliseconds. */
const PROBE_MS = 20_000;

/** Deploys what a user means by FILE[::Class] or NAME. Resolves to the process's exit code. */
export async function deployApp(ref: string | undefined, options: DeployCommandOptions): Promise<number> {
  // What the user's modules print must not get into what is printed here.
  const print = process.stdout.write.bind(process.stdout);
  process.stdout.write = process.stderr.write.bind(process.stderr);
  using stop = new Interruption("Stopping the deployment…");
  let progress: DeployProgress | undefined;
  try {
    const annotations = readAnnotations(options.annotation ?? []);
    const buildArgs = readBuildArgs(options.buildArg);
    const shownUrls = readShownUrls();
    const isPretty = formatOf(options) === "pretty";
    const { host, profile } = options;
    const { endpoints, credentials } = await resolveTarget({ host, profile });
    const rest = new Rest({ endpoint: endpoints.rest, credentials });
    await showNotices(options, () => userOf(rest));
    const deployable = await stop.orStop(findDeployable(ref));
    const image = withBuildArgs(deployable.image, buildArgs);
    const deployment = withOptions(deployable, { ...options, annotations });
    const name = aliasName(deployment.appName, deployment.environment);
    using connection = new Connection({ endpoint: endpoints.grpc, credentials });
    const before = new Probe(connection, deployment.environment, name, stop.signal);
    const isChecked = options.check === true || isOn(process.env["FAL_DEPLOY_CHECK"]);
    const { appName, machine = {}, resetScale = false } = deployment;
    if (isChecked) {
      const current = await before.app();
      const check = { deployment, current, isSure: options.yes ?? false };
      if (!(await checkDeployment({ ...check, signal: stop.signal }))) {
        process.stderr.write("Nothing was deployed.\n");
        return 1;
      }
    }
    const current = await before.appIfKnown();
    const hint = runHint(deployable);
    if (current === null && isPretty) process.stderr.write(firstDeployTip(deployment, hint));
    progress = new DeployProgress(appName, credentials.secret, options.debug ?? false);
    const result = await deploy(
      { connection, rest: rest.send, cancelsUploads: true },
      {
        ...deployment,
        image,
        signal: stop.signal,
        onPhase: progress.begin,
        onLog: progress.log,
        onUpload: progress.upload,
        onWarning: progress.warn,
      },
    );
    progress.end();
    const auth = deployment.auth ?? authOf(current);
    const text = isPretty ? asText(result, auth, shownUrls) : asJson(result, deployment, auth, current);
    await new Promise((resolve) => print(text, resolve));
    if (!isPretty) return 0;
    if (current === null && deployment.auth === undefined) {
      process.stderr.write("It is private: only your own keys can call it. --auth public opens it to all.\n");
    }
    if (current !== null && !resetScale) process.stderr.write(inheritedNote(current, machine));
    if (current !== null && deployment.attach === false) process.stderr.write(detachedNote(deployment));
    return 0;
  } catch (error) {
    progress?.end();
    if (!stop.caused(error)) throw error;
    process.stderr.write(
      progress?.phase === "registering"
        ? 'Cancelled while it was being registered; "servable apps list" shows what runs.\n'
        : "Cancelled. Nothing was deployed.\n",
    );
    return INTERRUPTED;
  }
}

const SHOWN_URLS = ["all", "playground", "none"] as const;
type ShownUrls = (typeof SHOWN_URLS)[number];
type Prepared = Deployable["deployment"];

function withOptions(
  { deployment, configName }: Deployable,
  options: DeployCommandOptions & { readonly annotations: Readonly<Record<string, string>> },
): Prepared {
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
    appName: options.appName ?? deployment.appName,
    environment: environment === "" ? undefined : environment,
    auth: options.auth ?? deployment.auth,
    strategy,
    attach: options.detach === true ? false : options.attach,
    resetScale: options.scale === false ? false : (options.resetScale ?? deployment.resetScale),
    message: options.message,
    annotations: options.annotations,
    noCache: !options.cache || options.forceEnvBuild === true,
  };
}

/** `KEY=value` each. */
function readAnnotations(items: readonly string[]): Record<string, string> {
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

/** What `FAL_URL_OUTPUT` says of which addresses people are shown. */
function readShownUrls(): ShownUrls {
  const text = process.env["FAL_URL_OUTPUT"]?.trim().toLowerCase() ?? "";
  if (text === "") return "all";
  const known = SHOWN_URLS.find((name) => name === text);
  if (known !== undefined) return known;
  throw new UsageError(`FAL_URL_OUTPUT has to be one of ${SHOWN_URLS.join(", ")}, not "${text}".`);
}

/** Looks up the app as it is before the deployment, once. */
class Probe {
  readonly #found: Promise<AliasInfo | undefined>;

  constructor(
    connection: Connection,
    environmentName: string | undefined,
    name: string,
    signal: AbortSignal,
  ) {
    const input = environmentName === undefined ? {} : { environmentName };
    this.#found = connection
      .unary(IsolateController.method.listAliases, input, { signal, timeoutMs: PROBE_MS })
      .then(({ aliases }) => aliases.find(({ alias }) => alias === name));
    this.#found.catch(() => {});
  }

  /** The app; nothing when it is new. */
  async app(): Promise<AliasInfo | undefined> {
    return this.#found;
  }

  /**
   * The app; null when it is new, nothing when that could not be found out: it is no reason not to deploy, unless all
   * that follows would fail, too.
   */
  async appIfKnown(): Promise<AliasInfo | null | undefined> {
    try {
      return (await this.#found) ?? null;
    } catch (error) {
      const hasAnswered = error instanceof PlatformError && error.status !== undefined;
      if (hasAnswered && error.code !== "CREDENTIALS_INVALID") return undefined;
      throw error;
    }
  }
}

function authOf(current: AliasInfo | null | undefined): string | undefined {
  if (current === undefined) return undefined;
  return current === null ? "private" : ApplicationAuthMode[current.authMode].toLowerCase();
}

function asText(
  { appName, environment, revision, urls }: DeploymentResult,
  auth: string | undefined,
  shownUrls: ShownUrls,
): string {
  const { bold, green, cyan } = styleFor(process.stdout);
  const details = [auth, environment === "main" ? undefined : `in ${environment}`, `revision ${revision}`];
  const { playground, overview } = dashboardUrls(urls.playground);
  const rows = [
    ["playground", playground],
    ["endpoints", overview],
    ["synchronous", urls.run],
    ["queue", urls.queue],
    ["websocket", urls.ws],
    ["logs", urls.log],
  ].filter(([name = "", url]) => url !== "" && isShown(name, shownUrls));
  const shown = details.filter((detail) => detail !== undefined).join(", ");
  return [
    `${green("●")} Deployed ${bold(appName)} (${shown})`,
    ...rows.map(([name = "", url = ""]) => `  ${name.padEnd(12)} ${cyan(url)}`),
    "",
  ].join("\n");
}

/** A page of all endpoints goes with the playground. */
function isShown(name: string, shownUrls: ShownUrls): boolean {
  if (shownUrls === "all") return true;
  return shownUrls === "playground" && (name === "playground" || name === "endpoints");
}

function asJson(
  { appName, environment, revision, urls }: DeploymentResult,
  { strategy = "rolling", attach = false }: Prepared,
  auth: string | undefined,
  current: AliasInfo | null | undefined,
): string {
  // The old runners serve on until the new ones are ready, unless that was waited for.
  const isRolling = strategy === "rolling" && !attach && (current?.activeRunners ?? 0) > 0;
  const status = isRolling ? "rolling_out" : "deployed";
  const result = { revision, app_name: appName, environment, status, auth: auth ?? null, urls };
  return `${JSON.stringify(result, null, 2)}\n`;
}
