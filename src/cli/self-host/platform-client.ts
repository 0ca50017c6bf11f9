import { UsageError } from "../../errors.ts";
import type { Rest } from "../../platform/transport/rest.ts";
import type { CommonOptions } from "../action.ts";
import type { OutputOptions } from "../platform/output.ts";
import { runningPlatform, stateDirectory, type PlatformRecord } from "./state-directory.ts";

/** Options of the commands that ask the platform of this machine. */
export interface SelfHostOptions extends CommonOptions, OutputOptions {
  readonly state?: string;
  readonly profile?: string;
}

/**
 * A client of the platform that runs in a folder, with the key of its profile.
 * @throws UsageError if none runs there, or the profile has no key
 */
export async function platformClient(
  options: SelfHostOptions,
): Promise<{ readonly platform: PlatformRecord; readonly client: Rest }> {
  const directory = stateDirectory(options.state);
  const platform = runningPlatform(directory);
  if (platform === undefined) {
    throw new UsageError(`No platform runs in ${directory}: start it with "servable up".`);
  }
  const { ConfigFile } = await import("../../platform/target/config-file.ts");
  const { Rest } = await import("../../platform/transport/rest.ts");
  const { parseKey } = await import("../../platform/target/credentials.ts");
  const { resolveEndpoints } = await import("../../platform/target/endpoints.ts");
  const { authorityOf } = await import("../../platform/target/target.ts");
  const profile = options.profile ?? "local";
  const stored = (await ConfigFile.read()).profile(profile);
  const { key } = stored;
  if (key === undefined) {
    throw new UsageError(`The profile ${profile} has no key: run "servable up" once more, or set one.`);
  }
  const { rest } = resolveEndpoints({ host: platform.url, authority: authorityOf(stored), environment: {} });
  const credentials = parseKey(key.reveal(), `the profile ${profile}`);
  return { platform, client: new Rest({ endpoint: rest, credentials }) };
}
