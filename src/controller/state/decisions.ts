import { json, type Queries } from "../store/database.ts";

/** One decision of the scheduler that started or stopped something. */
export interface Decision {
  readonly at: Date;
  readonly app: string;
  readonly environment: string;
  /** The number of runners that there should be. */
  readonly target: number;
  readonly started: number;
  readonly stopped: number;
  /** For people, with its numbers. */
  readonly reason: string;
  readonly numbers: Readonly<Record<string, unknown>>;
}

/** Records a decision. */
export async function recordDecision(queries: Queries, decision: Decision): Promise<void> {
  const { at, app, environment, target, started, stopped, reason, numbers } = decision;
  await queries.query(
    `insert into decisions (at, app, environment, target, started, stopped, reason, numbers)
     values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [at, app, environment, target, started, stopped, reason, json(numbers)],
  );
}

/** The last decisions about an app, newest first. */
export async function listDecisions(
  queries: Queries,
  environment: string,
  app: string,
  limit: number,
): Promise<Decision[]> {
  return queries.query<Decision>(
    `select at, app, environment, target, started, stopped, reason, numbers from decisions
     where environment = $1 and app = $2 order by at desc, id desc limit $3`,
    [environment, app, limit],
  );
}

/** Removes the decisions before a time. */
export async function forgetDecisions(queries: Queries, before: Date): Promise<void> {
  await queries.query("delete from decisions where at < $1", [before]);
}
