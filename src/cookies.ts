/** The cookies of a request, by name. */
export type Cookies = Readonly<Record<string, string | undefined>>;

/**
 * Parses the header `cookie`. If a name is repeated, its first value is used. Values in quotes lose them, and `%XX`
 * sequences are decoded; a value with invalid ones is kept as it is.
 */
export function parseCookies(header: string | undefined): Cookies {
  // Without a prototype, so that names such as "constructor" are only there if they were sent.
  const cookies = Object.create(null) as Record<string, string | undefined>;
  if (header === undefined) return cookies;
  for (const pair of header.split(";")) {
    const equals = pair.indexOf("=");
    if (equals === -1) continue;
    const name = pair.slice(0, equals).trim();
    if (name in cookies) continue;
    let value = pair.slice(equals + 1).trim();
    if (value.length > 1 && value.startsWith('"') && value.endsWith('"')) value = value.slice(1, -1);
    cookies[name] = decoded(value);
  }
  return cookies;
}

function decoded(value: string): string {
  if (!value.includes("%")) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
