import { GatewayError } from "../gateway/gateway-error.ts";
import type { RequestQueue } from "../queue/request-queue.ts";
import { parseAlias } from "../state/app-names.ts";
import { findApp } from "../state/apps.ts";
import type { Database } from "../store/database.ts";
import type { RestRequest, RestRoute } from "./rest.ts";

/** The parts that the routes need. */
export interface QueueControlParts {
  readonly queue: RequestQueue;
  readonly database: Database;
  /** The first part of the addresses of all apps. */
  readonly owner: string;
}

const PATH = "/applications/:owner/:alias/queue";

/** The routes that count and cancel the waiting requests of an app. */
export function queueControlRoutes({ queue, database, owner }: QueueControlParts): readonly RestRoute[] {
  async function appOf({ params }: RestRequest): Promise<{ environment: string; app: string }> {
    const { app, environment } = parseAlias(params["alias"] ?? "");
    if (params["owner"] === owner && (await findApp(database, environment, app)) !== undefined) {
      return { app, environment };
    }
    throw new GatewayError("not_found", `There is no app ${params["owner"]}/${params["alias"]}.`);
  }
  return [
    {
      method: "GET",
      path: PATH,
      permission: "serverless:apps:read",
      handle: async (request) => {
        const counts = await queue.size(await appOf(request));
        const size = [...counts.values()].reduce((sum, count) => sum + count, 0);
        const isByUser = request.query.get("by_user") === "true";
        return { size, ...(isByUser ? { by_user: Object.fromEntries(counts) } : {}) };
      },
    },
    {
      method: "DELETE",
      path: PATH,
      permission: "serverless:apps:write",
      handle: async (request) => {
        const caller = request.query.get("caller_user_id") ?? undefined;
        return { cancelled: await queue.flush(await appOf(request), caller) };
      },
    },
  ];
}
