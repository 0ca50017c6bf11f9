import { FalServerlessError } from "../errors.ts";
import { falAccount, type FalAccount } from "./fal-account.ts";
import type { KvBackend } from "./kv-backend.ts";
import { platformAccount } from "./platform-account.ts";
import { callStore, type StoreAnswer, type StoreCall } from "./store-client.ts";

const TIMEOUT_MS = 10_000;
/** A token is used while it is valid for this time, in milliseconds. */
const TOKEN_MARGIN_MS = 3_600_000;

/** The longest answer that is read, in bytes: a value of 8 MiB of which each character is escaped. */
const MAX_ANSWER_BYTES = 64 * 2 ** 20;

interface Token {
  readonly authorization: string;
  readonly expiresAt: number;
}

/** A store of values with fal's protocol. */
interface KvService {
  /** The address, without a slash at the end. */
  readonly host: string;
  /** The value of the header `authorization`. */
  readonly authorization: () => Promise<string>;
}

/** Values in fal's store, whose address `FAL_KV_HOST` replaces. @throws FalServerlessError without a key */
export function falKv(db: string, environment: NodeJS.ProcessEnv): HttpKv {
  const account = falAccount(environment);
  if (account === undefined) throw failure("it needs a key of fal; set the variable FAL_KEY");
  const tokens = new FalTokens(account);
  const host = (environment["FAL_KV_HOST"] ?? "https://kv.fal.media").replace(/\/+$/, "");
  return new HttpKv(db, { host, authorization: () => tokens.current() });
}

/** Values in the store of the platform whose runner this process is. @throws FalServerlessError without a platform */
export function platformKv(db: string, environment: NodeJS.ProcessEnv): HttpKv {
  const account = platformAccount(environment);
  if (account === undefined) {
    throw failure('only a runner of a self-hosted platform has the store "platform"; use "local"');
  }
  return new HttpKv(db, {
    host: `${account.url}/_platform/kv`,
    authorization: async () => account.authorization,
  });
}

class HttpKv implements KvBackend {
  readonly #db: string;
  readonly #service: KvService;

  constructor(db: string, service: KvService) {
    this.#db = db;
    this.#service = service;
  }

  async get(key: string): Promise<string | undefined> {
    const answer = await this.#call("GET", `get/${this.#pathOf(key)}`);
    if (answer.status === 404) return undefined;
    const { value } = readJson(answer) as { value?: unknown };
    if (typeof value === "string") return value;
    throw failure("the answer of the store has no value");
  }

  async set(key: string, value: string, ttlSeconds: number | undefined): Promise<void> {
    const query = ttlSeconds === undefined ? "" : `?ttl=${ttlSeconds}`;
    assertFound(await this.#call("PUT", `set/${this.#pathOf(key)}${query}`, value));
  }

  async delete(key: string): Promise<void> {
    await this.#call("DELETE", `delete/${this.#pathOf(key)}`); // 404: it is not there
  }

  #pathOf(key: string): string {
    return `${this.#db}/${encodeURIComponent(key)}`;
  }

  /** @returns an answer with a status from 200 to 299, or 404 */
  async #call(method: StoreCall["method"], path: string, body?: string): Promise<StoreAnswer> {
    const { host } = this.#service;
    const authorization = await this.#service.authorization();
    const headers = { authorization, ...(body === undefined ? {} : { "content-type": "text/plain" }) };
    const answer = await send({ method, url: `${host}/${path}`, headers, body });
    if (answer.status === 404 || isSuccess(answer)) return answer;
    throw failure(`Error sending request. Status ${answer.status}: ${reasonOf(answer)}`);
  }
}

/** The tokens by which fal's store is called. */
class FalTokens {
  readonly #account: FalAccount;
  #token: Promise<Token> | undefined;

  constructor(account: FalAccount) {
    this.#account = account;
  }

  /** A token that is valid for an hour at least, as the value of the header `authorization`. */
  async current(): Promise<string> {
    const known = await this.#token?.catch(() => undefined);
    if (known !== undefined && known.expiresAt - Date.now() > TOKEN_MARGIN_MS) return known.authorization;
    return (await (this.#token = this.#newToken())).authorization;
  }

  async #newToken(): Promise<Token> {
    const { rest, authorization } = this.#account;
    const answer = await send({
      method: "POST",
      url: `${rest}/storage/auth/token?storage_type=fal-cdn-v3`,
      headers: { authorization, accept: "application/json", "content-type": "application/json" },
      body: "{}",
    });
    if (!isSuccess(answer)) throw failure(`fal gave no token. Status ${answer.status}: ${reasonOf(answer)}`);
    const { token, token_type, expires_at } = readJson(answer) as Record<string, unknown>;
    const expiresAt = Date.parse(String(expires_at));
    if (typeof token !== "string" || typeof token_type !== "string" || Number.isNaN(expiresAt)) {
      throw failure("fal's answer has no token");
    }
    return { authorization: `${token_type} ${token}`, expiresAt };
  }
}

async function send(call: Pick<StoreCall, "method" | "url" | "headers" | "body">): Promise<StoreAnswer> {
  try {
    // The time without data is limited; a whole call has no other limit.
    return await callStore({
      ...call,
      signal: new AbortController().signal,
      timeoutMs: TIMEOUT_MS,
      maxTextBytes: MAX_ANSWER_BYTES,
    });
  } catch (error) {
    throw failure((error as Error).message, error);
  }
}

function isSuccess({ status }: StoreAnswer): boolean {
  return status >= 200 && status < 300;
}

function assertFound(answer: StoreAnswer): void {
  if (answer.status === 404) throw failure(`Error sending request. Status 404: ${reasonOf(answer)}`);
}

function readJson({ text }: StoreAnswer): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw failure("the answer is not JSON", error);
  }
}

/** The reason in an answer, without what else a body may have. */
function reasonOf(answer: StoreAnswer): string {
  try {
    const { error } = JSON.parse(answer.text) as { error?: unknown };
    if (typeof error === "string") return error;
  } catch {
    // as below
  }
  return answer.text.slice(0, 200) || "no reason given";
}

function failure(why: string, cause?: unknown): FalServerlessError {
  return new FalServerlessError("KV_FAILED", `The KVStore failed: ${why}.`, { cause });
}
