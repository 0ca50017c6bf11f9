import { PlatformError, UsageError } from "../../errors.ts";
import { aliasName, environmentField, type EnvironmentChoice } from "./alias-name.ts";
import { enumName } from "./wire-values.ts";
import { wireFields, type WireFields } from "./machine-requirements.ts";
import { appInfo, appRevision, type AppInfo, type AppRevision } from "./app-info.ts";
import { AUTH_MODES, STRATEGIES, type AppAuth, type DeployStrategy } from "../../settings/app-values.ts";
import { SETTINGS, settingsOf, type SettingsOf, type SettingValues } from "../../settings/settings.ts";
import type { GpuUsage } from "./gpu-usage.ts";
import type { Grpc, PlatformSession } from "../transport/platform-session.ts";
import { runnerInfo, type RunnerInfo } from "../runners/runner-info.ts";
import { wireTime } from "../timestamps.ts";

/** Options of listing runners. */
export interface RunnersOptions {
  /** Also list the runners that have ended since this time. */
  readonly since?: Date | undefined;
}

/** The changes of an app's scale; omitted settings stay as they are. */
export interface ScaleOptions extends EnvironmentChoice, SettingValues<SettingsOf<"scale">> {
  /** Kinds of machine, in order of preference. */
  readonly machineTypes?: readonly string[] | undefined;
  readonly regions?: readonly string[] | undefined;
}

/** Options of a switch to another revision. */
export interface SetRevisionOptions extends EnvironmentChoice {
  /** Allowed callers. Default: unchanged. */
  readonly auth?: AppAuth | undefined;
  /** Default: the control plane decides. */
  readonly strategy?: DeployStrategy | undefined;
}

/** The names of {@link ScaleOptions} whose values the next deployment takes from the code again. */
export const RESET_BY_DEPLOYMENT: readonly (keyof ScaleOptions)[] = [
  "machineTypes",
  ...settingsOf("scale").filter((name) => SETTINGS[name].keptBy === "code"),
];

/** The apps of a control plane. Calls fail with a `PlatformError`, or with a `UsageError` before they are sent. */
export class Apps {
  readonly #session: PlatformSession;

  constructor(session: PlatformSession) {
    this.#session = session;
  }

  /** The apps of an environment; the apps of all environments if none is given. */
  async list({ environment }: EnvironmentChoice = {}): Promise<AppInfo[]> {
    const { connection, method } = await this.#open();
    const { aliases } = await connection.unary(method.listAliases, environmentField(environment));
    return aliases.map(appInfo);
  }

  /** The runners of an app, including starting ones. */
  async runners(
    appName: string,
    { environment, since }: RunnersOptions & EnvironmentChoice = {},
  ): Promise<RunnerInfo[]> {
    const alias = aliasName(appName, environment);
    const { connection, method, protocol } = await this.#open();
    const { runners } = await connection.unary(method.listAliasRunners, {
      alias,
      listPending: true,
      ...(since === undefined ? {} : { startTime: wireTime(since) }),
      ...environmentField(environment),
    });
    return runners.map((info) => runnerInfo(info, protocol));
  }

  /**
   * Scales an app and resolves to the changed app. Sends nothing and resolves to undefined if no setting is given. The
   * next deployment takes `machineTypes`, `maxMultiplexing` and `startupTimeout` from the code again
   * ({@link RESET_BY_DEPLOYMENT}).
   */
  async scale(appName: string, options: ScaleOptions): Promise<AppInfo | undefined> {
    const applicationName = aliasName(appName, options.environment);
    const changes = scaleFields(options);
    if (Object.keys(changes).length === 0) return undefined;
    const { connection, method } = await this.#open();
    const { aliasInfo } = await connection.unary(method.updateApplication, {
      applicationName,
      ...changes,
      ...environmentField(options.environment),
    });
    return aliasInfo === undefined ? undefined : appInfo(aliasInfo);
  }

