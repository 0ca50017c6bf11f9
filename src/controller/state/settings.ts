import { json, type Queries } from "../store/database.ts";

/** Reads a setting of the platform; undefined if it is not set. */
export async function readSetting<Value>(queries: Queries, name: string): Promise<Value | undefined> {
  const [row] = await queries.query<{ value: Value }>("select value from settings where name = $1", [name]);
  return row?.value;
}

/** Stores a setting of the platform. */
export async function writeSetting(queries: Queries, name: string, value: unknown): Promise<void> {
  await queries.query(
    "insert into settings (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value",
    [name, json(value)],
  );
}
