import type { Database, Queries } from "../store/database.ts";
import { expireObjectsOf } from "./objects.ts";

/** The environment that apps are in if nothing else is said. It can't be deleted. */
export const MAIN_ENVIRONMENT = "main";

/** A space of apps and secrets. */
export interface EnvironmentRow {
  readonly name: string;
  readonly description: string | null;
  readonly createdAt: Date;
}

const COLUMNS = 'name, description, created_at as "createdAt"';

/** All environments, oldest first. */
export async function listEnvironments(queries: Queries): Promise<EnvironmentRow[]> {
  return queries.query<EnvironmentRow>(`select ${COLUMNS} from environments order by created_at, name`);
}

/** An environment; undefined if there is none of this name. */
export async function findEnvironment(queries: Queries, name: string): Promise<EnvironmentRow | undefined> {
  const [row] = await queries.query<EnvironmentRow>(`select ${COLUMNS} from environments where name = $1`, [
    name,
  ]);
  return row;
}

/** Creates an environment; undefined if the name is taken. */
export async function createEnvironment(
  queries: Queries,
  name: string,
  description: string | undefined,
): Promise<EnvironmentRow | undefined> {
  const [row] = await queries.query<EnvironmentRow>(
    `insert into environments (name, description) values ($1, $2) on conflict do nothing returning ${COLUMNS}`,
    [name, description ?? null],
  );
  return row;
}

/** Deletes an environment with its secrets, revisions and stored files; its apps and runners have to be deleted before. */
export async function deleteEnvironment(database: Database, name: string): Promise<void> {
  await database.transaction(async (queries) => {
    await queries.query("delete from runners where environment = $1 and state = 'terminated'", [name]);
    await queries.query("delete from revisions where environment = $1", [name]);
    await queries.query("delete from environments where name = $1", [name]);
    await expireObjectsOf(queries, name);
  });
}
