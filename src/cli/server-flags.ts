import { InvalidArgumentError, Option, type Command } from "commander";
import { UsageError } from "../errors.ts";
import { bearerTokens } from "../server/auth/bearer-tokens.ts";
import type { ServeOptions } from "../server/lifecycle/serve.ts";
import { Misfit } from "../settings/check.ts";
import { omitUndefined } from "../settings/defined-fields.ts";
import type { HttpsOptions, TrustedProxies } from "../settings/server-options.ts";
import type { Setting } from "../settings/setting.ts";
import { SETTINGS, type SettingsOf } from "../settings/settings.ts";
import { collected } from "./option-values.ts";

/** Flags whose value is the option itself, below the headings of the help. */
const PLAIN = {
  "Where it listens:": ["port", "host", "unixSocket", "backlog", "metricsPort", "metricsHost"],
  "Limits:": [
    ...([
      "bodyLimitBytes",
      "headerLimitBytes",
      "maxFrameBytes",
      "maxBytesInFlight",
      "maxUploadBytes",
    ] as const),
    ...(["uploadFolder", "maxConnections", "maxSessions", "maxMultiplexing", "limitMaxRequests"] as const),
    ...(["headersTimeoutMs", "arrivalTimeoutMs", "keepAliveTimeoutMs"] as const),
  ],
  "Requests:": ["rootPath"],
} as const satisfies Readonly<Record<string, readonly SettingsOf<"serve">[]>>;

/** The values of the flags of a server, as the command line parsed them. */
export interface ServerFlags {
  /** False for `--no-metrics`. */
  readonly metrics: boolean;
  /** False for `--no-docs`. */
  readonly docs: boolean;
  readonly accessLog?: boolean;
  readonly allowedHost?: readonly string[];
  readonly apiKeyFile?: string;
  readonly corsOrigin?: readonly string[];
  readonly corsCredentials?: boolean;
  readonly httpsKey?: string;
  readonly httpsCertificate?: string;
  readonly trustProxy?: TrustedProxies;
}

/** Adds the flags that set options of the server. Their sentences, defaults and checks are those of the settings. */
export function addServerFlags(command: Command): Command {
  const add = (heading: string, option: Option): void => void command.addOption(option.helpGroup(heading));
  const addPlain = (heading: keyof typeof PLAIN): void => {
    for (const name of PLAIN[heading]) add(heading, plainFlag(name));
  };
  const listens = "Where it listens:";
  addPlain(listens);
  add(listens, new Option("--no-metrics", "serve no metrics"));
  add(
    listens,
    new Option("--https-key <file>", "serve HTTPS with this private key in PEM; read again when it changes"),
  );
  add(listens, new Option("--https-certificate <file>", "the certificate of that key, in PEM"));
  const callers = "Who may call:";
  add(
    callers,
    new Option("--api-key-file <path>", "admit only callers that send one of the keys in this file"),
  );
  add(
    callers,
    new Option(
      "--allowed-host <name>",
      "a host that a proxy or tunnel sends, .NAME for all below it; may be repeated (default: $SERVABLE_ALLOWED_HOSTS)",
    ).argParser(collected),
  );
  add(
    callers,
    new Option(
      "--cors-origin <origin>",
      'an origin whose pages may call, such as https://example.com, or "*"; may be repeated',
    ).argParser(collected),
  );
  add(callers, new Option("--cors-credentials", "let pages of these origins send cookies"));
  add(
    callers,
    new Option(
      "--trust-proxy <proxies>",
      'addresses of proxies whose X-Forwarded headers are believed, such as loopback,10.0.0.0/8; "all" for any',
    ).argParser(trustedProxies),
  );
  addPlain("Requests:");
  add("Requests:", new Option("--no-docs", "serve neither /docs nor /openapi.json"));
  add("Requests:", new Option("--access-log", "log each answered request in a line of its own"));
  addPlain("Limits:");
  return command;
}

