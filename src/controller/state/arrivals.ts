import type { Queries } from "../store/database.ts";

/** The requests of an app that arrived within a minute. */
export interface MinuteOfArrivals {
  readonly minute: Date;
  /** How many arrived in each of its 60 seconds. */
  readonly counts: readonly number[];
}

/** Adds arrivals of an app to those that are recorded. */
export async function recordArrivals(
  queries: Queries,
  { environment, app }: { readonly environment: string; readonly app: string },
  { minute, counts }: MinuteOfArrivals,
): Promise<void> {
  await queries.query(
    `insert into arrivals (environment, app, minute, counts) values ($1, $2, $3, $4::integer[])
     on conflict (environment, app, minute) do update set counts = (
       select array_agg(each.before + each.more order by each.second)
       from unnest(arrivals.counts, excluded.counts) with ordinality as each (before, more, second))`,
    [environment, app, minute, `{${counts.join(",")}}`],
  );
}

/** The arrivals of an app since a time, oldest first. */
export async function listArrivals(
  queries: Queries,
  { environment, app }: { readonly environment: string; readonly app: string },
  since: Date,
): Promise<MinuteOfArrivals[]> {
  return queries.query<MinuteOfArrivals>(
    `select minute, counts from arrivals
     where environment = $1 and app = $2 and minute >= $3 order by minute`,
    [environment, app, since],
  );
}

/** Removes the arrivals before a time. */
export async function forgetArrivals(queries: Queries, before: Date): Promise<void> {
  await queries.query("delete from arrivals where minute < $1", [before]);
}
