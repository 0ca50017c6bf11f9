import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { AliasInfo, IsolateController } from "../../platform/generated/controller_pb.ts";
import { changeScale, listApps, type AppRow } from "../state/apps.ts";
import { changeCodeSettings, deleteRevision, listRevisions } from "../state/revisions.ts";
import type { ControlServiceParts } from "./service-parts.ts";
import { scaleWith } from "./definition.ts";
import { knownApp, knownRevision, placeOf } from "./places.ts";
import { aliasInfo, applicationInfo } from "./wire.ts";

/** The calls that list, change and delete apps and revisions. */
export function appMethods(parts: ControlServiceParts): Partial<ServiceImpl<typeof IsolateController>> {
  const { database, scheduler } = parts;
  return {
    listAliases: async ({ environmentName }) => {
      const rows = await listApps(database, environmentName);
      return { aliases: await Promise.all(rows.map((row) => aliasInfoOf(parts, row))) };
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
      const row = await knownApp(database, request.applicationName, request.environmentName);
      const revision = await knownRevision(database, row.revision);
      const scale = scaleWith(row.scale, request);
      const { maxMultiplexing, startupTimeout, machineTypes } = request;
      const codeSettings = {
        machineTypes: machineTypes.length > 0 ? machineTypes : revision.codeSettings.machineTypes,
        maxMultiplexing: maxMultiplexing ?? revision.codeSettings.maxMultiplexing,
        startupTimeoutSeconds: startupTimeout ?? revision.codeSettings.startupTimeoutSeconds,
      };
      const refusal = parts.machine.refusal(
        parts.machineTypes.needOf(codeSettings.machineTypes, revision.definition.numGpus),
      );
      if (refusal !== undefined) {
        throw new ConnectError(
          `${request.applicationName} can't run here: ${refusal}.`,
          Code.FailedPrecondition,
        );
      }
      await changeScale(database, row, scale);
      await changeCodeSettings(database, revision.id, codeSettings);
      const changed = { ...row, scale };
      scheduler.changed(changed, { ...revision, codeSettings });
      return { aliasInfo: await aliasInfoOf(parts, changed) };
    },
    deleteAlias: async ({ alias, environmentName }) => {
      const { app, environment } = placeOf(alias, environmentName);
      const revision = await scheduler.delete(environment, app);
      if (revision === undefined) throw new ConnectError(`There is no app ${alias}.`, Code.NotFound);
      return { revision };
    },
    deleteApplication: async ({ applicationId }) => {
      await knownRevision(database, applicationId);
      if (!(await deleteRevision(database, applicationId))) {
        throw new ConnectError(
          `The revision ${applicationId} is in use: an app leads to it, or runners of it are left.`,
          Code.FailedPrecondition,
        );
      }
      await parts.engines.discard(applicationId, (error) =>
        parts.log.warn(
          { revision: applicationId, error: (error as Error).message },
          "files of a revision are left",
        ),
      );
      return {};
    },
  };
}

/** An app in the form of the protocol, with what the scheduler knows of it. */
export async function aliasInfoOf(
  { database, scheduler }: ControlServiceParts,
  row: AppRow,
): Promise<AliasInfo> {
  return aliasInfo(
    row,
    await knownRevision(database, row.revision),
    scheduler.find(row.environment, row.name),
    scheduler.rollouts.isRolling(row.environment, row.name),
  );
}