/** The options that the flags set. @throws UsageError if one lacks another */
export function serverOptions(flags: ServerFlags): ServeOptions {
  const { metrics, docs, accessLog, allowedHost, apiKeyFile, trustProxy } = flags;
  // The flags of PLAIN are not in the interface: their names are those of the rows.
  const values = flags as unknown as Readonly<Record<string, unknown>>;
  const plain = Object.values(PLAIN)
    .flat()
    .map((name) => [name, values[plainFlag(name).attributeName()]] as const);
  return {
    ...omitUndefined(Object.fromEntries(plain) as ServeOptions), // checked when they were parsed
    ...omitUndefined({
      cors: corsOf(flags),
      https: httpsOf(flags),
      allowedHosts: allowedHost,
      trustProxy,
      accessLog,
      auth: apiKeyFile === undefined ? undefined : bearerTokens({ file: apiKeyFile }),
    }),
    ...(metrics ? {} : { metricsPort: false }),
    ...(docs ? {} : { docs: false }),
  };
}

function plainFlag(name: SettingsOf<"serve">): Option {
  const row: Setting = SETTINGS[name];
  const otherwise = row.default === undefined ? undefined : shownDefault(row);
  const source =
    row.variable === undefined
      ? otherwise
      : `$${row.variable}${otherwise === undefined ? "" : `, else ${otherwise}`}`;
  const doc = row.doc.replaceAll("`", "");
  const option = new Option(row.flag ?? "", doc + (source === undefined ? "" : ` (default: ${source})`));
  return option.argParser((text) => parsed(row, text));
}

function shownDefault({ default: value, unit }: Setting): string {
  if (unit !== "bytes" || typeof value !== "number") return String(value);
  const [size, name] = value % 1024 ** 3 === 0 ? [1024 ** 3, "GiB"] : value % 1024 ** 2 === 0 ? [1024 ** 2, "MiB"] : [1024, "KiB"]; // prettier-ignore
  return `${value / size}${name}`;
}

/** Parses the value of a flag, and checks it like the option. @throws InvalidArgumentError, which commander prints */
function parsed({ check, unit }: Setting, text: string): unknown {
  const isNumber = !(check(4096) instanceof Misfit);
  const value = unit === "bytes" ? bytesIn(text) : isNumber && /^\d+$/.test(text) ? Number(text) : text;
  const result = check(value);
  if (!(result instanceof Misfit)) return result;
  throw new InvalidArgumentError(
    `It must be ${result.expected}${unit === "bytes" ? ", or a size such as 64KiB" : ""}.`,
  );
}

const SIZES: Readonly<Record<string, number>> = { "": 1, b: 1, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3, kb: 1e3, mb: 1e6, gb: 1e9 }; // prettier-ignore

/** A size such as "4096" or "64KiB", in bytes. Returns any other text as it is. */
function bytesIn(text: string): number | string {
  const [, amount, unit = ""] = /^(\d+) ?([kmg]?i?b)?$/i.exec(text) ?? [];
  const size = SIZES[unit.toLowerCase()];
  return amount === undefined || size === undefined ? text : Number(amount) * size;
}

function trustedProxies(text: string): TrustedProxies {
  const value = text === "all" ? true : text.split(",").map((address) => address.trim());
  const result = SETTINGS.trustProxy.check(value);
  if (result instanceof Misfit) throw new InvalidArgumentError(`It must be "all" or ${result.expected}.`);
  return result;
}

function corsOf({ corsOrigin, corsCredentials }: ServerFlags): ServeOptions["cors"] {
  if (corsOrigin === undefined) {
    if (corsCredentials === true)
      throw new UsageError("--cors-credentials needs --cors-origin: name the origins.");
    return undefined;
  }
  const origins = corsOrigin.length === 1 && corsOrigin[0] === "*" ? "*" : corsOrigin;
  return { origins, credentials: corsCredentials };
}

function httpsOf({ httpsKey, httpsCertificate }: ServerFlags): HttpsOptions | undefined {
  if (httpsKey === undefined && httpsCertificate === undefined) return undefined;
  if (httpsKey !== undefined && httpsCertificate !== undefined)
    return { key: httpsKey, certificate: httpsCertificate };
  throw new UsageError("--https-key and --https-certificate belong together: give both.");
}
