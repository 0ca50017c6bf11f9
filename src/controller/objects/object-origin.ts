import type { IncomingMessage } from "node:http";

const HOST = /^(?:[\w.-]{1,255}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i;

/**
 * The address of the platform as the caller of a request knows it, also behind a proxy. Headers can state any other one: only
 * the same caller gets it.
 */
export function originOf({ headers, socket }: IncomingMessage, byDefault: string): string {
  const host = firstOf(headers["x-forwarded-host"]) ?? headers.host ?? "";
  const scheme = firstOf(headers["x-forwarded-proto"]) ?? ("encrypted" in socket ? "https" : "http");
  return HOST.test(host) && /^https?$/.test(scheme) ? `${scheme}://${host}` : byDefault;
}

function firstOf(header: string | string[] | undefined): string | undefined {
  return (
    String(header ?? "")
      .split(",")[0]
      ?.trim() || undefined
  );
}
