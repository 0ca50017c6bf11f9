import { PlatformError } from "../../errors.ts";
import type { User } from "../../platform/account/user.ts";
import { ConfigFile } from "../../platform/target/config-file.ts";
import { plainLine } from "../../platform/transport/plain-line.ts";

/** Which control plane is talked to, and as whom. */
export interface PlatformChoice {
  readonly host?: string;
  readonly profile?: string;
  readonly team?: string;
}

/**
 * Says on standard error what was asked for and does not hold: a profile whose values a variable goes before, a team that
 * is not the key's account.
 *
 * @param currentUser whose the key is
 */
export async function showNotices(options: PlatformChoice, currentUser: () => Promise<User>): Promise<void> {
  for (const notice of [...(await profileNotices(options)), ...(await teamNotices(options, currentUser))]) {
    process.stderr.write(`${plainLine(notice)}\n`);
  }
}

/** A profile that was named as an argument, and variables that go before its values. */
async function profileNotices({ profile: name, host: given }: PlatformChoice): Promise<string[]> {
  if (name === undefined) return [];
  const { profileInForce } = await import("../../platform/target/profile-choice.ts");
  const chosen = profileInForce(await ConfigFile.read(), { profile: name });
  const hostVariable = ["FAL_GRPC_HOST", "FAL_HOST"].find(isSet);
  const notices: string[] = [];
  if (chosen?.profile.key !== undefined && isSet("FAL_KEY")) {
    notices.push(`FAL_KEY is set, and goes before the key of the profile ${name}.`);
  }
  if (chosen?.profile.host !== undefined && given === undefined && hostVariable !== undefined) {
    notices.push(`${hostVariable} is set, and goes before the host of the profile ${name}.`);
  }
  return notices;
}

/** The team of `--team`, else of the config file, that a key leads past. */
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
    // A key may lack the permission to say whose it is, and be good for all else.
    const isDenied = error instanceof PlatformError && error.status === "HTTP 403";
    if (given && !isDenied) throw error;
    return [`${ignored}.`];
  }
}

async function selectedTeam(): Promise<string | undefined> {
  try {
    return (await ConfigFile.read()).selectedTeam();
  } catch {
    // A broken file is told where something of it is needed.
    return undefined;
  }
}

function isSet(name: string): boolean {
  return (process.env[name] ?? "").trim() !== "";
}
