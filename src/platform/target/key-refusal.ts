import type { Credentials } from "./credentials.ts";

/** Says that a key was not accepted, on either channel. */
export function keyRefused(where: string, credentials: Credentials, details: string): string {
  const reason = details === "" ? "" : ` ${details}`;
  return (
    `${where} does not accept the ${keyName(credentials)}.${reason} ` +
    "It may have expired, been revoked, or be another host's: make a new one."
  );
}

/** Says what a key is missing, on either channel. */
export function keyTooWeak(credentials: Credentials, what: string): string {
  return `The ${keyName(credentials)} may not do this (${what}); most of it takes the preset FULL, formerly the scope ADMIN.`;
}

function keyName({ keyId, origin }: Credentials): string {
  return `key from ${origin} (id ${keyId})`;
}
