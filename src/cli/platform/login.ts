import { UsageError } from "../../errors.ts";
import { ConfigFile, type Profile } from "../../platform/target/config-file.ts";
import { keyVariables, parseKey } from "../../platform/target/credentials.ts";
import { plainLine } from "../../platform/transport/plain-line.ts";
import { Rest } from "../../platform/transport/rest.ts";
import { Secret } from "../../platform/target/secret.ts";
import { resolveEndpoints, type Endpoints } from "../../platform/target/endpoints.ts";
import { activeProfile, profileVariable } from "../../platform/target/profile-choice.ts";
import { userOf } from "../../platform/account/user.ts";
import type { CommonOptions } from "../action.ts";
import { INTERRUPTED } from "../interruption.ts";
import { chosenProfile, type ProfileChoice } from "./profile-choice.ts";
import { typedKey, type TypedSource } from "./typed-secret.ts";

/** Options of `servable auth login`. */
export interface LoginOptions extends ProfileChoice, CommonOptions {
  readonly host?: string;
  readonly withKey?: boolean;
}

/** The profile that is created if none is selected or named. */
const FIRST_PROFILE = "default";

/**
 * Asks for a key, checks it with the control plane, and stores it in a profile. Nothing is stored if the check fails. Resolves
 * to the process's exit code.
 *
 * @throws UsageError, FalServerlessError with code CREDENTIALS_INVALID or CONFIG_INVALID, PlatformError
 */
export async function login(options: LoginOptions, source: TypedSource = {}): Promise<number> {
  const file = await ConfigFile.read();
  const selected = file.selected()?.name;
  // Only --profile creates a profile: FAL_PROFILE may have a typo.
  const variable = profileVariable();
  const named = variable === undefined ? undefined : (options.profile ?? activeProfile(file)?.profile.name);
  const name = options.profile ?? named ?? selected ?? FIRST_PROFILE;
  const { host } = options;
  const { rest, grpc } = hostsOf(file.has(name) ? file.profile(name) : undefined, host);
  if (options.withKey === true && (source.input ?? process.stdin).isTTY === true) {
    throw new UsageError("--with-key reads a pipe or a file: servable auth login --with-key < key.txt");
  }
  const key = await typedKey(source);
  if (key === undefined) return INTERRUPTED;
  const credentials = parseKey(key, "standard input");
  const user = await userOf(new Rest({ endpoint: rest, credentials }));
  // The key keeps working with the host that checked it, even if the variable is unset later.
  const isOfVariable = grpc.origin === "FAL_GRPC_HOST" || grpc.origin === "FAL_HOST";
  const kept = host ?? (isOfVariable ? grpc.url : undefined);
  const isSelected = selected === undefined || name === selected;
  await file.keep({ name, key: new Secret(key), host: kept, isSelected: selected === undefined });

  const owner = [user.nickname, user.fullName].filter(Boolean).join(", ");
  console.log(
    plainLine(`The key ${credentials.keyId} of ${owner} is kept in the profile ${name}, for ${grpc.host}.`),
  );
  if (variable !== undefined && variable !== name) {
    process.stderr.write(`FAL_PROFILE selects the profile ${plainLine(variable)}, and takes precedence.\n`);
  } else if (!isSelected && variable === undefined) {
    process.stderr.write(
      plainLine(`The profile ${selected} is selected; "servable profile set ${name}" selects this one.`) +
        "\n",
    );
  }
  if (keyVariables() === "FAL_KEY") process.stderr.write("FAL_KEY is set, and takes precedence.\n");
  return 0;
}

/** The hosts that check the key: those of the profile that stores it. */
function hostsOf(profile: Profile | undefined, host: string | undefined): Endpoints {
  const environment = { ...process.env };
  if (profile?.host !== undefined) {
    delete environment["FAL_GRPC_HOST"];
    delete environment["FAL_HOST"];
  }
  return resolveEndpoints({ host, profile, environment });
}

/**
 * Deletes the key of a profile, and prints which variable still sets one.
 *
 * @throws UsageError, FalServerlessError with code CONFIG_INVALID
 */
export async function logout(options: ProfileChoice): Promise<void> {
  const file = await ConfigFile.read();
  const { name, key } = chosenProfile(file, options);
  if (key !== undefined) await file.setKey(name, undefined);
  const shown = plainLine(name);
  console.log(
    key === undefined ? `The profile ${shown} has no key.` : `The profile ${shown} has no key any more.`,
  );
  const variables = keyVariables();
  if (variables !== undefined) process.stderr.write(`${variables} still ${gives(variables)} a key.\n`);
}

function gives(variables: string): string {
  return variables.includes(" and ") ? "give" : "gives";
}
