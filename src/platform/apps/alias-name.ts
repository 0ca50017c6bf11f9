import { UsageError } from "../../errors.ts";

/** The environment an app is in when none is named. */
export const MAIN_ENVIRONMENT = "main";

/** The environment of an app. */
export interface EnvironmentChoice {
  /** Default, also for an empty text: the main environment. */
  readonly environment?: string | undefined;
}

/**
 * The name by which the control plane knows an app: `web`, or `web--staging` outside of the main environment.
 *
 * @throws UsageError for a name that no app can have.
 */
export function aliasName(appName: string, environment: string = MAIN_ENVIRONMENT): string {
  if (typeof appName !== "string" || appName === "") throw new UsageError("The app has no name.");
  if (appName.includes("--")) {
    throw new UsageError(`Write the app's name alone, and name the environment by itself, not "${appName}".`);
  }
  // A control plane may know apps with a "." that were named elsewhere.
  if (!/^[a-z0-9](?:[\w.-]*[a-z0-9])?$/i.test(appName)) {
    throw new UsageError(
      `"${appName}" can't be the name of an app: it has letters, digits and single "-", such as "text-to-image", and no owner.`,
    );
  }
  return ["", MAIN_ENVIRONMENT].includes(environment) ? appName : `${appName}--${environment}`;
}

/** The app's own name, without the environment that {@link aliasName} put behind it. */
export function appNameOf(alias: string, environment: string = MAIN_ENVIRONMENT): string {
  const suffix = `--${environment}`;
  return alias.endsWith(suffix) && alias.length > suffix.length ? alias.slice(0, -suffix.length) : alias;
}

/** The environment as a field of a message; no field for the main environment of an omitted name. */
export function environmentField(environment: string | undefined): { environmentName?: string } {
  return environment === undefined || environment === "" ? {} : { environmentName: environment };
}
