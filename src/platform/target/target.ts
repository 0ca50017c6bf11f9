import { readFileSync } from "node:fs";
import { FalServerlessError } from "../../errors.ts";
import { ConfigFile, configPath, type Profile } from "./config-file.ts";
import { resolveCredentials, type Credentials } from "./credentials.ts";
import { resolveEndpoints, type Endpoints } from "./endpoints.ts";
import { activeProfile, profileVariable, type ActiveProfile } from "./profile-choice.ts";

/** Options that select a control plane. The rest comes from the environment and the profile. */
export interface TargetOptions {
  /** The control plane's host. Default: `FAL_GRPC_HOST`, `FAL_HOST`, the profile's, fal's own. */
  host?: string | undefined;
  /** A key, `id:secret`. Default: `FAL_KEY`, the profile's, `FAL_KEY_ID` with `FAL_KEY_SECRET`. */
  key?: string | undefined;
  /** A profile of the config file. Default: `FAL_PROFILE`, else the profile selected in the file. */
  profile?: string | undefined;
  /** Default: `process.env`. */
  environment?: NodeJS.ProcessEnv | undefined;
}

/** The selected control plane and key. */
export interface Target {
  readonly endpoints: Endpoints;
  readonly credentials: Credentials;
  /** The active profile; undefined if there is none, or it was not needed. */
  readonly profile: ActiveProfile | undefined;
}

/**
 * Finds the control plane and the key. Precedence: options, environment, active profile. The config file is read only if it is
 * needed.
 *
 * @throws UsageError for an invalid host or an unknown profile; FalServerlessError `CREDENTIALS_MISSING`,
 * `CREDENTIALS_INVALID`, `CONFIG_INVALID`.
 */
export async function resolveTarget(options: TargetOptions = {}): Promise<Target> {
  const { host, key, environment = process.env } = options;
  const chosen = await chosenProfile(options, environment);
  const profile = chosen?.profile;
  const sources = { profile: profile && { ...profile, authority: authorityOf(profile) }, environment };
  return {
    endpoints: resolveEndpoints({ host, ...sources }),
    credentials: resolveCredentials({ key, ...sources }),
    profile: chosen,
  };
}

/** The authority that a profile trusts, in PEM. @throws FalServerlessError `CONFIG_INVALID` if its file can't be read */
export function authorityOf({ name, authorityFile }: Profile): string | undefined {
  if (authorityFile === undefined) return undefined;
  try {
    return readFileSync(authorityFile, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new FalServerlessError(
      "CONFIG_INVALID",
      `${authorityFile}, the ca_file of the profile ${name}, cannot be read (${code}).`,
      { cause: error },
    );
  }
}

async function chosenProfile(
  { host, key, profile }: TargetOptions,
  environment: NodeJS.ProcessEnv,
): Promise<ActiveProfile | undefined> {
  const { FAL_GRPC_HOST, FAL_HOST, FAL_KEY } = environment;
  const isNamed = profile !== undefined || profileVariable(environment) !== undefined;
  const hasHost = [host, FAL_GRPC_HOST, FAL_HOST].some(isSet);
  const hasKey = [key, FAL_KEY].some(isSet);
  // An invalid file is ignored if nothing in it is needed. A named profile is always checked.
  if (!isNamed && hasHost && hasKey) return undefined;
  return activeProfile(await ConfigFile.read(configPath(environment)), { profile, environment });
}

function isSet(text: string | undefined): boolean {
  return text !== undefined && text.trim() !== "";
}
