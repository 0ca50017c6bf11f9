import { FalServerlessError } from "../../errors.ts";
import { isOn } from "./endpoints.ts";
import { Secret } from "./secret.ts";

/** The two variables that hold the halves of a key, for messages. */
const PAIR = "FAL_KEY_ID and FAL_KEY_SECRET";

/** A key, in the forms that gRPC and REST calls send. Printing it shows only its id. */
export class Credentials {
  readonly keyId: string;
  /** Its source, to follow "the key from" in messages: "FAL_KEY", "the profile staging". */
  readonly origin: string;
  readonly secret: Secret;

  constructor(keyId: string, secret: Secret, origin: string) {
    this.keyId = keyId;
    this.secret = secret;
    this.origin = origin;
  }

  /** The metadata of every gRPC call. */
  metadata(): [name: string, value: string][] {
    return [
      ["auth-key", this.secret.reveal()],
      ["auth-key-id", this.keyId],
    ];
  }

  /** The `Authorization` header of REST calls, and of calls to apps. */
  authorization(): string {
    return `Key ${this.keyId}:${this.secret.reveal()}`;
  }
}

/** Options of {@link resolveCredentials}. */
export interface CredentialOptions {
  /** A key, `id:secret`. Takes precedence over all other sources. */
  key?: string | Secret | undefined;
  /** The active profile. */
  profile?: { readonly name: string; readonly key?: Secret | undefined } | undefined;
  /** Default: `process.env`. */
  environment?: NodeJS.ProcessEnv | undefined;
}

/**
 * Finds the key, in this order: the argument, `FAL_KEY`, the profile, `FAL_KEY_ID` with `FAL_KEY_SECRET`. Saved logins of fal's own
 * command line and `FAL_FORCE_AUTH_BY_USER` are not supported.
 *
 * @throws FalServerlessError `CREDENTIALS_MISSING` if there is none, `CREDENTIALS_INVALID` if the first one found is malformed.
 * Messages never contain the key.
 */
export function resolveCredentials(options: CredentialOptions = {}): Credentials {
  const environment = options.environment ?? process.env;
  const { FAL_KEY, FAL_KEY_ID, FAL_KEY_SECRET, FAL_FORCE_AUTH_BY_USER } = environment;
  const { key, profile } = options;
  if (key !== undefined) return parseKey(key, "the arguments");
  if (isSet(FAL_FORCE_AUTH_BY_USER) && !/^(0|false)$/i.test(FAL_FORCE_AUTH_BY_USER)) {
    throw new FalServerlessError(
      "CREDENTIALS_MISSING",
      "FAL_FORCE_AUTH_BY_USER asks for a saved login, but only keys can be used here: unset it and set FAL_KEY.",
    );
  }
  if (isOn(environment["ISOLATE_AUTH_DISABLED"])) {
    throw new FalServerlessError(
      "CREDENTIALS_MISSING",
      "ISOLATE_AUTH_DISABLED asks for calls without a key, which are not made here: unset it and set FAL_KEY; " +
        "a control plane without accounts takes any key, such as id:secret.",
    );
  }
  if (isSet(FAL_KEY)) return parseKey(FAL_KEY, "FAL_KEY");
  if (profile?.key !== undefined) return parseKey(profile.key, `the profile ${profile.name}`);
  if (isSet(FAL_KEY_ID) && isSet(FAL_KEY_SECRET)) return pairOf(FAL_KEY_ID, FAL_KEY_SECRET);
  if (isSet(FAL_KEY_ID) || isSet(FAL_KEY_SECRET)) {
    const [present, absent] = isSet(FAL_KEY_ID)
      ? ["FAL_KEY_ID", "FAL_KEY_SECRET"]
      : ["FAL_KEY_SECRET", "FAL_KEY_ID"];
    throw invalid(`${present} is set but ${absent} is not; set both, or FAL_KEY to id:secret.`);
  }
  throw new FalServerlessError(
    "CREDENTIALS_MISSING",
    `There is no key${profile === undefined ? "" : `, and the profile ${profile.name} has none`}: set FAL_KEY to id:secret, keep one with "servable auth login", or select a profile that has one ` +
      'with "servable profile set". (A saved login of another tool is not used.)',
  );
}

/**
 * Parses a key, `id:secret`, at the first colon.
 *
 * @param origin the source, to follow "the key from" in messages
 * @throws FalServerlessError `CREDENTIALS_INVALID`.
 */
export function parseKey(text: string | Secret, origin: string): Credentials {
  const trimmed = (typeof text === "string" ? text : text.reveal()).trim();
  const colon = trimmed.indexOf(":");
  const [id, secret] = [trimmed.slice(0, Math.max(colon, 0)), trimmed.slice(colon + 1)];
  if (id === "" || secret === "") throw invalid(`The key from ${origin} does not have the form id:secret.`);
  return checked(id, secret, origin);
}

/** The variables that set a key, as in {@link Credentials.origin}; undefined if none does. */
export function keyVariables(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const { FAL_KEY, FAL_KEY_ID, FAL_KEY_SECRET } = environment;
  if (isSet(FAL_KEY)) return "FAL_KEY";
  return isSet(FAL_KEY_ID) && isSet(FAL_KEY_SECRET) ? PAIR : undefined;
}

/** The message for a rejected key, of gRPC and REST calls. */
export function keyRefused(where: string, credentials: Credentials, details: string): string {
  const reason = details === "" ? "" : ` ${details}`;
  return (
    `${where} does not accept the ${keyName(credentials)}.${reason} ` +
    "It may have expired, been revoked, or belong to another host: create a new one."
  );
}

/** The message for a missing permission, of gRPC and REST calls. */
export function keyTooWeak(credentials: Credentials, what: string): string {
  return `The ${keyName(credentials)} may not do this (${what}); most of it takes the preset FULL, formerly the scope ADMIN.`;
}

function keyName({ keyId, origin }: Credentials): string {
  return `key from ${origin} (id ${keyId})`;
}

function pairOf(id: string, secret: string): Credentials {
  if (id.includes(":")) throw invalid("FAL_KEY_ID has a colon in it; a whole key goes into FAL_KEY.");
  return checked(id.trim(), secret.trim(), PAIR);
}

// Id and secret are sent in headers, where other characters are invalid.
function checked(id: string, secret: string, origin: string): Credentials {
  if (!/^[!-~]+$/.test(id) || !/^[!-~]+$/.test(secret)) {
    throw invalid(
      `The key from ${origin} has spaces or other characters that are invalid in a key; the form is id:secret.`,
    );
  }
  return new Credentials(id, new Secret(secret), origin);
}

function isSet(text: string | undefined): text is string {
  return text !== undefined && text.trim() !== "";
}

function invalid(message: string): FalServerlessError {
  return new FalServerlessError("CREDENTIALS_INVALID", message);
}
