import { json, type Queries } from "../store/database.ts";

/** Who may call an app: its owner's keys, everybody, or everybody with a key. */
export type AuthMode = "private" | "public" | "shared";

/** Settings that belong to an app: a new revision inherits them. */
export interface Scale {
  /** Time that an idle runner is kept, in seconds; "auto": it is learned. */
  readonly keepAliveSeconds: number | "auto";
  readonly minConcurrency: number;
  readonly maxConcurrency: number;
  /** Runners beyond the demand. */
  readonly concurrencyBuffer: number;
  /** Runners beyond the demand, in percent of it. */
  readonly concurrencyBufferPercent: number;
  /** Time that a request waits before a runner is started for it, in seconds. */
  readonly scalingDelaySeconds: number;
  readonly requestTimeoutSeconds: number;
  /** Time that a request of the owner may wait for a runner, in seconds; 0: as long as a start may take. */
  readonly requestStartTimeoutSeconds: number;
  readonly regions: readonly string[];
}

/** An app: a name in an environment that leads to one revision. */
export interface AppRow {
  readonly name: string;
  readonly environment: string;
  /** The revision that gets its requests. */
  readonly revision: string;
  /** The revision that is being rolled out. */
  readonly nextRevision: string | null;
  readonly authMode: AuthMode;
  readonly scale: Scale;
  readonly createdAt: Date;
}

/** The values of a first deployment. */
export const DEFAULT_SCALE: Scale = {
  keepAliveSeconds: "auto",
  minConcurrency: 0,
  maxConcurrency: 2,
  concurrencyBuffer: 0,
  concurrencyBufferPercent: 0,
  scalingDelaySeconds: 0,
  requestTimeoutSeconds: 3600,
  requestStartTimeoutSeconds: 0,
  regions: [],
};

const COLUMNS =
  'name, environment, revision, next_revision as "nextRevision", auth_mode as "authMode", scale, created_at as "createdAt"';

/** All apps, or those of an environment, by name. */
export async function listApps(queries: Queries, environment?: string): Promise<AppRow[]> {
  return queries.query<AppRow>(
    `select ${COLUMNS} from apps where $1::text is null or environment = $1 order by name, environment`,
    [environment ?? null],
  );
}

/** An app; undefined if there is none of this name. */
export async function findApp(
  queries: Queries,
  environment: string,
  name: string,
): Promise<AppRow | undefined> {
  const [row] = await queries.query<AppRow>(
    `select ${COLUMNS} from apps where environment = $1 and name = $2`,
    [environment, name],
  );
  return row;
}

/** Creates an app that leads to a revision, or changes where it leads. */
export async function putApp(
  queries: Queries,
  app: Omit<AppRow, "createdAt" | "nextRevision">,
): Promise<AppRow> {
  const { name, environment, revision, authMode, scale } = app;
  const [row] = await queries.query<AppRow>(
    `insert into apps (name, environment, revision, auth_mode, scale) values ($1, $2, $3, $4, $5)
     on conflict (name, environment) do update
     set revision = excluded.revision, next_revision = null, auth_mode = excluded.auth_mode, scale = excluded.scale
     returning ${COLUMNS}`,
    [name, environment, revision, authMode, json(scale)],
  );
  return row as AppRow;
}

/** Names the revision that is being rolled out, or none. */
export async function setNextRevision(
  queries: Queries,
  { environment, name }: Pick<AppRow, "environment" | "name">,
  nextRevision: string | null,
): Promise<void> {
  await queries.query("update apps set next_revision = $3 where environment = $1 and name = $2", [
    environment,
    name,
    nextRevision,
  ]);
}

/** Changes the scale of an app. */
export async function changeScale(
  queries: Queries,
  { environment, name }: Pick<AppRow, "environment" | "name">,
  scale: Scale,
): Promise<void> {
  await queries.query("update apps set scale = $3 where environment = $1 and name = $2", [
    environment,
    name,
    json(scale),
  ]);
}

/** The history of an app for the scaling rule; undefined before the first observation. */
export async function readHistory(
  queries: Queries,
  { environment, name }: Pick<AppRow, "environment" | "name">,
): Promise<unknown> {
  const [row] = await queries.query<{ history: unknown }>(
    "select history from apps where environment = $1 and name = $2",
    [environment, name],
  );
  return row?.history ?? undefined;
}

/** Stores what the scaling rule has learned of an app. */
export async function writeHistory(
  queries: Queries,
  { environment, name }: Pick<AppRow, "environment" | "name">,
  history: unknown,
): Promise<void> {
  await queries.query("update apps set history = $3 where environment = $1 and name = $2", [
    environment,
    name,
    json(history),
  ]);
}

/** Deletes an app. @returns the revision that it led to; undefined if there was none */
export async function deleteApp(
  queries: Queries,
  environment: string,
  name: string,
): Promise<string | undefined> {
  const [row] = await queries.query<{ revision: string }>(
    "delete from apps where environment = $1 and name = $2 returning revision",
    [environment, name],
  );
  return row?.revision;
}
