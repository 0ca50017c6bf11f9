import { GatewayError } from "../gateway/gateway-error.ts";
import type { PlatformMetrics } from "../metrics/platform-metrics.ts";
import { PACKAGE_VERSION } from "../../platform/transport/user-agent.ts";
import type { KeyRing } from "../gateway/key-ring.ts";
import type { MachineRoom } from "../scheduler/machine-room.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import { parseAlias } from "../state/app-names.ts";
import { listDecisions } from "../state/decisions.ts";
import type { Shortages } from "../shortages.ts";
import type { Database } from "../store/database.ts";
import { appLoad } from "./app-load.ts";
import { platformStatus } from "./platform-status.ts";
import { readJsonBody, type RestRoute } from "./rest.ts";

/** The parts that the routes need. */
export interface PlatformRouteParts {
  readonly database: Database;
  readonly scheduler: Scheduler;
  readonly machine: MachineRoom;
  readonly keys: KeyRing;
  readonly owner: string;
  readonly metrics: PlatformMetrics;
  readonly shortages: Shortages;
  /** The address of the platform, as its callers reach it. */
  readonly publicUrl: () => string;
}

/** The life of a token that nobody has asked to be longer, in seconds. */
const TOKEN_SECONDS = 120;
const SHOWN_DECISIONS = 20;
const HOUR_MS = 3_600_000;
const DEFAULT_LOAD_HOURS = 24;
const MAX_LOAD_HOURS = 366 * 24;
const MAX_DECISIONS = 1_000;

/** The routes about the platform, its owner and its runners. */
export function platformRoutes({
  database,
  scheduler,
  machine,
  keys,
  owner,
  metrics,
  shortages,
  publicUrl,
}: PlatformRouteParts): readonly RestRoute[] {
  const startedAt = performance.now();
  return [
    {
      method: "GET",
      path: "/health",
      permission: undefined,
      handle: async () => ({ status: "ok" }),
    },
    {
      method: "GET",
      path: "/platform/status",
      permission: "serverless:apps:read",
      handle: async () => {
        const uptimeSeconds = (performance.now() - startedAt) / 1_000;
        return platformStatus(scheduler, machine, {
          ...{ url: publicUrl(), owner, uptimeSeconds },
          shortages: await shortages.look(),
        });
      },
    },
    {
      method: "GET",
      path: "/metrics",
      permission: "serverless:apps:read",
      handle: async ({ response }) => {
        const text = metrics.text(scheduler, { version: PACKAGE_VERSION });
        response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
        response.end(text);
        return undefined;
      },
    },
    {
      method: "GET",
      path: "/platform/apps/:alias/decisions",
      permission: "serverless:apps:read",
      handle: async ({ params, query }) => {
        const { app, environment } = parseAlias(params["alias"] ?? "");
        if (scheduler.find(environment, app) === undefined) {
          throw new GatewayError("not_found", `There is no app ${params["alias"]}.`);
        }
        const limit = Number(query.get("limit") ?? SHOWN_DECISIONS);
        if (!Number.isInteger(limit) || limit < 1 || limit > MAX_DECISIONS) {
          throw new GatewayError("bad_request", `limit has to be a number from 1 to ${MAX_DECISIONS}.`);
        }
        return listDecisions(database, environment, app, limit);
      },
    },
    {
      method: "GET",
      path: "/platform/apps/:alias/load",
      permission: "serverless:apps:read",
      handle: async ({ params, query }) => {
        const { app: name, environment } = parseAlias(params["alias"] ?? "");
        const app = scheduler.find(environment, name);
        if (app === undefined) throw new GatewayError("not_found", `There is no app ${params["alias"]}.`);
        const hours = Number(query.get("hours") ?? DEFAULT_LOAD_HOURS);
        if (!(hours > 0 && hours <= MAX_LOAD_HOURS)) {
          throw new GatewayError("bad_request", `hours has to be a positive number up to ${MAX_LOAD_HOURS}.`);
        }
        await scheduler.recordArrivals(app);
        return appLoad(database, app, new Date(Date.now() - hours * HOUR_MS));
      },
    },
    {
      method: "GET",
      path: "/users/current",
      permission: "account:settings:read",
      handle: async () => ({
        user_id: `local|${owner}`,
        nickname: owner,
        full_name: owner,
        is_personal: true,
        is_locked: false,
      }),
    },
    {
      method: "GET",
      path: "/users/teams",
      permission: "account:settings:read",
      handle: async () => [],
    },
    {
      method: "POST",
      path: "/tokens",
      permission: "models:requests:submit",
      handle: async ({ request, caller }) => {
        if (caller?.apps !== undefined) {
          throw new GatewayError("forbidden", "A token can't make another token: use a key.");
        }
        const { allowed_apps: apps, token_expiration: seconds = TOKEN_SECONDS } = await readJsonBody(request);
        if (!Array.isArray(apps) || apps.length === 0 || !apps.every((app) => typeof app === "string")) {
          throw new GatewayError("bad_request", "allowed_apps has to be a list of names of apps.");
        }
        if (typeof seconds !== "number" || !(seconds > 0)) {
          throw new GatewayError("bad_request", "token_expiration has to be a number of seconds.");
        }
        return keys.createToken(apps, seconds);
      },
    },
    {
      method: "POST",
      path: "/_platform/runners/:id/ready",
      permission: undefined,
      handle: async ({ request, params }) => {
        const [, token = ""] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? "") ?? [];
        const { port } = await readJsonBody(request);
        if (typeof port !== "number" || !Number.isInteger(port) || port < 1 || port > 65_535) {
          throw new GatewayError("bad_request", "port has to be the number of a port.");
        }
        if (!(await scheduler.lives.announce(params["id"] ?? "", token, port))) {
          throw new GatewayError("unauthorized", "There is no runner that this token belongs to.");
        }
        return {};
      },
    },
  ];
}
