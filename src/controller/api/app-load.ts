import { serviceSeconds, startSeconds } from "../scaling/history.ts";
import type { RecordedLoad } from "../scaling/simulation/replay.ts";
import type { ScalingSettings } from "../scaling/snapshot.ts";
import type { LiveApp } from "../scheduler/live-app.ts";
import { scalingSettings } from "../scheduler/scaler.ts";
import { listArrivals } from "../state/arrivals.ts";
import type { Database } from "../store/database.ts";

/** The past requests of an app, and its settings now: what a replay needs. */
export interface AppLoad extends RecordedLoad {
  readonly settings: ScalingSettings;
}

/** The load of an app since a time. */
export async function appLoad(database: Database, app: LiveApp, since: Date): Promise<AppLoad> {
  const { row, history } = app;
  const minutes = await listArrivals(database, { environment: row.environment, app: row.name }, since);
  const arrivals = minutes.flatMap(({ minute, counts }) =>
    counts.flatMap((count, second): [number, number][] =>
      count === 0 ? [] : [[minute.getTime() / 1_000 + second, count]],
    ),
  );
  return {
    arrivals,
    serviceSeconds: serviceSeconds(history),
    startSeconds: startSeconds(history),
    settings: scalingSettings(app),
  };
}
