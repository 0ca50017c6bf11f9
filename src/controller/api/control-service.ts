import { create } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import {
  Code,
  ConnectError,
  createContextKey,
  type ConnectRouter,
  type HandlerContext,
  type Interceptor,
  type ServiceImpl,
} from "@connectrpc/connect";
import {
  BuildEnvironmentResultSchema,
  DeploymentStrategy,
  HostedRunStatus_State,
  IsolateController,
  RegisterApplicationResultSchema,
  type BuildEnvironmentRequest,
  type BuildEnvironmentResult,
  type RegisterApplicationRequest,
  type RegisterApplicationResult,
} from "../../platform/generated/controller_pb.ts";
import type { Logger } from "pino";
import { logEntry } from "../../log-entry.ts";
import { aliasOf, parseAlias } from "../state/app-names.ts";
import type { Caller, KeyRing } from "../gateway/key-ring.ts";
import type { Engine } from "../engines/engine.ts";
import { RolloutFailure } from "../scheduler/rollouts.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import { changeScale, DEFAULT_SCALE, findApp, listApps, type AppRow } from "../state/apps.ts";
import { MAIN_ENVIRONMENT } from "../state/environments.ts";
import type { FileStore } from "../state/files.ts";
import type { Permission } from "../state/permissions.ts";
import {
  changeCodeSettings,
  createRevision,
  deleteRevision,
  findRevision,
  listRevisions,
  type Revision,
} from "../state/revisions.ts";
import { findRunner, listRunners, type RunnerRow } from "../state/runners.ts";
import type { SecretBox } from "../state/secrets.ts";
import type { Database } from "../store/database.ts";
import { accountMethods, assertEnvironment, NAME } from "./account-methods.ts";
import { codeSettingsOf, definitionOf, imageOf, scaleWith } from "./definition.ts";
import { LineQueue } from "./line-queue.ts";
import { aliasInfo, applicationInfo, authModeOf, runnerInfo, serviceUrls, wireLog } from "./wire.ts";

/** The parts that the service needs. */
export interface ControlServiceParts {
  readonly database: Database;
  readonly scheduler: Scheduler;
  readonly engine: Engine;
  readonly files: FileStore;
  readonly secrets: SecretBox;
  readonly keys: KeyRing;
  readonly owner: string;
  /** The address of the platform, as its callers reach it. */
  readonly publicUrl: () => string;
  readonly log: Logger;
}

type Method = keyof typeof IsolateController.method;

/** The permission that each call needs. Calls that are missing here are refused. */
const PERMISSION_OF: Readonly<Partial<Record<Method, Permission>>> = {
  buildEnvironment: "serverless:apps:write",
  registerApplication: "serverless:apps:write",
  updateApplication: "serverless:apps:write",
  listApplications: "serverless:apps:read",
  deleteApplication: "serverless:apps:write",
  rolloutApplication: "serverless:apps:write",
  setAlias: "serverless:apps:write",
  deleteAlias: "serverless:apps:write",
  listAliases: "serverless:apps:read",
  listAliasRunners: "serverless:apps:read",
  listRunners: "serverless:apps:read",
  stopRunner: "serverless:runners:write",
  killRunner: "serverless:runners:write",
  setSecret: "serverless:secrets:write",
  listSecrets: "serverless:apps:read",
  createUserKey: "account:keys:write",
  listUserKeys: "account:keys:write",
  revokeUserKey: "account:keys:write",
  listEnvironments: "serverless:apps:read",
  createEnvironment: "serverless:apps:write",
  deleteEnvironment: "serverless:apps:write",
};

/** The longest time that ended runners are listed for, in milliseconds. */
const MAX_SINCE_MS = 24 * 60 * 60 * 1_000;

const CALLER = createContextKey<Caller | undefined>(undefined);

/** Keeps the messages of unexpected errors from callers: they may name tables and paths. */
export function discretion(log: Logger): Interceptor {
  const hidden = (error: unknown, name: string): ConnectError => {
    if (error instanceof ConnectError) return error;
    log.error({ error: (error as Error).stack, call: name }, "a call failed");
    return new ConnectError("The platform failed to handle the call; its log says why.", Code.Internal);
  };
  return (next) => async (request) => {
    try {
      const response = await next(request);
      if (!response.stream) return response;
      const { message } = response;
      return {
        ...response,
        message: (async function* () {
          try {
            yield* message;
          } catch (error) {
            throw hidden(error, request.method.name);
          }
        })(),
      };
    } catch (error) {
      throw hidden(error, request.method.name);
    }
  };
}

