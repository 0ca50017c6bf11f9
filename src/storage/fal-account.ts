/** The facts that a call of fal's REST interface needs. */
export interface FalAccount {
  /** The address of the interface, without a slash at the end. */
  readonly rest: string;
  /** The value of the header `authorization`. */
  readonly authorization: string;
}

/** The account that the environment names with `FAL_KEY`, or `FAL_KEY_ID` and `FAL_KEY_SECRET`; undefined without a key. */
export function falAccount(environment: NodeJS.ProcessEnv): FalAccount | undefined {
  const { FAL_KEY, FAL_KEY_ID, FAL_KEY_SECRET, FAL_REST_HOST } = environment;
  const key = FAL_KEY || (FAL_KEY_ID && FAL_KEY_SECRET ? `${FAL_KEY_ID}:${FAL_KEY_SECRET}` : undefined);
  if (key === undefined) return undefined;
  const host = FAL_REST_HOST ?? "rest.alpha.fal.ai";
  const rest = (/^https?:\/\//.test(host) ? host : `https://${host}`).replace(/\/+$/, "");
  return { rest, authorization: `Key ${key}` };
}

/** Whether this is a runner of fal that has a key. */
export function isOnFal(environment: NodeJS.ProcessEnv): boolean {
  return Boolean(environment["FAL_APP_NAME"]) && falAccount(environment) !== undefined;
}
