import { DefinitionError } from "../../errors.ts";
import { hostNameOf } from "./host-names.ts";

/** An origin may have an app's own scheme (`capacitor://localhost`). It never ends with a slash or has a path. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@,\s*]+$/i;

/**
 * Checks a list of origins.
 * @throws DefinitionError
 */
export function resolveOrigins(
  origins: "*" | readonly string[] | undefined,
): "*" | ReadonlySet<string> | undefined {
  if (origins === undefined || origins === "*") return origins;
  if (!Array.isArray(origins)) {
    throw invalid(`corsOrigins must be "*" or a list of origins, got ${String(origins)}.`);
  }
  const list: readonly unknown[] = origins;
  for (const origin of list) {
    if (typeof origin === "string" && (origin === "null" || ORIGIN.test(origin))) continue;
    const hint =
      'write it as a browser sends it, such as "https://example.com", with its port if it has one.';
    throw invalid(`corsOrigins: ${JSON.stringify(origin)} is not an origin; ${hint}`);
  }
  return new Set(origins.map(asSent));
}

/** The origin as browsers write it: in lower case, without the default port of its scheme. */
function asSent(origin: string): string {
  return origin.toLowerCase().replace(/^(https:.*):443$|^(http:.*):80$/, "$1$2");
}

/** The hosts listed in `SERVABLE_ALLOWED_HOSTS`. */
export function hostsFromEnvironment(): readonly string[] {
  const names = (process.env["SERVABLE_ALLOWED_HOSTS"] ?? "").split(",").map((name) => name.trim());
  return names.filter((name) => name !== "");
}

/**
 * Checks host names: without a port, in lower case, ".example.com" for all names below it.
 * @throws DefinitionError
 */
export function resolveHosts(hosts: readonly string[] = []): readonly string[] {
  if (!Array.isArray(hosts)) throw invalid(`allowedHosts must be a list of hosts, got ${String(hosts)}.`);
  const list: readonly unknown[] = hosts;
  return list.map((host) => {
    if (host === "*") return host;
    const isText = typeof host === "string" && !/:\d*$/.test(host.replace(/^\[.*\]$/, ""));
    const [, below = "", rest = ""] = isText ? (/^(\.|\*\.)?(.*)$/.exec(host) ?? []) : [];
    const name = hostNameOf(rest);
    if (name !== undefined) return below === "" ? name : `.${name}`;
    const hint = 'write a name such as "app.example.com", without scheme or port.';
    throw invalid(`allowedHosts: ${JSON.stringify(host)} is not a host; ${hint}`);
  });
}

function invalid(message: string): DefinitionError {
  return new DefinitionError("SETTING_INVALID", message);
}
