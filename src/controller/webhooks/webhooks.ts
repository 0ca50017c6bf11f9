import type { Logger } from "pino";
import { createResolver, resolveBySystem } from "../../network/host-names.ts";
import { createPublicCheck } from "../../network/public-address.ts";
import type { SecretBox } from "../state/secrets.ts";
import type { Database } from "../store/database.ts";
import { WebhookSender } from "./webhook-sender.ts";
import { WebhookSigner } from "./webhook-signer.ts";

/** The parts that webhooks need. */
export interface WebhookParts {
  readonly database: Database;
  readonly secrets: SecretBox;
  /** The owner of the platform, as receivers see it. */
  readonly owner: string;
  readonly log: Logger;
}

/**
 * Begins to send the webhooks that are stored.
 * @param options.allowPrivate whether they may reach this machine and its network
 */
export async function openWebhooks(
  { database, secrets, owner, log }: WebhookParts,
  { allowPrivate }: { readonly allowPrivate: boolean },
): Promise<{ readonly signer: WebhookSigner; readonly sender: WebhookSender }> {
  const signer = await WebhookSigner.open(database, secrets, owner);
  const network = allowPrivate
    ? { resolve: resolveBySystem, isAllowed: () => true }
    : { resolve: createResolver(), isAllowed: createPublicCheck() };
  return { signer, sender: new WebhookSender({ database, signer, network, log, now: () => new Date() }) };
}
