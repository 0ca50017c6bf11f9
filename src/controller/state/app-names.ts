import { MAIN_ENVIRONMENT } from "./environments.ts";

/** An app's name and environment: `web--staging` is `web` in `staging`. */
export function parseAlias(alias: string): { readonly app: string; readonly environment: string } {
  const split = alias.lastIndexOf("--");
  if (split <= 0 || split + 2 === alias.length) return { app: alias, environment: MAIN_ENVIRONMENT };
  return { app: alias.slice(0, split), environment: alias.slice(split + 2) };
}

/** The name of an app in addresses and in the protocol. */
export function aliasOf({
  app,
  environment,
}: {
  readonly app: string;
  readonly environment: string;
}): string {
  return environment === MAIN_ENVIRONMENT ? app : `${app}--${environment}`;
}
