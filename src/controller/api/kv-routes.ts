import type { IncomingMessage } from "node:http";
import { GatewayError } from "../gateway/gateway-error.ts";
import type { KeyRing } from "../gateway/key-ring.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import {
  deleteValue,
  getValue,
  setValue,
  ValueQuotaExceeded,
  type KvAddress,
  type ValueQuota,
} from "../state/kv.ts";
import type { Database } from "../store/database.ts";
import { readBody, type RestRequest, type RestRoute } from "./rest.ts";

/** The parts that the routes need. */
export interface KvRouteParts {
  readonly database: Database;
  readonly scheduler: Scheduler;
  readonly keys: KeyRing;
  readonly quota: ValueQuota;
}

/** The largest value, in bytes. */
const MAX_VALUE_BYTES = 8 * 2 ** 20;
/** The shortest and the longest life of a value that expires, in seconds: as at fal. */
const MIN_TTL_SECONDS = 60;
const MAX_TTL_SECONDS = 2_592_000;

/** The routes of the values of KVStores, for runners alone: they have the protocol of fal's store. */
export function kvRoutes({ database, scheduler, keys, quota }: KvRouteParts): readonly RestRoute[] {
  /** The place of a value. Apps of one environment share values, as they share secrets. */
  const addressOf = ({ request, params }: RestRequest): KvAddress => {
    const runner = keys.runnerOf(request.headers.authorization);
    const environment = runner === undefined ? undefined : scheduler.lives.environmentOf(runner);
    if (environment === undefined) {
      throw new GatewayError("unauthorized", "Only a running app reaches the values of its KVStores.");
    }
    const { db = "", key = "" } = params;
    return { environment, db, key };
  };
  return [
    {
      method: "GET",
      path: "/_platform/kv/get/:db/:key",
      permission: undefined,
      handle: async (request) => {
        const value = await getValue(database, addressOf(request));
        if (value !== undefined) return { value };
        throw new GatewayError("not_found", "There is no value under this key.");
      },
    },
    {
      method: "PUT",
      path: "/_platform/kv/set/:db/:key",
      permission: undefined,
      handle: async (request) => {
        const address = addressOf(request);
        const ttlSeconds = parseTtl(request.query.get("ttl"));
        const value = await readText(request.request);
        await quota.take(database, address, Buffer.byteLength(value)).catch((error: unknown) => {
          throw error instanceof ValueQuotaExceeded
            ? new GatewayError("insufficient_storage", error.message)
            : error;
        });
        await setValue(database, address, value, ttlSeconds);
        return {};
      },
    },
    {
      method: "DELETE",
      path: "/_platform/kv/delete/:db/:key",
      permission: undefined,
      handle: async (request) => {
        await deleteValue(database, addressOf(request));
        return {};
      },
    },
  ];
}

function parseTtl(text: string | null): number | undefined {
  if (text === null) return undefined;
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds >= MIN_TTL_SECONDS && seconds <= MAX_TTL_SECONDS) return seconds;
  throw new GatewayError(
    "bad_request",
    `ttl has to be a number of seconds from ${MIN_TTL_SECONDS} to ${MAX_TTL_SECONDS}.`,
  );
}

async function readText(request: IncomingMessage): Promise<string> {
  const bytes = await readBody(request, MAX_VALUE_BYTES);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new GatewayError("bad_request", "A value has to be a text in UTF-8.");
  }
}
