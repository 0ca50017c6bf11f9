import type { Credentials } from "./credentials.ts";

/** Says that a key was not accepted, on either channel. */
export function keyRefused(where: string, credentials: Credentials, details: string): string {
  const reason = details === "" ? "" : ` ${details}`;
  return (
    `${where} does not accept ${keyName(credentials)}.${reason} ` +
    "It may have expired, been revoked, or be another host's: make a new one."
  );
}

/** Says what a key is missing, on either channel. */
export function keyTooWeak(credentials: Credentials, what: string): string {
  const name = keyName(credentials);
  return `${name.charAt(0).toUpperCase()}${name.slice(1)} may not do this (${what}); most of it takes the scope ADMIN.`;
}

function keyName({ keyId, origin }: Credentials): string {
  const source = origin.startsWith("The key")
    ? origin.charAt(0).toLowerCase() + origin.slice(1)
    : `the key of ${origin}`;
  return `${source} (id ${keyId})`;
}
