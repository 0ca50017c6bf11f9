import type { AppSettings } from "../../deploy-config.ts";
import type { Deployment, HealthCheckSettings } from "../../platform/deployment/deploy-request.ts";
import { App } from "../../servable/app.ts";
import { describeApp, type NamedServable } from "./app-description.ts";
import { classSettings, deploymentSettings, SHARED_SETTINGS } from "./app-settings.ts";

/**
 * What is deployed of a servable, but for its image: its name, its settings and those of a config before them, its health
 * check and its OpenAPI document.
 */
export async function appDeployment(
  named: NamedServable,
  config: AppSettings = {},
): Promise<Omit<Deployment, "image">> {
  const { app } = named;
  const statics = app instanceof App ? (app.constructor as typeof App) : undefined;
  const { name, openapi, health } = await describeApp(named);
  // Asked as often as the endpoint that is the health check says.
  const own = [...app.collectRoutes().keys()].find(({ healthCheck }) => healthCheck !== undefined);
  const healthCheck: HealthCheckSettings = { path: health.path, method: health.method, ...own?.healthCheck };
  return {
    appName: name,
    auth: statics?.appAuth,
    ...deploymentSettings(classSettings(staticsOf(statics), config)),
    healthCheck,
    openapi,
  };
}

function staticsOf(statics: typeof App | undefined): AppSettings {
  if (statics === undefined) return {};
  return Object.fromEntries(SHARED_SETTINGS.map((key) => [key, statics[key]]));
}
