import { UsageError } from "../../errors.ts";
import type { ConfigFile, Profile } from "../../platform/target/config-file.ts";

/** Which profile a command is about. */
export interface ProfileChoice {
  /** Default: the one that is selected. */
  readonly profile?: string;
}

/** The profile that was named, else the one that is selected. @throws UsageError when there is none */
export function chosenProfile(file: ConfigFile, options: ProfileChoice): Profile {
  const profile = options.profile === undefined ? file.selected() : file.profile(options.profile);
  if (profile !== undefined) return profile;
  throw new UsageError(
    "No profile is selected: name one with --profile, or select one with servable profile set NAME.",
  );
}
