import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { signedBytes, WEBHOOK_HEADERS } from "../../webhooks/webhook-signature.ts";
import type { SecretBox } from "../state/secrets.ts";
import { readSetting, writeSetting } from "../state/settings.ts";
import type { Database } from "../store/database.ts";

const SETTING = "webhook_key";

/** Signs webhooks with the platform's own key, which is made once and is the same for all of its gateways. */
export class WebhookSigner {
  readonly #key: KeyObject;
  readonly #userId: string;

  private constructor(key: KeyObject, userId: string) {
    this.#key = key;
    this.#userId = userId;
  }

  /** @param userId the owner of the platform, as receivers see it */
  static async open(database: Database, secrets: SecretBox, userId: string): Promise<WebhookSigner> {
    const sealed = await database.transaction(async (queries) => {
      // Two platforms that start at once on one database must not make two keys.
      await queries.query("lock table settings in share row exclusive mode");
      const known = await readSetting<string>(queries, SETTING);
      if (known !== undefined) return known;
      const { privateKey } = generateKeyPairSync("ed25519");
      const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
      const made = secrets.seal(pem, SETTING).toString("base64");
      await writeSetting(queries, SETTING, made);
      return made;
    });
    return new WebhookSigner(createPrivateKey(secrets.open(Buffer.from(sealed, "base64"), SETTING)), userId);
  }

  /** The public key as a JSON Web Key Set (RFC 8037). */
  keySet(): { readonly keys: readonly object[] } {
    return { keys: [{ ...createPublicKey(this.#key).export({ format: "jwk" }), use: "sig", alg: "EdDSA" }] };
  }

  /** The headers that prove that this platform sends this body now. */
  headers(requestId: string, body: Uint8Array, now: Date): Readonly<Record<string, string>> {
    const timestamp = String(Math.floor(now.getTime() / 1_000));
    const facts = { requestId, userId: this.#userId, timestamp };
    return {
      [WEBHOOK_HEADERS.requestId]: requestId,
      [WEBHOOK_HEADERS.userId]: this.#userId,
      [WEBHOOK_HEADERS.timestamp]: timestamp,
      [WEBHOOK_HEADERS.signature]: sign(null, signedBytes(facts, body), this.#key).toString("hex"),
    };
  }
}
