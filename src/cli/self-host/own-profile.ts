import { ConfigFile } from "../../platform/target/config-file.ts";
import { Secret } from "../../platform/target/secret.ts";
import type { Platform } from "../../controller/platform.ts";

/** The profile by which commands reach a platform. */
export interface OwnProfile {
  readonly name: string;
  readonly isSelected: boolean;
}

/**
 * Writes the address of a platform and a key for it into a profile, so that commands need no setting. The key that is there
 * is kept if it is valid. The profile is selected if no other one is.
 */
export async function writeProfile(platform: Platform, name: string): Promise<OwnProfile> {
  const file = await ConfigFile.read();
  const known = file.has(name) ? file.profile(name).key : undefined;
  const key =
    known !== undefined && (await platform.accepts(known.reveal()))
      ? known
      : new Secret(platform.firstKey ?? (await platform.createKey(`the profile ${name}`)));
  const selected = file.selectedName();
  const isSelected = selected === undefined || selected === name;
  await file.keep({ name, key, host: platform.url, authorityFile: platform.authorityFile, isSelected });
  return { name, isSelected };
}