/** Lets a call through if its key allows it. */
export function authentication(keys: KeyRing): Interceptor {
  return (next) => async (request) => {
    const { header } = request;
    const id = header.get("auth-key-id");
    const secret = header.get("auth-key");
    const caller =
      id !== null && secret !== null
        ? await keys.callerWithKey(id, secret)
        : await keys.callerOf(header.get("authorization") ?? undefined);
    if (caller === undefined) {
      throw new ConnectError(
        "A valid key is needed: set FAL_KEY, or choose a profile.",
        Code.Unauthenticated,
      );
    }
    const permission = PERMISSION_OF[request.method.localName as Method];
    if (permission === undefined) {
      throw new ConnectError(`This platform has no ${request.method.name}.`, Code.Unimplemented);
    }
    if (!caller.permissions.includes(permission)) {
      throw new ConnectError(
        `Insufficient permissions: ${request.method.name} needs a key with ${permission}.`,
        Code.PermissionDenied,
      );
    }
    request.contextValues.set(CALLER, caller);
    return next(request);
  };
}

/** The control plane's service. */
export function controlService(parts: ControlServiceParts): (router: ConnectRouter) => void {
  return (router) => router.service(IsolateController, new ControlService(parts).methods());
}

class ControlService {
  readonly #parts: ControlServiceParts;

  constructor(parts: ControlServiceParts) {
    this.#parts = parts;
  }

  methods(): Partial<ServiceImpl<typeof IsolateController>> {
    return {
      ...this.#deployMethods(),
      ...this.#appMethods(),
      ...this.#runnerMethods(),
      ...accountMethods(this.#parts),
    };
  }

  #deployMethods(): Partial<ServiceImpl<typeof IsolateController>> {
    return {
      buildEnvironment: (request) => this.#build(request),
      registerApplication: (request, context) => this.#register(request, context),
    };
  }

