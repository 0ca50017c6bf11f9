import { didYouMean } from "../../did-you-mean.ts";
import { UsageError } from "../../errors.ts";
import type { ConfigFile, Profile } from "./config-file.ts";

/** The source of the active profile: an argument, the variable `FAL_PROFILE`, or the config file. */
export type ProfileSource = "argument" | "FAL_PROFILE" | "file";

/** The active profile, and its source. */
export interface ActiveProfile {
  readonly profile: Profile;
  readonly source: ProfileSource;
}

/** Options of {@link activeProfile}. */
export interface ProfileOptions {
  /** A profile's name. Takes precedence over all other sources. */
  readonly profile?: string | undefined;
  /** Default: `process.env`. */
  readonly environment?: NodeJS.ProcessEnv | undefined;
}

/** The value of `FAL_PROFILE`; undefined if it is unset or blank. */
export function profileVariable(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const name = environment["FAL_PROFILE"]?.trim();
  return name === "" ? undefined : name;
}

/**
 * The active profile: that of the argument, else of `FAL_PROFILE`, else the one selected in the file.
 *
 * @throws UsageError for an unknown profile; the message names its source and the known profiles
 */
export function activeProfile(
  file: ConfigFile,
  { profile, environment }: ProfileOptions = {},
): ActiveProfile | undefined {
  const variable = profileVariable(environment);
  const [name, source]: [string | undefined, ProfileSource] =
    profile !== undefined
      ? [profile, "argument"]
      : variable !== undefined
        ? [variable, "FAL_PROFILE"]
        : [file.selectedName(), "file"];
  if (name === undefined) return undefined;
  const names = file.profiles().map((known) => known.name);
  if (!names.includes(name)) throw unknownProfile(name, source, file.path, names);
  return { profile: file.profile(name), source };
}

/** Sources as messages name them. */
export const SOURCE_TEXTS: Readonly<Record<ProfileSource, string>> = {
  argument: "the argument --profile",
  FAL_PROFILE: "FAL_PROFILE",
  file: "selected in the config file",
};

function unknownProfile(
  name: string,
  source: ProfileSource,
  path: string,
  names: readonly string[],
): UsageError {
  const from = source === "file" ? "selected there" : `from ${SOURCE_TEXTS[source]}`;
  const hint = didYouMean(name, names) || ".";
  const known = names.length === 0 ? "It has no profiles." : `It has: ${names.join(", ")}.`;
  const advice =
    source === "file"
      ? ' Select another with "servable profile set", or none with "servable profile unset".'
      : "";
  return new UsageError(`There is no profile "${name}" (${from}) in ${path}${hint} ${known}${advice}`);
}
