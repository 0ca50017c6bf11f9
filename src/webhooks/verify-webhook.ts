import { verify, type KeyObject } from "node:crypto";
import { UnauthorizedException, UsageError } from "../errors.ts";
import { keySetAt } from "./key-set.ts";
import { signedBytes, WEBHOOK_HEADERS, type WebhookFacts } from "./webhook-signature.ts";

/** A request as a server got it: that of `fetch`, or any object with its headers and its body as it was sent. */
export interface WebhookRequest {
  readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The bytes or the text of the body. A parsed body can't be verified: the signature is that of the bytes. */
  readonly body: Uint8Array | string;
}

/** Options of {@link verifyWebhook}. */
export interface VerifyWebhookOptions {
  /**
   * The address of the platform's public keys. Default: that of fal, `https://rest.fal.ai/.well-known/jwks.json`. A
   * platform of your own has them at `/.well-known/jwks.json`.
   */
  readonly jwksUrl?: string | URL | undefined;
  /** How old or early a delivery may be, in seconds. Default 300. */
  readonly toleranceSeconds?: number | undefined;
}

/** A delivery that its platform has signed. */
export interface WebhookDelivery<Payload = unknown> {
  /** The id of the request, as `submit()` returned it. A delivery may arrive more than once with the same id. */
  readonly requestId: string;
  /** The id of the attempt whose answer this is. */
  readonly gatewayRequestId: string;
  /** `ERROR` if the app answered with a status other than 2xx. */
  readonly status: "OK" | "ERROR";
  /** The app's answer, or the body of its error. Null if it was not JSON. */
  readonly payload: Payload | null;
  /** Why the request failed, such as `Invalid status code: 422`. */
  readonly error: string | undefined;
  /** Why there is no payload. */
  readonly payloadError: string | undefined;
  /** The owner of the platform's account. */
  readonly userId: string;
}

const FAL_KEYS = "https://rest.fal.ai/.well-known/jwks.json";
const TOLERANCE_SECONDS = 300;
const SIGNATURE_HEX = 128;

/**
 * Checks that a webhook comes from the platform, and returns what it says. Anybody can send a request to a public address:
 * use nothing of it before this function has resolved.
 *
 * ```ts
 * @endpoint("/done", { input: bytes() })
 * async done(body: Uint8Array, ctx: RequestContext) {
 *   const { requestId, payload } = await verifyWebhook({ headers: ctx.headers, body });
 * }
 * ```
 *
 * The keys are fetched once, and kept for an hour. A signature of a new key fetches them again, at most once a minute.
 * @throws UnauthorizedException (401) for a delivery that is not signed by the platform, or is too old
 * @throws AppException (503) if the platform's keys can't be fetched: it sends the webhook again later
 * @throws UsageError for a body that was parsed already, or an invalid option
 */
export async function verifyWebhook<Payload = unknown>(
  request: Request | WebhookRequest,
  options: VerifyWebhookOptions = {},
): Promise<WebhookDelivery<Payload>> {
  const { jwksUrl = FAL_KEYS, toleranceSeconds = TOLERANCE_SECONDS } = options;
  if (!Number.isFinite(toleranceSeconds) || toleranceSeconds < 0) {
    throw new UsageError(`toleranceSeconds must be a number of seconds, got ${String(toleranceSeconds)}.`);
  }
  const keys = keySetAt(jwksUrl);
  const body = await bytesOf(request);
  const facts: WebhookFacts = {
    requestId: headerOf(request, WEBHOOK_HEADERS.requestId),
    userId: headerOf(request, WEBHOOK_HEADERS.userId),
    timestamp: headerOf(request, WEBHOOK_HEADERS.timestamp),
  };
  const signature = headerOf(request, WEBHOOK_HEADERS.signature);
  if (!/^\d{1,12}$/.test(facts.timestamp)) {
    throw refused(`${WEBHOOK_HEADERS.timestamp} is not a time in seconds`);
  }
  const ageSeconds = Date.now() / 1_000 - Number(facts.timestamp);
  if (Math.abs(ageSeconds) > toleranceSeconds) {
    throw refused(
      `it was sent ${Math.round(Math.abs(ageSeconds))} s ${ageSeconds > 0 ? "ago" : "in the future"}; ${toleranceSeconds} s are accepted`,
    );
  }
  if (signature.length !== SIGNATURE_HEX || !/^[0-9a-f]*$/i.test(signature)) {
    throw refused(`${WEBHOOK_HEADERS.signature} is not an Ed25519 signature in hex`);
  }
  const signed = signedBytes(facts, body);
  const isSignedBy = (key: KeyObject): boolean => verify(null, signed, key, Buffer.from(signature, "hex"));
  if (!(await keys.anyFits(isSignedBy))) throw refused("no key of the platform has made its signature");
  return deliveryOf<Payload>(facts, body);
}

async function bytesOf(request: Request | WebhookRequest): Promise<Uint8Array> {
  if (typeof Request !== "undefined" && request instanceof Request) {
    if (request.bodyUsed) throw parsedAlready();
    return new Uint8Array(await request.arrayBuffer());
  }
  const { body } = request;
  if (typeof body === "string") return Buffer.from(body);
  if (body instanceof Uint8Array) return body;
  throw parsedAlready();
}

function parsedAlready(): UsageError {
  return new UsageError(
    "verifyWebhook() needs the body as it was sent: as bytes or as text, not parsed. In an endpoint, take it with input: bytes().",
  );
}

function headerOf({ headers }: Request | WebhookRequest, name: string): string {
  const value =
    headers instanceof Headers
      ? headers.get(name)
      : Object.entries(headers).find(([each]) => each.toLowerCase() === name)?.[1];
  if (typeof value !== "string" || value === "") throw refused(`it has no header ${name}`);
  return value;
}

function refused(why: string): UnauthorizedException {
  return new UnauthorizedException(`The webhook is refused: ${why}.`);
}

function deliveryOf<Payload>(
  { requestId, userId }: WebhookFacts,
  body: Uint8Array,
): WebhookDelivery<Payload> {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)) as Record<string, unknown>;
  } catch {
    throw refused("its body is not JSON");
  }
  const { status, payload = null, gateway_request_id: attempt, error, payload_error: payloadError } = fields;
  if (fields["request_id"] !== requestId || (status !== "OK" && status !== "ERROR")) {
    throw refused("its body is not that of a finished request");
  }
  return {
    requestId,
    gatewayRequestId: typeof attempt === "string" ? attempt : requestId,
    status,
    payload: payload as Payload | null, // its schema is the app's
    error: typeof error === "string" ? error : undefined,
    payloadError: typeof payloadError === "string" ? payloadError : undefined,
    userId,
  };
}
