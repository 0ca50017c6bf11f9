import { UsageError } from "../../errors.ts";
import type { ConfigFile, Profile } from "../../platform/target/config-file.ts";
import { profileInForce } from "../../platform/target/profile-choice.ts";

/** Which profile a command is about. */
export interface ProfileChoice {
  /** Default: the one in force, by `FAL_PROFILE` or the file. */
  readonly profile?: string;
}

/** The profile that was named, else the one in force. @throws UsageError when there is none */
export function chosenProfile(file: ConfigFile, options: ProfileChoice): Profile {
  const { profile } = options;
  const chosen = profile === undefined ? profileInForce(file)?.profile : file.profile(profile);
  if (chosen !== undefined) return chosen;
  throw new UsageError(
    "No profile is selected: name one with --profile or FAL_PROFILE, or select one with servable profile set NAME.",
  );
}
