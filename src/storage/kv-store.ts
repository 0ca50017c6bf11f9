import { resolve } from "node:path";
import type { KvBackend } from "./kv-backend.ts";

/** The shortest and the longest time for which fal keeps a value that expires, in seconds. */
const MIN_TTL_SECONDS = 60;
const MAX_TTL_SECONDS = 2_592_000;
const MAX_KEY_BYTES = 1_024;

const STORES = ["platform", "fal", "local"] as const;

/** Options of a {@link KVStore}. */
export interface KVStoreOptions {
  /**
   * Where the values are: on the self-hosted platform whose runner this is, at fal, or in a folder of this machine, which
   * all processes share. Default: `platform` on a runner of a self-hosted platform, `fal` on a runner of fal that has a key,
   * otherwise `local`.
   */
  readonly store?: (typeof STORES)[number];
  /** The folder of local values. Default: `kv` in the cache folder, `SERVABLE_CACHE_DIR`. */
  readonly folder?: string;
}

/**
 * Texts by key, which outlive the process.
 *
 * @example
 * ```ts
 * const store = new KVStore("sessions");
 * await store.set("user-1", JSON.stringify({ visits: 1 }), { ttlSeconds: 3_600 });
 * const text = await store.get("user-1"); // null if it is missing or has expired
 * ```
 */
export class KVStore {
  /** The name of the database. */
  readonly db: string;
  readonly #options: KVStoreOptions;
  #backend: Promise<KvBackend> | undefined;

  /**
   * @param db the name of the database: letters, digits, `.`, `_` and `-`, not beginning with a dot
   * @throws TypeError for another name, or an unknown store
   */
  constructor(db: string, options: KVStoreOptions = {}) {
    if (typeof db !== "string" || !/^[A-Za-z0-9_-][\w.-]{0,127}$/.test(db)) {
      throw new TypeError(
        `The name of a KVStore must be 1 to 128 letters, digits, ".", "_" or "-", got ${JSON.stringify(db)}.`,
      );
    }
    const { store } = options;
    if (store !== undefined && !STORES.includes(store)) {
      throw new TypeError(
        `The store of a KVStore must be "platform", "fal" or "local", got ${JSON.stringify(store)}.`,
      );
    }
    this.db = db;
    this.#options = options;
  }

  /** The value of a key; null if there is none, or it has expired. @throws FalServerlessError with code KV_FAILED */
  async get(key: string): Promise<string | null> {
    assertKey(key);
    return (await (await this.#open()).get(key)) ?? null;
  }

  /**
   * Sets the value of a key.
   * @param options.ttlSeconds time after which it expires, 60 to 2,592,000 (30 days). Default: never
   * @throws FalServerlessError with code KV_FAILED
   */
  async set(
    key: string,
    value: string,
    { ttlSeconds }: { readonly ttlSeconds?: number } = {},
  ): Promise<void> {
    assertKey(key);
    if (typeof value !== "string" || hasLoneSurrogate(value)) {
      throw new TypeError("The value of a KVStore must be a valid text; write other values as JSON.");
    }
    const isTime =
      ttlSeconds === undefined ||
      (Number.isInteger(ttlSeconds) && ttlSeconds >= MIN_TTL_SECONDS && ttlSeconds <= MAX_TTL_SECONDS);
    if (!isTime) {
      throw new TypeError(
        `ttlSeconds must be a whole number from ${MIN_TTL_SECONDS} to ${MAX_TTL_SECONDS}, got ${ttlSeconds}.`,
      );
    }
    await (await this.#open()).set(key, value, ttlSeconds);
  }

  /** Deletes a key, if it is there. @throws FalServerlessError with code KV_FAILED */
  async delete(key: string): Promise<void> {
    assertKey(key);
    await (await this.#open()).delete(key);
  }

  #open(): Promise<KvBackend> {
    return (this.#backend ??= this.#create());
  }

  async #create(): Promise<KvBackend> {
    const { store = await defaultStore(process.env), folder } = this.#options;
    if (store === "platform") return (await import("./kv-http.ts")).platformKv(this.db, process.env);
    if (store === "fal") return (await import("./kv-http.ts")).falKv(this.db, process.env);
    const { LocalKv, localKvFolder } = await import("./kv-local.ts");
    return new LocalKv(folder === undefined ? localKvFolder(this.db) : resolve(folder, this.db));
  }
}

async function defaultStore(environment: NodeJS.ProcessEnv): Promise<(typeof STORES)[number]> {
  const { platformAccount } = await import("./platform-account.ts");
  if (platformAccount(environment) !== undefined) return "platform";
  const { isOnFal } = await import("./fal-account.ts");
  return isOnFal(environment) ? "fal" : "local";
}

function assertKey(key: unknown): void {
  const isKey = typeof key === "string" && key !== "" && !hasLoneSurrogate(key);
  // Addresses can't have segments "." and "..", also if they are encoded.
  if (isKey && Buffer.byteLength(key) <= MAX_KEY_BYTES && key !== "." && key !== "..") return;
  throw new TypeError(
    `The key of a KVStore must be a text of 1 to ${MAX_KEY_BYTES} bytes, and not "." or "..".`,
  );
}

/** Whether a text has a half of a character, which UTF-8 can't represent. */
function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text);
}
