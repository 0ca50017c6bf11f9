import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { IsolateController, RunnerInfo } from "../../platform/generated/controller_pb.ts";
import type { FoundRunner } from "../scheduler/scheduler.ts";
import { findRevision, type Revision } from "../state/revisions.ts";
import { findRunner, listRunners, type RunnerRow } from "../state/runners.ts";
import type { ControlServiceParts } from "./service-parts.ts";
import { placeOf } from "./places.ts";
import { runnerInfo } from "./wire.ts";

/** The longest time that ended runners are listed for, in milliseconds. */
const MAX_SINCE_MS = 24 * 60 * 60 * 1_000;

/** The calls that list and end runners. */
export function runnerMethods(parts: ControlServiceParts): Partial<ServiceImpl<typeof IsolateController>> {
  const { database, scheduler } = parts;
  const stopped = async (id: string): Promise<FoundRunner | undefined> => {
    const found = scheduler.findRunner(id);
    if (found === undefined && (await findRunner(database, id)) === undefined) {
      throw new ConnectError(`There is no runner ${id}.`, Code.NotFound);
    }
    return found;
  };
  return {
    listRunners: async ({ startTime }) => {
      const rows = await listRunners(database, { endedSince: sinceOf(startTime) });
      return { runners: await runnerInfos(parts, rows) };
    },
    listAliasRunners: async ({ alias, environmentName, startTime }) => {
      const { app, environment } = placeOf(alias, environmentName);
      const rows = await listRunners(database, { app, environment, endedSince: sinceOf(startTime) });
      return { runners: await runnerInfos(parts, rows) };
    },
    stopRunner: async ({ runnerId, replaceFirst }) => {
      const found = await stopped(runnerId);
      if (found !== undefined) scheduler.stop(found, replaceFirst);
      return {};
    },
    killRunner: async ({ runnerId }) => {
      const found = await stopped(runnerId);
      if (found !== undefined) scheduler.kill(found);
      return {};
    },
  };
}

async function runnerInfos(
  { scheduler, database }: ControlServiceParts,
  rows: readonly RunnerRow[],
): Promise<RunnerInfo[]> {
  const revisions = new Map<string, Revision | undefined>();
  for (const { revision } of rows) {
    if (!revisions.has(revision)) revisions.set(revision, await findRevision(database, revision));
  }
  return rows.map((row) =>
    runnerInfo(row, revisions.get(row.revision), scheduler.find(row.environment, row.app)),
  );
}

function sinceOf(startTime: Parameters<typeof timestampDate>[0] | undefined): Date | undefined {
  if (startTime === undefined) return undefined;
  return new Date(Math.max(timestampDate(startTime).getTime(), Date.now() - MAX_SINCE_MS));
}
