import { randomUUID } from "node:crypto";
import { json, type Queries } from "../store/database.ts";

/** A file of a deployment, by the hash of its content and mode. */
export interface DeployedFile {
  readonly hash: string;
  /** With `/` between the segments, and without `..`. */
  readonly path: string;
}

/** How a runner is asked whether it is well. */
export interface HealthCheck {
  readonly path: string;
  readonly method: "GET" | "POST";
  readonly startPeriodSeconds: number;
  readonly timeoutSeconds: number;
  /** Failures in a row. */
  readonly failureThreshold: number;
  /** Whether it is asked every 15 s; false: only when an answer of the app asks for it. */
  readonly callsRegularly: boolean;
  readonly isAllowedOnBusy: boolean;
}

/** A reason for which a request is tried again. */
export type RetryCondition = "timeout" | "server_error" | "connection_error";

/** The content of a deployment. It never changes. */
export interface Definition {
  /** The image as it was sent: a Dockerfile or the name of an image, with its options. */
  readonly image: Readonly<Record<string, unknown>>;
  readonly files: readonly DeployedFile[];
  /** The port that the app listens on in a container. */
  readonly exposedPort: number | undefined;
  readonly metricsPort: number | undefined;
  /** Undefined: `/health` is tried, and may be missing. */
  readonly healthCheck: HealthCheck | undefined;
  /** The names of the secrets that a runner gets; undefined: those that are exposed by default. */
  readonly secrets: readonly string[] | undefined;
  readonly numGpus: number;
  /** Time between SIGTERM and SIGKILL, in seconds. */
  readonly gracePeriodSeconds: number;
  readonly skipRetryConditions: readonly RetryCondition[];
  /** As it was sent: JSON. */
  readonly retryConfig: string | undefined;
  readonly hasPrivateLogs: boolean;
  readonly metadata: Readonly<Record<string, unknown>> | undefined;
}

/** Settings that belong to a revision: a new one brings its own, and a rollback brings them back. */
export interface CodeSettings {
  readonly machineTypes: readonly string[];
  /** Requests that a runner takes at once. */
  readonly maxMultiplexing: number;
  readonly startupTimeoutSeconds: number;
}

/** A revision of an app. */
export interface Revision {
  readonly id: string;
  readonly app: string;
  readonly environment: string;
  readonly definition: Definition;
  readonly codeSettings: CodeSettings;
  /** Whether a runner of it has ever been ready. */
  readonly state: "pending" | "ready" | "failed";
  /** Why it failed. */
  readonly failure: string | null;
  /** The usual time from the start of a runner until it is ready, in milliseconds; null before the first. */
  readonly startMs: number | null;
  readonly createdAt: Date;
}

const COLUMNS =
  'id, app, environment, definition, code_settings as "codeSettings", state, failure, start_ms as "startMs", created_at as "createdAt"';

/** Records a new revision. */
export async function createRevision(
  queries: Queries,
  revision: Pick<Revision, "app" | "environment" | "definition" | "codeSettings">,
): Promise<Revision> {
  const { app, environment, definition, codeSettings } = revision;
  const [row] = await queries.query<Revision>(
    `insert into revisions (id, app, environment, definition, code_settings, state)
     values ($1, $2, $3, $4, $5, 'pending') returning ${COLUMNS}`,
    [randomUUID(), app, environment, json(definition), json(codeSettings)],
  );
  return row as Revision;
}

/** A revision; undefined if there is none of this id. */
export async function findRevision(queries: Queries, id: string): Promise<Revision | undefined> {
  const [row] = await queries.query<Revision>(`select ${COLUMNS} from revisions where id = $1`, [id]);
  return row;
}

/** The revisions of an app, of an environment, or all, newest first. */
export async function listRevisions(
  queries: Queries,
  environment: string | undefined,
  app: string | undefined,
): Promise<Revision[]> {
  return queries.query<Revision>(
    `select ${COLUMNS} from revisions
     where ($1::text is null or environment = $1) and ($2::text is null or app = $2)
     order by created_at desc, id`,
    [environment ?? null, app ?? null],
  );
}

/** The hashes of the files of all revisions. */
export async function filesInUse(queries: Queries): Promise<ReadonlySet<string>> {
  const rows = await queries.query<{ hash: string }>(
    "select distinct file->>'hash' as hash from revisions, jsonb_array_elements(definition->'files') file",
  );
  return new Set(rows.map(({ hash }) => hash));
}

/** Records how the rollout of a revision ended. A failure is final. */
export async function settleRevision(
  queries: Queries,
  id: string,
  outcome: { readonly state: "ready" } | { readonly state: "failed"; readonly failure: string },
): Promise<void> {
  await queries.query("update revisions set state = $2, failure = $3 where id = $1 and state <> 'failed'", [
    id,
    outcome.state,
    outcome.state === "failed" ? outcome.failure : null,
  ]);
}

/** Records the time that its runners take to start. */
export async function recordStartTime(queries: Queries, id: string, startMs: number): Promise<void> {
  await queries.query("update revisions set start_ms = $2 where id = $1", [id, startMs]);
}

/** Changes settings of a revision, as `servable apps scale` does. */
export async function changeCodeSettings(
  queries: Queries,
  id: string,
  settings: CodeSettings,
): Promise<void> {
  await queries.query("update revisions set code_settings = $2 where id = $1", [id, json(settings)]);
}

/** Deletes a revision. False if there is none, or an app leads to it. */
export async function deleteRevision(queries: Queries, id: string): Promise<boolean> {
  await queries.query("delete from runners where revision = $1 and state = 'terminated'", [id]);
  const rows = await queries.query(
    `delete from revisions where id = $1
     and not exists (select from apps where revision = $1 or next_revision = $1)
     and not exists (select from runners where revision = $1) returning id`,
    [id],
  );
  return rows.length > 0;
}

/**
 * Deletes the revisions that were made before a time, and that no app and no runner has: of runs that have ended, and of apps
 * that were deleted. @returns their ids
 */
export async function forgetRevisions(queries: Queries, before: Date): Promise<string[]> {
  const rows = await queries.query<{ id: string }>(
    `delete from revisions where created_at < $1
     and not exists (select from apps where apps.name = revisions.app and apps.environment = revisions.environment)
     and not exists (select from runners where revision = revisions.id) returning id`,
    [before],
  );
  return rows.map(({ id }) => id);
}
