/** How a runner of a self-hosted platform reaches what the platform keeps for it. */
export interface PlatformAccount {
  /** The address of the platform, without a slash at the end. */
  readonly url: string;
  /** The value of the header `authorization`. */
  readonly authorization: string;
}

const URL_VARIABLE = "SERVABLE_PLATFORM_URL";
const TOKEN_VARIABLE = "SERVABLE_PLATFORM_TOKEN";

/** The account that the platform has given to this process; undefined if it is not a runner of a self-hosted platform. */
export function platformAccount(environment: NodeJS.ProcessEnv): PlatformAccount | undefined {
  const url = environment[URL_VARIABLE];
  const token = environment[TOKEN_VARIABLE];
  return url && token ? { url, authorization: `Bearer ${token}` } : undefined;
}