  /**
   * Replaces an app's runners with new ones of the same revision. With `force`, running requests are not waited for.
   */
  async rollout(
    appName: string,
    { environment, force }: EnvironmentChoice & { readonly force?: boolean | undefined } = {},
  ): Promise<void> {
    const applicationName = aliasName(appName, environment);
    const { connection, method } = await this.#open();
    await connection.unary(
      method.rolloutApplication,
      {
        applicationName,
        ...(force === undefined ? {} : { force }),
        ...environmentField(environment),
      },
      // A retry could replace the runners twice.
      { retry: false },
    );
  }

  /**
   * Deletes an app, but not its revisions. Resolves to the app's last revision, or to undefined if the app does not
   * exist.
   */
  async delete(appName: string, { environment }: EnvironmentChoice = {}): Promise<string | undefined> {
    const alias = aliasName(appName, environment);
    const { connection, method } = await this.#open();
    try {
      const answer = await connection.unary(method.deleteAlias, { alias, ...environmentField(environment) });
      return answer.revision;
    } catch (error) {
      if (error instanceof PlatformError && error.status === "NOT_FOUND") return undefined;
      throw error;
    }
  }

  /** Deletes the revision with this id. The control plane refuses to delete the current revision of an app. */
  async deleteRevision(revision: string): Promise<void> {
    if (typeof revision !== "string" || revision.trim() === "") {
      throw new UsageError("The revision to delete has no id.");
    }
    const { connection, method } = await this.#open();
    await connection.unary(method.deleteApplication, { applicationId: revision });
  }

  /** The number of GPUs of an app's runners, by kind. The name may include the owner: `me/web`. */
  async gpus(appName: string): Promise<GpuUsage> {
    const { appGpus } = await import("./gpu-usage.ts");
    return await appGpus(this.#session, appName);
  }

  /** The revisions of an app; the revisions of all apps if none is given. */
  async revisions(appName?: string, { environment }: EnvironmentChoice = {}): Promise<AppRevision[]> {
    const name = appName === undefined ? {} : { applicationName: aliasName(appName, environment) };
    const { connection, method } = await this.#open();
    const input = { ...name, ...environmentField(environment) };
    const { applications } = await connection.unary(method.listApplications, input);
    return applications.map(appRevision);
  }

  /** Switches an app to another of its revisions, such as an earlier one. Resolves to the changed app. */
  async setRevision(
    appName: string,
    revision: string,
    { environment, auth, strategy }: SetRevisionOptions = {},
  ): Promise<AppInfo | undefined> {
    const alias = aliasName(appName, environment);
    const authMode = auth === undefined ? undefined : enumName("auth", AUTH_MODES, auth);
    const deploymentStrategy =
      strategy === undefined ? undefined : enumName("strategy", STRATEGIES, strategy);
    const { connection, method, protocol } = await this.#open();
    const { aliasInfo } = await connection.unary(method.setAlias, {
      alias,
      revision,
      ...(authMode === undefined ? {} : { authMode: protocol.ApplicationAuthMode[authMode] }),
      ...(deploymentStrategy === undefined
        ? {}
        : { deploymentStrategy: protocol.DeploymentStrategy[deploymentStrategy] }),
      ...environmentField(environment),
    });
    return aliasInfo === undefined ? undefined : appInfo(aliasInfo);
  }

  async #open(): Promise<Grpc & { method: Grpc["protocol"]["IsolateController"]["method"] }> {
    const grpc = await this.#session.grpc();
    return { ...grpc, method: grpc.protocol.IsolateController.method };
  }
}

/** @throws UsageError if a number does not fit its field, or a list is empty */
function scaleFields(options: ScaleOptions): WireFields {
  const { machineTypes: machineType, regions } = options;
  for (const [name, list] of Object.entries({ machineTypes: machineType, regions })) {
    if (list?.length === 0) throw new UsageError(`${name} has to name at least one.`);
  }
  const names = [...settingsOf("scale"), "machineType", "regions"] as const;
  return wireFields({ ...options, machineType, regions }, names);
}
