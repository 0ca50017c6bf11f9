import { GatewayError } from "../gateway/gateway-error.ts";
import type { KeyRing } from "../gateway/key-ring.ts";
import { createKey, listKeys, rotateKey, type NewKey } from "../state/keys.ts";
import { parsePermissions, permissionsOfPreset } from "../state/permissions.ts";
import type { Database } from "../store/database.ts";
import { readJsonBody, type RestRoute } from "./rest.ts";

/** The parts that the routes need. */
export interface KeyRouteParts {
  readonly database: Database;
  readonly keys: KeyRing;
}

/** The longest time until a key or a former secret expires, in seconds: a hundred years. */
const MAX_SECONDS = 100 * 365 * 86_400;

/** The routes about the lives of keys, which the protocol has no messages for. */
export function keyRoutes({ database, keys }: KeyRouteParts): readonly RestRoute[] {
  const permission = "account:keys:write";
  return [
    {
      method: "GET",
      path: "/platform/keys",
      permission,
      handle: async () => {
        const rows = await listKeys(database);
        return {
          keys: rows.map((key) => ({
            key_id: key.id,
            description: key.description,
            preset: key.preset,
            permissions: key.permissions,
            created_at: key.createdAt,
            expires_at: key.expiresAt,
            last_used_at: key.lastUsedAt,
            previous_expires_at: key.previousExpiresAt,
          })),
        };
      },
    },
    {
      method: "POST",
      path: "/platform/keys",
      permission,
      handle: async ({ request }) => {
        const body = await readJsonBody(request);
        const expiresAt = after(secondsOf(body["expires_in_seconds"], "expires_in_seconds", 1));
        const { id, secret } = await createKey(database, { ...grantOf(body), expiresAt });
        return { key_id: id, key_secret: secret };
      },
    },
    {
      method: "POST",
      path: "/platform/keys/:id/rotate",
      permission,
      handle: async ({ request, params }) => {
        const { grace_seconds: given } = await readJsonBody(request);
        const graceEnd = after(secondsOf(given, "grace_seconds", 0));
        const id = params["id"] ?? "";
        const secret = await rotateKey(database, id, graceEnd);
        if (secret === undefined) throw new GatewayError("not_found", `There is no key ${id}.`);
        keys.forget();
        return { key_id: id, key_secret: secret };
      },
    },
  ];
}

function grantOf(body: Readonly<Record<string, unknown>>): NewKey {
  const { description, preset, permissions } = body;
  if (description !== undefined && typeof description !== "string") {
    throw new GatewayError("bad_request", "description has to be a text.");
  }
  try {
    if (typeof preset === "string" && permissions === undefined) {
      return { description, preset, permissions: permissionsOfPreset(preset) };
    }
    if (preset === undefined && Array.isArray(permissions) && permissions.length > 0) {
      return { description, permissions: parsePermissions(permissions.map(String)) };
    }
  } catch (error) {
    throw new GatewayError("bad_request", (error as Error).message);
  }
  throw new GatewayError("bad_request", "A key needs a preset, or permissions as a list of names.");
}

function secondsOf(value: unknown, name: string, least: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "number" && value >= least && value <= MAX_SECONDS) return value;
  throw new GatewayError("bad_request", `${name} has to be a number of seconds of at least ${least}.`);
}

function after(seconds: number | undefined): Date | undefined {
  return seconds === undefined ? undefined : new Date(Date.now() + seconds * 1_000);
}
