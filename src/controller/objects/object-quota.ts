import { GatewayError } from "../gateway/gateway-error.ts";

/** The limits of what is stored, in bytes. */
export interface ObjectLimits {
  /** The largest object. */
  readonly maxObjectBytes: number;
  /** All objects. */
  readonly maxBytes: number;
  /** All objects of an environment; Infinity: no limit. */
  readonly maxEnvironmentBytes: number;
}

/** Counts stored and arriving bytes. Bytes beyond the limits are refused before they are written. */
export class ObjectQuota {
  readonly #limits: ObjectLimits;
  readonly #stored = new Map<string, number>();
  readonly #arriving = new Map<string, number>();

  constructor(limits: ObjectLimits) {
    this.#limits = limits;
  }

  /** Replaces the count of what is stored by what was found. */
  reset(stored: ReadonlyMap<string, number>): void {
    this.#stored.clear();
    for (const [environment, bytes] of stored) this.#stored.set(environment, bytes);
  }

  /** Takes room for bytes that arrive. @throws GatewayError if there is none */
  take(environment: string, bytes: number): void {
    const { maxBytes, maxEnvironmentBytes } = this.#limits;
    const used = [this.#stored, this.#arriving];
    const all = used.flatMap((map) => [...map.values()]).reduce((sum, each) => sum + each, bytes);
    if (all > maxBytes) throw full("Stored files use", maxBytes, "quotas.objects_mb");
    const own = used.reduce((sum, map) => sum + (map.get(environment) ?? 0), bytes);
    if (own > maxEnvironmentBytes) {
      throw full(
        `Stored files of the environment ${environment} use`,
        maxEnvironmentBytes,
        "quotas.objects_mb_per_environment",
      );
    }
    add(this.#arriving, environment, bytes);
  }

  /** Gives room back that was taken for bytes that are not kept. */
  giveBack(environment: string, bytes: number): void {
    add(this.#arriving, environment, -bytes);
  }

  /** The bytes that have arrived are stored. */
  settle(environment: string, bytes: number): void {
    add(this.#arriving, environment, -bytes);
    add(this.#stored, environment, bytes);
  }

  /** Bytes that were stored are removed. */
  free(environment: string, bytes: number): void {
    add(this.#stored, environment, -bytes);
  }

  /** @throws GatewayError if one object of this size is too large */
  assertSize(bytes: number): void {
    const { maxObjectBytes } = this.#limits;
    if (bytes <= maxObjectBytes) return;
    throw new GatewayError(
      "payload_too_large",
      `A file may have ${maxObjectBytes} bytes at most: limits.object_mb of platform.toml.`,
    );
  }
}

function add(map: Map<string, number>, environment: string, bytes: number): void {
  map.set(environment, Math.max(0, (map.get(environment) ?? 0) + bytes));
}

function full(what: string, bytes: number, setting: string): GatewayError {
  return new GatewayError(
    "insufficient_storage",
    `${what} all that ${setting} of platform.toml allows, ${bytes / 1e6} MB: raise it, delete files, or let them expire.`,
  );
}
