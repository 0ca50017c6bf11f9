import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  BuildEnvironmentResultSchema,
  DeploymentStrategy,
  HostedRunStatus_State,
  RegisterApplicationResultSchema,
  type BuildEnvironmentRequest,
  type BuildEnvironmentResult,
  type IsolateController,
  type RegisterApplicationRequest,
  type RegisterApplicationResult,
} from "../../platform/generated/controller_pb.ts";
import { FalServerlessError } from "../../errors.ts";
import { logEntry, type LogEntry } from "../../log-entry.ts";
import { RolloutFailure } from "../scheduler/rollouts.ts";
import { aliasOf } from "../state/app-names.ts";
import { DEFAULT_SCALE, findApp } from "../state/apps.ts";
import { createRevision, type Revision } from "../state/revisions.ts";
import { aliasInfoOf } from "./app-methods.ts";
import type { ControlServiceParts } from "./service-parts.ts";
import { codeSettingsOf, definitionOf, engineFor, filesOf, imageOf, scaleWith } from "./definition.ts";
import { ItemQueue } from "./item-queue.ts";
import { knownApp, knownRevision, validPlace } from "./places.ts";
import { authModeOf, serviceUrls, wireLog } from "./wire.ts";

/** The calls that put revisions in the place of others. */
export class DeployMethods {
  readonly #parts: ControlServiceParts;

  constructor(parts: ControlServiceParts) {
    this.#parts = parts;
  }

  methods(): Partial<ServiceImpl<typeof IsolateController>> {
    const { database, scheduler } = this.#parts;
    return {
      buildEnvironment: (request, context) => this.#build(request, context),
      registerApplication: (request, context) => this.#register(request, context),
      setAlias: async (request) => {
        const { app, environment } = await validPlace(database, request.alias, request.environmentName);
        const revision = await knownRevision(database, request.revision);
        if (revision.app !== app || revision.environment !== environment) {
          throw new ConnectError(
            `The revision ${revision.id} is one of ${aliasOf(revision)}.`,
            Code.InvalidArgument,
          );
        }
        const before = await knownApp(database, request.alias, request.environmentName);
        const authMode = request.authMode === undefined ? before.authMode : authModeOf(request.authMode);
        const strategy = request.deploymentStrategy === DeploymentStrategy.RECREATE ? "recreate" : "rolling";
        if (before.revision === revision.id && authMode === before.authMode) {
          return { aliasInfo: await aliasInfoOf(this.#parts, before) };
        }
        const rollout = scheduler.deploy({ ...before, revision: revision.id, authMode }, revision, strategy);
        await this.#settled(rollout.done, revision);
        return {
          aliasInfo: await aliasInfoOf(
            this.#parts,
            await knownApp(database, request.alias, request.environmentName),
          ),
        };
      },
      rolloutApplication: async ({ applicationName, environmentName, force }) => {
        const row = await knownApp(database, applicationName, environmentName);
        const app = scheduler.find(row.environment, row.name);
        if (app !== undefined) scheduler.recycle(app, force ?? false);
        return {};
      },
    };
  }

  async *#build(
    request: BuildEnvironmentRequest,
    { signal }: HandlerContext,
  ): AsyncGenerator<BuildEnvironmentResult> {
    const image = imageOf(request.environments);
    const engine = await engineFor(this.#parts, "built", image, request.machineRequirements);
    const order = {
      image,
      files: filesOf(request.files, this.#parts.files),
      isForced: request.environments[0]?.force ?? false,
    };
    const lines = new ItemQueue<LogEntry>();
    const built = engine
      .build(order, { signal, log: (line) => lines.push(line) })
      .then(
        () => undefined,
        (error: unknown) => {
          if (error instanceof FalServerlessError) return error;
          throw error;
        },
      )
      .finally(() => lines.end());
    for await (const line of lines.read(signal)) {
      yield create(BuildEnvironmentResultSchema, { logs: [wireLog(line)] });
    }
    const failure = await built;
    const state = HostedRunStatus_State[failure === undefined ? "SUCCESS" : "INTERNAL_FAILURE"];
    const logs = failure === undefined ? [] : [wireLog(logEntry(failure.message, "BUILDER", "ERROR"))];
    yield create(BuildEnvironmentResultSchema, { logs, status: { state } });
  }

  async *#register(
    request: RegisterApplicationRequest,
    context: HandlerContext,
  ): AsyncGenerator<RegisterApplicationResult> {
    const { database, scheduler, owner, publicUrl } = this.#parts;
    const { app, environment } = await validPlace(
      database,
      request.applicationName ?? "",
      request.environmentName,
    );
    if (scheduler.runs.has(environment, app)) {
      throw new ConnectError(`${app} is the name of an app that runs now.`, Code.AlreadyExists);
    }
    const definition = definitionOf(request, this.#parts);
    await engineFor(this.#parts, "deployed", definition.image, request.machineRequirements);
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
    const lines = new ItemQueue<LogEntry>();
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
}
