import { ConfigFile, configPath, type Profile } from "./config-file.ts";
import { resolveCredentials, type Credentials } from "./credentials.ts";
import { resolveEndpoints, type Endpoints } from "./endpoints.ts";

/** What a caller may say of the control plane it wants; what it leaves out comes from the environment and the profile. */
export interface TargetOptions {
  /** The control plane's host. Default: `FAL_GRPC_HOST`, `FAL_HOST`, the profile's, fal's own. */
  host?: string | undefined;
  /** A key, `id:secret`. Default: `FAL_KEY`, the profile's, `FAL_KEY_ID` with `FAL_KEY_SECRET`. */
  key?: string | undefined;
  /** A profile of the config file, which then goes before the environment. Default: the one that is selected there. */
  profile?: string | undefined;
  /** Default: `process.env`. */
  environment?: NodeJS.ProcessEnv | undefined;
}

/** Which control plane is meant, and with which key. */
export interface Target {
  readonly endpoints: Endpoints;
  readonly credentials: Credentials;
}

/**
 * Which control plane is meant, and with which key: from arguments, the environment and the config file, in this order. The file is
 * read only where the others leave something open.
 *
 * @throws UsageError for a host that is none or a profile that isn't there; FalServerlessError `CREDENTIALS_MISSING`,
 * `CREDENTIALS_INVALID`, `CONFIG_INVALID`.
 */
export async function resolveTarget(options: TargetOptions = {}): Promise<Target> {
  const { host, key } = options;
  const sources = await sourcesOf(options);
  return {
    endpoints: resolveEndpoints({ host, ...sources }),
    credentials: resolveCredentials({ key, ...sources }),
  };
}

/**
 * Where the control plane is, for who has no key yet: as {@link resolveTarget} finds it.
 *
 * @throws UsageError for a host that is none or a profile that isn't there; FalServerlessError `CONFIG_INVALID`.
 */
export async function resolveHosts(options: Omit<TargetOptions, "key"> = {}): Promise<Endpoints> {
  return resolveEndpoints({ host: options.host, ...(await sourcesOf(options)) });
}

interface Sources {
  readonly profile: Profile | undefined;
  readonly environment: NodeJS.ProcessEnv;
}

/** What there is beside the arguments. */
async function sourcesOf(options: TargetOptions): Promise<Sources> {
  const given = options.environment ?? process.env;
  const profile = await profileFor(options, given);
  return { profile, environment: options.profile === undefined ? given : withoutRivals(given, profile) };
}

async function profileFor(
  options: TargetOptions,
  environment: NodeJS.ProcessEnv,
): Promise<Profile | undefined> {
  const { FAL_GRPC_HOST, FAL_HOST, FAL_KEY } = environment;
  const path = configPath(environment);
  if (options.profile !== undefined) return (await ConfigFile.read(path)).profile(options.profile);
  const hasHost = [options.host, FAL_GRPC_HOST, FAL_HOST].some(Boolean);
  const hasKey = [options.key, FAL_KEY].some(Boolean);
  return hasHost && hasKey ? undefined : (await ConfigFile.read(path)).selected();
}

/** A profile that was asked for by name is an argument: what it has goes before the environment. */
function withoutRivals(environment: NodeJS.ProcessEnv, profile: Profile | undefined): NodeJS.ProcessEnv {
  const rest = { ...environment };
  const rivals = [
    ...(profile?.key === undefined ? [] : ["FAL_KEY"]),
    ...(profile?.host === undefined ? [] : ["FAL_GRPC_HOST", "FAL_HOST"]),
  ];
  for (const name of rivals) delete rest[name];
  return rest;
}
