import { FalServerlessError } from "../errors.ts";
import { falAccount, type FalAccount } from "./fal-account.ts";
import type { KvBackend } from "./kv-backend.ts";
import { callStore, type StoreAnswer, type StoreCall } from "./store-client.ts";

const TIMEOUT_MS = 10_000;
/** A token is used while it is valid for this time, in milliseconds. */
const TOKEN_MARGIN_MS = 3_600_000;

interface Token {
  readonly authorization: string;
  readonly expiresAt: number;
}

/** Keeps values in fal's store, whose address `FAL_KV_HOST` replaces. */
export class FalKv implements KvBackend {
  readonly #db: string;
  readonly #account: FalAccount;
  readonly #host: string;
  #token: Promise<Token> | undefined;

  /** @throws FalServerlessError if the environment has no key */
  constructor(db: string, environment: NodeJS.ProcessEnv) {
    const account = falAccount(environment);
    if (account === undefined) throw failure("it needs a key of fal; set the variable FAL_KEY");
    this.#db = db;
    this.#account = account;
    this.#host = (environment["FAL_KV_HOST"] ?? "https://kv.fal.media").replace(/\/+$/, "");
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
    const { authorization } = await this.#currentToken();
    const headers = { authorization, ...(body === undefined ? {} : { "content-type": "text/plain" }) };
    const answer = await send({ method, url: `${this.#host}/${path}`, headers, body });
    if (answer.status === 404 || isSuccess(answer)) return answer;
    throw failure(`Error sending request. Status ${answer.status}: ${reasonOf(answer)}`);
  }

  async #currentToken(): Promise<Token> {
    const known = await this.#token?.catch(() => undefined);
    if (known !== undefined && known.expiresAt - Date.now() > TOKEN_MARGIN_MS) return known;
    return await (this.#token = this.#newToken());
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
    return await callStore({ ...call, signal: new AbortController().signal, timeoutMs: TIMEOUT_MS });
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
