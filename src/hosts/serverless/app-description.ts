import type { HealthProbe, ImageApp } from "../../packaging/generated-dockerfile.ts";
import { appClassOf, type App } from "../../servable/app.ts";
import type { BaseServable } from "../../servable/base-servable.ts";
import { SETTINGS } from "../../settings/settings.ts";
import { deriveAppName } from "../../servable/app-name.ts";

/** A servable, and the name of its class or export. */
export interface NamedServable {
  readonly name: string;
  readonly app: BaseServable;
}

/** The description of an app for its image. */
export async function describeApp({ name: className, app }: NamedServable): Promise<ImageApp> {
  const { version } = app.constructor as typeof BaseServable;
  const settings = appClassOf(app);
  return {
    name: settings === undefined ? deriveAppName(className) : (app as App).appName,
    className,
    version,
    openapi: await app.openapi(),
    health: healthProbe(app, settings?.startupTimeout ?? SETTINGS.startupTimeout.default),
    port: settings?.exposedPort ?? SETTINGS.exposedPort.default,
  };
}

/** The endpoint that is the health check, else `GET /health`, unless the class has something else there. */
function healthProbe(app: BaseServable, startupSeconds: number): HealthProbe {
  const routes = [...app.collectRoutes().keys()].filter(({ isWebsocket }) => !isWebsocket);
  const checked = routes.find(({ healthCheck }) => healthCheck !== undefined);
  const { startPeriodSeconds, timeoutSeconds = 5, failureThreshold = 3 } = checked?.healthCheck ?? {};
  const isTaken = routes.some(({ path }) => path === "/health");
  return {
    method: checked === undefined || checked.method === "GET" ? "GET" : "POST",
    path: checked?.path ?? (isTaken ? "/readyz" : "/health"),
    timeoutSeconds: Math.max(1, Math.ceil(timeoutSeconds)),
    startPeriodSeconds: Math.ceil(startPeriodSeconds ?? startupSeconds),
    failureThreshold,
  };
}
