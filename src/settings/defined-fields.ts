/** The fields that are among the names and have a value. */
export function pick<T extends object, Name extends keyof T>(
  values: T,
  names: readonly Name[],
): { [N in Name]?: Exclude<T[N], undefined> } {
  const entries = names.map((name) => [name, values[name]]).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [N in Name]?: Exclude<T[N], undefined> };
}

/** The fields that are not undefined, in a new object. */
export function omitUndefined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return pick(fields, Object.keys(fields) as (keyof T)[]);
}
