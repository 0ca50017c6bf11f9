import { GatewayError } from "../gateway/gateway-error.ts";
import { listWebhooks, sendWebhookAgain } from "../state/webhooks.ts";
import type { Database } from "../store/database.ts";
import type { WebhookSender } from "../webhooks/webhook-sender.ts";
import type { WebhookSigner } from "../webhooks/webhook-signer.ts";
import type { RestRoute } from "./rest.ts";

/** The parts that the routes need. */
export interface WebhookRouteParts {
  readonly database: Database;
  readonly signer: WebhookSigner;
  readonly sender: WebhookSender;
}

/** How long receivers may keep the keys, in seconds. */
const KEYS_SECONDS = 3_600;

/** The keys that webhooks are checked with, the webhooks of a request, and sending one again. */
export function webhookRoutes({ database, signer, sender }: WebhookRouteParts): readonly RestRoute[] {
  return [
    {
      method: "GET",
      path: "/.well-known/jwks.json",
      permission: undefined,
      handle: async ({ response }) => {
        response.setHeader("cache-control", `public, max-age=${KEYS_SECONDS}`);
        return signer.keySet();
      },
    },
    {
      method: "GET",
      path: "/platform/requests/:id/webhooks",
      permission: "serverless:apps:read",
      handle: async ({ params }) => listWebhooks(database, params["id"] ?? ""),
    },
    {
      method: "POST",
      path: "/platform/webhooks/:id/retry",
      permission: "serverless:apps:write",
      handle: async ({ params }) => {
        const id = params["id"] ?? "";
        const isId = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id);
        if (!isId || !(await sendWebhookAgain(database, id, new Date()))) {
          throw new GatewayError("not_found", `There is no webhook ${id.slice(0, 100)}.`);
        }
        sender.wake();
        return { id, state: "waiting" };
      },
    },
  ];
}
