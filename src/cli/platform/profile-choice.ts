import { UsageError } from "../../errors.ts";
import type { ConfigFile, Profile } from "../../platform/target/config-file.ts";
import { activeProfile } from "../../platform/target/profile-choice.ts";

/** The option that selects a profile. */
export interface ProfileChoice {
  /** Default: `FAL_PROFILE`, else the profile selected in the file. */
  readonly profile?: string;
}

/** The profile of the options, else the active one. @throws UsageError if there is none */
export function chosenProfile(file: ConfigFile, options: ProfileChoice): Profile {
  const { profile } = options;
  const chosen = profile === undefined ? activeProfile(file)?.profile : file.profile(profile);
  if (chosen !== undefined) return chosen;
  throw new UsageError(
    "No profile is selected: name one with --profile or FAL_PROFILE, or select one with servable profile set NAME.",
  );
}
