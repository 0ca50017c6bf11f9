import { createHash } from "node:crypto";

/** The headers of a delivery: the request, the owner of the account, the time, and the signature. In lower case, as Node has them. */
export const WEBHOOK_HEADERS = {
  requestId: "x-fal-webhook-request-id",
  userId: "x-fal-webhook-user-id",
  timestamp: "x-fal-webhook-timestamp",
  signature: "x-fal-webhook-signature",
} as const;

/** The facts that a signature covers, beside the body. */
export interface WebhookFacts {
  readonly requestId: string;
  readonly userId: string;
  /** The time of sending, in whole seconds since 1970, as the header has it. */
  readonly timestamp: string;
}

/** The bytes that a platform signs with Ed25519: three facts and the SHA-256 of the body in hex, one on each line. */
export function signedBytes({ requestId, userId, timestamp }: WebhookFacts, body: Uint8Array): Buffer {
  const digest = createHash("sha256").update(body).digest("hex");
  return Buffer.from([requestId, userId, timestamp, digest].join("\n"));
}
