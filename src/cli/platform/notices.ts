import { PlatformError } from "../../errors.ts";
import type { User } from "../../platform/account/user.ts";
import { ConfigFile } from "../../platform/target/config-file.ts";
import { plainLine } from "../../platform/transport/plain-line.ts";

/** Options that select the control plane and the account. */
export interface PlatformChoice {
  readonly host?: string;
  readonly profile?: string;
  readonly team?: string;
}

/**
 * Prints on standard error which options have no effect: a profile whose values a variable overrides, a team that is not the
 * key's account.
 *
 * @param currentUser looks up the owner of the key
 */
export async function showNotices(options: PlatformChoice, currentUser: () => Promise<User>): Promise<void> {
  for (const notice of [...(await profileNotices(options)), ...(await teamNotices(options, currentUser))]) {
    process.stderr.write(`${plainLine(notice)}\n`);
  }
}

/** Variables that override the values of the profile given by `--profile`. */
async function profileNotices({ profile: name, host: given }: PlatformChoice): Promise<string[]> {
  if (name === undefined) return [];
  const { activeProfile } = await import("../../platform/target/profile-choice.ts");
  const chosen = activeProfile(await ConfigFile.read(), { profile: name });
  const hostVariable = ["FAL_GRPC_HOST", "FAL_HOST"].find(isSet);
  const notices: string[] = [];
  if (chosen?.profile.key !== undefined && isSet("FAL_KEY")) {
    notices.push(`FAL_KEY is set, and takes precedence over the key of the profile ${name}.`);
  }
  if (chosen?.profile.host !== undefined && given === undefined && hostVariable !== undefined) {
    notices.push(`${hostVariable} is set, and takes precedence over the host of the profile ${name}.`);
  }
  return notices;
}

/** A team, of `--team` or the config file, that is ignored because a key is used. */
async function teamNotices(
  { team: given }: PlatformChoice,
  currentUser: () => Promise<User>,
): Promise<string[]> {
  const team = given || (await selectedTeam());
  if (team === undefined || team === "") return [];
  const ignored = `The team ${team} is ignored, as a key is used`;
  try {
    const { nickname, fullName = nickname, userId } = await currentUser();
    return nickname === team ? [] : [`${ignored}: it belongs to ${fullName} (${nickname}, ${userId}).`];
  } catch (error) {
    // A key may lack only the permission to read its owner.
    const isDenied = error instanceof PlatformError && error.status === "HTTP 403";
    if (given && !isDenied) throw error;
    return [`${ignored}.`];
  }
}

async function selectedTeam(): Promise<string | undefined> {
  try {
    return (await ConfigFile.read()).selectedTeam();
  } catch {
    // An invalid file is reported where it is needed.
    return undefined;
  }
}

function isSet(name: string): boolean {
  return (process.env[name] ?? "").trim() !== "";
}
