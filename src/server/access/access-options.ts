import { DefinitionError } from "../../errors.ts";
import { hostNameOf } from "./host-names.ts";

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
