import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { AppException, UsageError } from "../errors.ts";

/** How long fetched keys are used, in ms. */
const FRESH_MS = 3_600_000;
/** The shortest time between two fetches of a set, in ms: forged signatures must not cause one each. */
const PAUSE_MS = 60_000;
const FETCH_MS = 5_000;
const MAX_BYTES = 256 * 1024;
/** Sets that are kept: an app has one or two. */
const MAX_SETS = 100;

const sets = new Map<string, KeySet>();

/** The public keys at an address. All callers of a process share them. @throws UsageError for an address that is not safe */
export function keySetAt(url: string | URL): KeySet {
  const address = checkedAddress(url);
  const known = sets.get(address);
  if (known !== undefined) return known;
  const [oldest] = sets.keys();
  if (sets.size >= MAX_SETS && oldest !== undefined) sets.delete(oldest);
  const set = new KeySet(address);
  sets.set(address, set);
  return set;
}

/** The Ed25519 keys of a JSON Web Key Set (RFC 7517, RFC 8037), fetched when they are needed. */
class KeySet {
  readonly #address: string;
  #keys: readonly KeyObject[] = [];
  #fetchedAt = -Infinity;
  #fetching: Promise<void> | undefined;

  constructor(address: string) {
    this.#address = address;
  }

  /** Whether one of the keys fits; if none does, the keys may be new ones. @throws AppException if they can't be fetched */
  async anyFits(fits: (key: KeyObject) => boolean): Promise<boolean> {
    if (this.#age() > FRESH_MS) await this.#fetch();
    if (this.#keys.some(fits)) return true;
    if (this.#age() < PAUSE_MS) return false;
    await this.#fetch();
    return this.#keys.some(fits);
  }

  #age(): number {
    return Math.abs(Date.now() - this.#fetchedAt);
  }

  #fetch(): Promise<void> {
    this.#fetching ??= fetchKeys(this.#address)
      .then((keys) => {
        this.#keys = keys;
        this.#fetchedAt = Date.now();
      })
      .finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }
}

async function fetchKeys(address: string): Promise<readonly KeyObject[]> {
  try {
    const answer = await fetch(address, { redirect: "error", signal: AbortSignal.timeout(FETCH_MS) });
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    const { keys } = JSON.parse(await textOf(answer)) as { keys?: unknown };
    if (!Array.isArray(keys)) throw new Error("it is not a key set");
    return (keys as unknown[]).flatMap(publicKeyOf);
  } catch (cause) {
    throw new AppException(
      "The keys that webhooks are checked with can't be fetched; try again later.",
      503,
      { cause },
      "AUTHENTICATION_UNAVAILABLE",
    );
  }
}

async function textOf(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    bytes += (chunk as Uint8Array).length;
    if (bytes > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`);
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString();
}

/** The key of an entry; none for those of other kinds. fal's own keys have padding, which base64url has not. */
function publicKeyOf(entry: unknown): KeyObject[] {
  const { kty, crv, x } = (entry ?? {}) as Partial<Record<string, unknown>>;
  if (kty !== "OKP" || crv !== "Ed25519" || typeof x !== "string") return [];
  const key: JsonWebKey = { kty, crv, x: x.replace(/=+$/, "") };
  try {
    return [createPublicKey({ key, format: "jwk" })];
  } catch {
    return []; // not 32 bytes
  }
}

function checkedAddress(url: string | URL): string {
  const address = URL.canParse(String(url)) ? new URL(String(url)) : undefined;
  const isLocal =
    address !== undefined && /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(address.hostname);
  if (address?.protocol === "https:" || (address?.protocol === "http:" && isLocal)) return address.href;
  throw new UsageError(
    `jwksUrl must be an https: address, got ${JSON.stringify(String(url))}: anyone on the way could replace the keys.`,
  );
}
