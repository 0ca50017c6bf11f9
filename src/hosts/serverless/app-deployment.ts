import type { AppSettings } from "../../deploy-config.ts";
import { deploymentSettings, type Deployment } from "../../platform/deployment/deploy-request.ts";
import { appClassOf } from "../../servable/app.ts";
import type { HealthCheckSettings } from "../../settings/health-check.ts";
import { settingOf, settingsOf } from "../../settings/settings.ts";
import { pick } from "../../settings/defined-fields.ts";
import { describeApp, type NamedServable } from "./app-description.ts";

const NO_STATICS: AppSettings = {};
const CONFIG = settingsOf("config");

/**
 * The deployment of a servable without its image: its name, its settings, its health check and its OpenAPI document.
 * @param config settings that take precedence over those of the class
 */
export async function appDeployment(
  named: NamedServable,
  config: AppSettings = {},
): Promise<Omit<Deployment, "image">> {
  const { app } = named;
  const statics = appClassOf(app);
  const { name, openapi, health } = await describeApp(named);
  // Asked as often as the endpoint that is the health check says.
  const own = [...app.collectRoutes().keys()].find(({ healthCheck }) => healthCheck !== undefined);
  const healthCheck: HealthCheckSettings = { path: health.path, method: health.method, ...own?.healthCheck };
  return {
    appName: name,
    auth: statics?.appAuth,
    ...deploymentSettings({
      ...classDefaults(),
      ...pick(statics ?? NO_STATICS, CONFIG),
      ...pick(config, CONFIG),
    }),
    healthCheck,
    openapi,
  };
}

/** The values of a class that gives none: a bare image needs less than Node and a model. */
function classDefaults(): AppSettings {
  return Object.fromEntries(CONFIG.map((name) => [name, settingOf(name)?.classDefault]));
}
