import { UsageError } from "../../errors.ts";

/** The environment of apps for which none is given. */
export const MAIN_ENVIRONMENT = "main";

/** The environment of an app. */
export interface EnvironmentChoice {
  /** Default, also for an empty string: the main environment. */
  readonly environment?: string | undefined;
}

/**
 * The control plane's name for an app: `web`, or `web--staging` outside of the main environment.
 *
 * @throws UsageError for an invalid name of an app.
 */
export function aliasName(appName: string, environment: string = MAIN_ENVIRONMENT): string {
  if (typeof appName !== "string" || appName === "") throw new UsageError("The app has no name.");
  if (appName.includes("--")) {
    throw new UsageError(`Write the app's name alone, and name the environment by itself, not "${appName}".`);
  }
  // "." is allowed, because apps created by other tools may have it in their names.
  if (!/^[a-z0-9](?:[\w.-]*[a-z0-9])?$/i.test(appName)) {
    throw new UsageError(
      `"${appName}" can't be the name of an app: it has letters, digits and single "-", such as "text-to-image", and no owner.`,
    );
  }
  return ["", MAIN_ENVIRONMENT].includes(environment) ? appName : `${appName}--${environment}`;
}

/** The app's own name, without the environment that {@link aliasName} appends. */
export function appNameOf(alias: string, environment: string = MAIN_ENVIRONMENT): string {
  const suffix = `--${environment}`;
  return alias.endsWith(suffix) && alias.length > suffix.length ? alias.slice(0, -suffix.length) : alias;
}

/** The field of a message that names the environment. Omitted if no environment is given. */
export function environmentField(environment: string | undefined): { environmentName?: string } {
  return environment === undefined || environment === "" ? {} : { environmentName: environment };
}