  async *#build(request: BuildEnvironmentRequest): AsyncGenerator<BuildEnvironmentResult> {
    const image = imageOf(request.environments);
    this.#assertRuns("built", image);
    yield create(BuildEnvironmentResultSchema, { status: { state: HostedRunStatus_State.SUCCESS } });
  }

  async *#register(
    request: RegisterApplicationRequest,
    context: HandlerContext,
  ): AsyncGenerator<RegisterApplicationResult> {
    const { database, scheduler, files, owner, publicUrl } = this.#parts;
    const { app, environment } = await this.#place(request.applicationName ?? "", request.environmentName);
    const definition = definitionOf(request, files);
    this.#assertRuns("deployed", definition.image);
    const before = await findApp(database, environment, app);
    const machine = request.machineRequirements;
    const isFirst = before === undefined;
    const scale =
      isFirst || request.scale === true
        ? scaleWith(isFirst ? DEFAULT_SCALE : before.scale, machine ?? {})
        : before.scale;
    const revision = await createRevision(database, {
      app,
      environment,
      definition,
      codeSettings: codeSettingsOf(machine),
    });
    const authMode =
      request.authMode === undefined ? (before?.authMode ?? "private") : authModeOf(request.authMode);
    const strategy = request.deploymentStrategy === DeploymentStrategy.RECREATE ? "recreate" : "rolling";
    const lines = new LineQueue();
    const rollout = scheduler.deploy(
      { name: app, environment, revision: revision.id, authMode, scale },
      revision,
      strategy,
      (line) => lines.push(line),
    );
    const isAttached = request.attachToDeployment ?? true;
    if (isAttached || isFirst) {
      void rollout.done.then(
        () => lines.end(),
        () => lines.end(),
      );
      for await (const line of lines.read(context.signal)) {
        yield create(RegisterApplicationResultSchema, { logs: [wireLog(line)] });
      }
      await this.#settled(rollout.done, revision);
    } else rollout.done.catch(() => {}); // listed with the revision
    yield create(RegisterApplicationResultSchema, {
      logs: [
        wireLog(logEntry(`revision ${revision.id} of ${aliasOf({ app, environment })}`, "BRIDGE", "DEBUG")),
      ],
      result: { applicationId: revision.id },
      serviceUrls: serviceUrls(publicUrl(), owner, { app, environment }),
    });
  }

  #assertRuns(what: string, image: Revision["definition"]["image"]): void {
    const refusal = this.#parts.engine.refusal(image);
    if (refusal !== undefined) {
      throw new ConnectError(`This app can't be ${what} here: ${refusal}.`, Code.FailedPrecondition);
    }
  }

  #appMethods(): Partial<ServiceImpl<typeof IsolateController>> {
    const { database, scheduler } = this.#parts;
    return {
      listAliases: async ({ environmentName }) => {
        const rows = await listApps(database, environmentName);
        return { aliases: await Promise.all(rows.map((row) => this.#aliasInfo(row))) };
      },
      listApplications: async ({ applicationName, environmentName }) => {
        const place = applicationName === undefined ? undefined : placeOf(applicationName, environmentName);
        const revisions = await listRevisions(database, place?.environment ?? environmentName, place?.app);
        const rows = await listApps(database);
        return {
          applications: revisions.map((revision) =>
            applicationInfo(
              revision,
              rows.find(
                ({ name, environment }) => name === revision.app && environment === revision.environment,
              ),
              scheduler.find(revision.environment, revision.app),
            ),
          ),
        };
      },
      updateApplication: async (request) => {
        const row = await this.#app(request.applicationName, request.environmentName);
        const revision = await this.#revision(row.revision);
        const scale = scaleWith(row.scale, request);
        const { maxMultiplexing, startupTimeout, machineTypes } = request;
        const codeSettings = {
          machineTypes: machineTypes.length > 0 ? machineTypes : revision.codeSettings.machineTypes,
          maxMultiplexing: maxMultiplexing ?? revision.codeSettings.maxMultiplexing,
          startupTimeoutSeconds: startupTimeout ?? revision.codeSettings.startupTimeoutSeconds,
        };
        await changeScale(database, row, scale);
        await changeCodeSettings(database, revision.id, codeSettings);
        const changed = { ...row, scale };
        scheduler.changed(changed, { ...revision, codeSettings });
        return { aliasInfo: await this.#aliasInfo(changed) };
      },
      setAlias: async (request) => {
        const { app, environment } = await this.#place(request.alias, request.environmentName);
        const revision = await this.#revision(request.revision);
        if (revision.app !== app || revision.environment !== environment) {
          throw new ConnectError(
            `The revision ${revision.id} is one of ${aliasOf(revision)}.`,
            Code.InvalidArgument,
          );
        }
        const before = await this.#app(request.alias, request.environmentName);
        const authMode = request.authMode === undefined ? before.authMode : authModeOf(request.authMode);
        const strategy = request.deploymentStrategy === DeploymentStrategy.RECREATE ? "recreate" : "rolling";
        if (before.revision === revision.id && authMode === before.authMode) {
          return { aliasInfo: await this.#aliasInfo(before) };
        }
        const rollout = scheduler.deploy({ ...before, revision: revision.id, authMode }, revision, strategy);
        await this.#settled(rollout.done, revision);
        return { aliasInfo: await this.#aliasInfo(await this.#app(request.alias, request.environmentName)) };
      },
      deleteAlias: async ({ alias, environmentName }) => {
        const { app, environment } = placeOf(alias, environmentName);
        const revision = await scheduler.delete(environment, app);
        if (revision === undefined) throw new ConnectError(`There is no app ${alias}.`, Code.NotFound);
        return { revision };
      },
      deleteApplication: async ({ applicationId }) => {
        await this.#revision(applicationId);
        if (!(await deleteRevision(database, applicationId))) {
          throw new ConnectError(
            `The revision ${applicationId} is in use: an app leads to it, or runners of it are left.`,
            Code.FailedPrecondition,
          );
        }
        return {};
      },
      rolloutApplication: async ({ applicationName, environmentName, force }) => {
        const row = await this.#app(applicationName, environmentName);
        const app = scheduler.find(row.environment, row.name);
        if (app !== undefined) scheduler.recycle(app, force ?? false);
        return {};
      },
    };
  }

  #runnerMethods(): Partial<ServiceImpl<typeof IsolateController>> {
    const { database, scheduler } = this.#parts;
    const stopped = async (
      id: string,
    ): Promise<NonNullable<ReturnType<Scheduler["findRunner"]>> | undefined> => {
      const found = scheduler.findRunner(id);
      if (found === undefined && (await findRunner(database, id)) === undefined) {
        throw new ConnectError(`There is no runner ${id}.`, Code.NotFound);
      }
      return found;
    };
    return {
      listRunners: async ({ startTime }) => {
        const rows = await listRunners(database, { endedSince: sinceOf(startTime) });
        return { runners: await this.#runnerInfos(rows) };
      },
      listAliasRunners: async ({ alias, environmentName, startTime }) => {
        const { app, environment } = placeOf(alias, environmentName);
        const rows = await listRunners(database, { app, environment, endedSince: sinceOf(startTime) });
        return { runners: await this.#runnerInfos(rows) };
      },
      stopRunner: async ({ runnerId, replaceFirst }) => {
        const found = await stopped(runnerId);
        if (found !== undefined) scheduler.stop(found, replaceFirst);
        return {};
      },
      killRunner: async ({ runnerId }) => {
        const found = await stopped(runnerId);
        if (found !== undefined) scheduler.lives.kill(found.runner, "it was killed");
        return {};
      },
    };
  }

  async #settled(done: Promise<void>, revision: Revision): Promise<void> {
    try {
      await done;
    } catch (error) {
      if (!(error instanceof RolloutFailure)) throw error;
      throw new ConnectError(
        `Revision ${revision.id} failed, and gets no requests. ${error.message}`,
        Code.FailedPrecondition,
      );
    }
  }

  async #place(
    alias: string,
    environmentName: string | undefined,
  ): Promise<{ readonly app: string; readonly environment: string }> {
    const place = placeOf(alias, environmentName);
    if (!NAME.test(place.app)) {
      throw new ConnectError(
        `${JSON.stringify(alias)} can't be the name of an app: use letters, digits, "-", "_" and ".".`,
        Code.InvalidArgument,
      );
    }
    await assertEnvironment(this.#parts.database, place.environment);
    return place;
  }

  async #app(alias: string, environmentName: string | undefined): Promise<AppRow> {
    const { app, environment } = placeOf(alias, environmentName);
    const row = await findApp(this.#parts.database, environment, app);
    if (row === undefined) throw new ConnectError(`There is no app ${alias}.`, Code.NotFound);
    return row;
  }

  async #revision(id: string): Promise<Revision> {
    const revision = await findRevision(this.#parts.database, id);
    if (revision === undefined) throw new ConnectError(`There is no revision ${id}.`, Code.NotFound);
    return revision;
  }

  async #aliasInfo(row: AppRow): Promise<ReturnType<typeof aliasInfo>> {
    const { scheduler } = this.#parts;
    const live = scheduler.find(row.environment, row.name);
    return aliasInfo(
      row,
      await this.#revision(row.revision),
      live,
      scheduler.rollouts.isRolling(row.environment, row.name),
    );
  }

  async #runnerInfos(rows: readonly RunnerRow[]): Promise<ReturnType<typeof runnerInfo>[]> {
    const { scheduler, database } = this.#parts;
    const revisions = new Map<string, Revision | undefined>();
    for (const { revision } of rows) {
      if (!revisions.has(revision)) revisions.set(revision, await findRevision(database, revision));
    }
    return rows.map((row) =>
      runnerInfo(row, revisions.get(row.revision), scheduler.find(row.environment, row.app)),
    );
  }
}

/** The place of an alias. The environment is in the name, and sent as well. */
function placeOf(
  alias: string,
  environmentName: string | undefined,
): { readonly app: string; readonly environment: string } {
  const parsed = parseAlias(alias);
  if (environmentName === undefined || environmentName === parsed.environment) return parsed;
  if (parsed.environment === MAIN_ENVIRONMENT) return { app: alias, environment: environmentName };
  throw new ConnectError(`${alias} is not in the environment ${environmentName}.`, Code.InvalidArgument);
}

function sinceOf(startTime: Parameters<typeof timestampDate>[0] | undefined): Date | undefined {
  if (startTime === undefined) return undefined;
  return new Date(Math.max(timestampDate(startTime).getTime(), Date.now() - MAX_SINCE_MS));
}
