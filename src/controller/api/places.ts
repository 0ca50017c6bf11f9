import { Code, ConnectError } from "@connectrpc/connect";
import { parseAlias } from "../state/app-names.ts";
import { findApp, type AppRow } from "../state/apps.ts";
import { MAIN_ENVIRONMENT } from "../state/environments.ts";
import { findRevision, type Revision } from "../state/revisions.ts";
import type { Database } from "../store/database.ts";
import { assertEnvironment, NAME } from "./account-methods.ts";

/** The name of an app, and its environment. */
export interface Place {
  readonly app: string;
  readonly environment: string;
}

/** The place of an alias. The environment is in the name, and sent as well. */
export function placeOf(alias: string, environmentName: string | undefined): Place {
  const parsed = parseAlias(alias);
  if (environmentName === undefined || environmentName === parsed.environment) return parsed;
  if (parsed.environment === MAIN_ENVIRONMENT) return { app: alias, environment: environmentName };
  throw new ConnectError(`${alias} is not in the environment ${environmentName}.`, Code.InvalidArgument);
}

/** The place of an alias that an app may be deployed to. @throws ConnectError for an invalid name, and an unknown environment */
export async function validPlace(
  database: Database,
  alias: string,
  environmentName: string | undefined,
): Promise<Place> {
  const place = placeOf(alias, environmentName);
  if (!NAME.test(place.app)) {
    throw new ConnectError(
      `${JSON.stringify(alias)} can't be the name of an app: use letters, digits, "-", "_" and ".".`,
      Code.InvalidArgument,
    );
  }
  await assertEnvironment(database, place.environment);
  return place;
}

/** The app of an alias. @throws ConnectError if there is none */
export async function knownApp(
  database: Database,
  alias: string,
  environmentName: string | undefined,
): Promise<AppRow> {
  const { app, environment } = placeOf(alias, environmentName);
  const row = await findApp(database, environment, app);
  if (row === undefined) throw new ConnectError(`There is no app ${alias}.`, Code.NotFound);
  return row;
}

/** The revision of an id. @throws ConnectError if there is none */
export async function knownRevision(database: Database, id: string): Promise<Revision> {
  const revision = await findRevision(database, id);
  if (revision === undefined) throw new ConnectError(`There is no revision ${id}.`, Code.NotFound);
  return revision;
}
