import { ConfigFile, configPath } from "./config-file.ts";
import { resolveCredentials, type Credentials } from "./credentials.ts";
import { resolveEndpoints, type Endpoints } from "./endpoints.ts";
import { profileInForce, profileVariable, type ChosenProfile } from "./profile-choice.ts";

/** What a caller may say of the control plane it wants; the rest comes from the environment and the profile. */
export interface TargetOptions {
  /** The control plane's host. Default: `FAL_GRPC_HOST`, `FAL_HOST`, the profile's, fal's own. */
  host?: string | undefined;
  /** A key, `id:secret`. Default: `FAL_KEY`, the profile's, `FAL_KEY_ID` with `FAL_KEY_SECRET`. */
  key?: string | undefined;
  /** A profile of the config file. Default: the one that `FAL_PROFILE` names, else the one that is selected there. */
  profile?: string | undefined;
  /** Default: `process.env`. */
  environment?: NodeJS.ProcessEnv | undefined;
}

/** Which control plane is meant, and with which key. */
export interface Target {
  readonly endpoints: Endpoints;
  readonly credentials: Credentials;
  /** The profile in force; nothing when there is none, or nothing was needed of it. */
  readonly profile: ChosenProfile | undefined;
}

/**
 * Which control plane is meant, and with which key: from arguments, the environment and the profile in force, in this order. The
 * config file is read only where it is needed.
 *
 * @throws UsageError for an invalid host or an unknown profile; FalServerlessError `CREDENTIALS_MISSING`,
 * `CREDENTIALS_INVALID`, `CONFIG_INVALID`.
 */
export async function resolveTarget(options: TargetOptions = {}): Promise<Target> {
  const { host, key, environment = process.env } = options;
  const chosen = await chosenProfile(options, environment);
  const sources = { profile: chosen?.profile, environment };
  return {
    endpoints: resolveEndpoints({ host, ...sources }),
    credentials: resolveCredentials({ key, ...sources }),
    profile: chosen,
  };
}

async function chosenProfile(
  { host, key, profile }: TargetOptions,
  environment: NodeJS.ProcessEnv,
): Promise<ChosenProfile | undefined> {
  const { FAL_GRPC_HOST, FAL_HOST, FAL_KEY } = environment;
  const isNamed = profile !== undefined || profileVariable(environment) !== undefined;
  const hasHost = [host, FAL_GRPC_HOST, FAL_HOST].some(isSet);
  const hasKey = [key, FAL_KEY].some(isSet);
  // A broken file doesn't matter where nothing of it is needed; a name that was given is checked all the same.
  if (!isNamed && hasHost && hasKey) return undefined;
  return profileInForce(await ConfigFile.read(configPath(environment)), { profile, environment });
}

function isSet(text: string | undefined): boolean {
  return text !== undefined && text.trim() !== "";
}
