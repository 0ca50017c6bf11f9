import { PlatformError } from "../../errors.ts";
import { aliasName } from "../../platform/apps/alias-name.ts";
import { Connection } from "../../platform/transport/connection.ts";
import { runDeployment } from "../../platform/deployment/deploy.ts";
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
import { formatOf } from "../platform/output.ts";
import { DeployProgress } from "./deploy-progress.ts";
import { findDeployable } from "./deployable.ts";
import { detachedNote, firstDeployTip, inheritedNote, runHint } from "./deploy-notes.ts";
import { readAnnotations, withOptions, type DeployCommandOptions } from "./deploy-options.ts";
import { asJson, asText, readShownUrls } from "./deploy-output.ts";
import { checkDeployment } from "./scale-check.ts";

/** Maximum time for the control plane to report the app's current state, in milliseconds. */
const PROBE_MS = 20_000;

/** Deploys FILE[::Class] or the app NAME of a config. Resolves to the exit code. */
export async function deployApp(ref: string | undefined, options: DeployCommandOptions): Promise<number> {
  // Output of the user's modules goes to standard error: only the result may be on standard output.
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
    const result = await runDeployment(
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

/** Looks up the app before the deployment, once. */
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

  /** The app; undefined if it is new. */
  async app(): Promise<AliasInfo | undefined> {
    return this.#found;
  }

  /**
   * The app; null if it is new, undefined if the control plane could not report it. Throws only if the deployment would
   * fail as well.
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
