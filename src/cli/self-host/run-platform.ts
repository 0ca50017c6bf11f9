import { rmSync } from "node:fs";
import { userInfo } from "node:os";
import { resolve } from "node:path";
import {
  startPlatform,
  type EngineChoice,
  type Platform,
  type PlatformOptions,
} from "../../controller/platform.ts";
import type { CertificateSource } from "../../controller/tls/certificates.ts";
import { createMark } from "../../cache/process-mark.ts";
import { UsageError } from "../../errors.ts";
import { writeFileAtomic } from "../../processes/atomic-file.ts";
import { createLogger } from "../../server/logger.ts";
import { omitUndefined } from "../../settings/defined-fields.ts";
import type { CommonOptions } from "../action.ts";
import { Interruption, INTERRUPTED } from "../interruption.ts";
import { styleFor } from "../style.ts";
import { writeProfile, type OwnProfile } from "./own-profile.ts";
import { PLATFORM_PORT, recordPath, stateDirectory, type PlatformRecord } from "./state-directory.ts";

/** Options of `servable up`. */
export interface UpOptions extends CommonOptions {
  readonly port?: string;
  readonly host?: string;
  readonly state?: string;
  readonly databaseUrl?: string;
  readonly owner?: string;
  readonly profile?: string;
  readonly engine?: EngineChoice;
  readonly gpus?: string;
  readonly detach?: boolean;
  readonly keepRunners?: boolean;
  readonly logFormat?: "pretty" | "json";
  readonly systemd?: boolean;
  readonly tls?: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsName?: readonly string[];
}

/** A message of a platform in the background to the command that has started it. */
export type DetachedMessage =
  { readonly kind: "progress"; readonly line: string } | { readonly kind: "ready"; readonly text: string };

/** Runs a platform until a signal stops it. Resolves to the exit code. */
export async function runPlatform(options: UpOptions): Promise<number> {
  const directory = stateDirectory(options.state);
  const log = await createLogger(omitUndefined({ format: options.logFormat }));
  using stop = new Interruption("Stopping…", { isPatient: true });
  const tell = (message: DetachedMessage): void => {
    if (process.send !== undefined && process.connected) process.send(message);
    else
      process.stderr.write(
        message.kind === "progress" ? `${styleFor(process.stderr).dim(message.line)}\n` : message.text,
      );
  };
  let platform: Platform;
  try {
    platform = await startPlatform({
      stateDirectory: directory,
      host: options.host,
      port: parsePort(options.port),
      databaseUrl: options.databaseUrl ?? process.env["SERVABLE_DATABASE_URL"],
      owner: parseOwner(options.owner),
      tls: certificateSource(options),
      engine: options.engine,
      gpus: parseGpus(options.gpus),
      log,
      signal: stop.signal,
      onProgress: (line) => tell({ kind: "progress", line }),
    });
  } catch (error) {
    if (stop.caused(error)) return INTERRUPTED;
    throw error;
  }
  try {
    const profile = await writeProfile(platform, options.profile ?? "local");
    const record: PlatformRecord = {
      mark: createMark(),
      url: platform.url,
      owner: parseOwner(options.owner),
      startedAt: Date.now(),
    };
    writeFileAtomic(recordPath(directory), JSON.stringify(record));
    tell({ kind: "ready", text: welcome(platform, profile, options) });
    if (process.connected) process.disconnect();
    if (!stop.signal.aborted) await new Promise((resolve) => stop.signal.addEventListener("abort", resolve));
    return 0;
  } finally {
    rmSync(recordPath(directory), { force: true });
    await platform.close({ keepRunners: options.keepRunners ?? false });
  }
}

/** The text that is printed when the platform is ready. */
function welcome(
  { url, firstKey, authorityFile }: Platform,
  { name, isSelected }: OwnProfile,
  { state, profile }: UpOptions,
): string {
  const { bold, green, cyan, dim } = styleFor(process.stderr);
  const choice = isSelected ? "" : ` --profile ${name}`;
  const place = state === undefined ? "" : ` --state ${state}`;
  const steps = [
    [`servable deploy${choice} app.ts`, "deploy an app"],
    [`servable status${place}${profile === undefined ? "" : ` --profile ${name}`}`, "what runs, and why"],
    [`servable down${place}`, "stop the platform"],
  ];
  return [
    `${green("●")} The platform is at ${bold(cyan(url))}`,
    ...(firstKey === undefined ? [] : [`  Its first key, shown only now: ${bold(firstKey)}`]),
    `  The profile ${bold(name)} has its address and a key${isSelected ? "" : `; choose it by --profile ${name}, or "servable profile set ${name}"`}.`,
    ...(authorityFile === undefined
      ? []
      : [`  Its certificate is signed by ${authorityFile}: other clients have to trust this file.`]),
    "",
    ...steps.map(([command = "", what = ""]) => `  ${cyan(command.padEnd(36))} ${dim(what)}`),
    "",
  ].join("\n");
}

/** Where the certificate comes from; undefined without TLS. @throws UsageError */
function certificateSource({ tls, tlsCert, tlsKey, tlsName }: UpOptions): CertificateSource | undefined {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new UsageError("--tls-cert and --tls-key belong together: give both, or only --tls.");
  }
  if (tlsCert !== undefined && tlsKey !== undefined) {
    if (tlsName !== undefined) {
      throw new UsageError("--tls-name is for a certificate of the platform's own, not with --tls-cert.");
    }
    return { kind: "files", cert: resolve(tlsCert), key: resolve(tlsKey) };
  }
  return tls === true || tlsName !== undefined ? { kind: "own", names: tlsName ?? [] } : undefined;
}

function parsePort(text: string | undefined): number {
  if (text === undefined) return PLATFORM_PORT;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new UsageError(`--port has to be a number from 0 to 65535, not "${text}".`);
}

/** The first part of the addresses of all apps: by default, the user's name. */
function parseOwner(given: string | undefined): string {
  if (given !== undefined && !/^[\w-]{1,60}$/.test(given)) {
    throw new UsageError(`--owner has to be letters, digits, "-" and "_", not "${given}".`);
  }
  return given ?? (userInfo().username.replaceAll(/[^\w-]/g, "-") || "local");
}

/** "2" for two devices, "0,2" or "GPU-5a,GPU-6b" for those with these ids. */
function parseGpus(text: string | undefined): PlatformOptions["gpus"] {
  if (text === undefined) return undefined;
  if (/^\d{1,4}$/.test(text)) {
    return Array.from({ length: Number(text) }, (_, index) => ({ id: `${index}`, name: `GPU ${index}` }));
  }
  const ids = text.split(",").map((id) => id.trim());
  if (ids.every((id) => /^[\w.:-]+$/.test(id)) && new Set(ids).size === ids.length) {
    return ids.filter((id) => id !== "").map((id) => ({ id, name: `GPU ${id}` }));
  }
  throw new UsageError(`--gpus has to be a number, or different ids such as "0,2", not "${text}".`);
}
