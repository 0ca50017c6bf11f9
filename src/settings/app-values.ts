import {
  isRecord,
  misfit,
  Misfit,
  oneOf,
  readList,
  text,
  textMatching,
  texts,
  wholeNumber,
  type Check,
} from "./check.ts";

/** The image of a container: a `ContainerImage`. */
export interface AppImage {
  /** The name of an existing image; undefined for an image made of a Dockerfile. */
  readonly reference: string | undefined;
  /** The image in the form of the protocol. */
  toDict(): Readonly<Record<string, unknown>>;
}

export const AUTH_MODES = ["private", "public", "shared"] as const;

/**
 * The allowed callers of a deployed app: only its owner ("private"), anyone ("public"), or anyone with a key, whose account
 * pays ("shared").
 */
export type AppAuth = (typeof AUTH_MODES)[number];

export const STRATEGIES = ["rolling", "recreate"] as const;

/** Whether the old runners end when the new ones are ready, or before. */
export type DeployStrategy = (typeof STRATEGIES)[number];

export const RETRY_CONDITIONS = ["timeout", "server_error", "connection_error"] as const;

/** A reason for a platform to send a request to another runner. */
export type RetryCondition = (typeof RETRY_CONDITIONS)[number];

/** How often a request is retried, by condition. */
export type RetryConfig = Readonly<Partial<Record<RetryCondition, { readonly retries: number }>>>;

export const appName = textMatching(
  /^(?!.*--)[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?$/i,
  'letters, digits and single "-", such as "text-to-image"',
);

export const machineType: Check<string | readonly string[]> = (value) => {
  if (Array.isArray(value) && value.length === 0) return misfit("at least one kind of machine", value);
  if (Array.isArray(value)) return texts("GPU-A100")(value);
  const checked = text("GPU-A100")(value);
  return checked instanceof Misfit ? misfit(`${checked.expected}, or a list of such`, value) : checked;
};

const conditions = RETRY_CONDITIONS.map((name) => `"${name}"`).join(", ");

export const retryConfig: Check<RetryConfig> = (value) => {
  const isRetries = (item: unknown): boolean =>
    isRecord(item) && typeof retries(item["retries"]) === "number";
  const known: readonly string[] = RETRY_CONDITIONS;
  const fits =
    isRecord(value) &&
    Object.keys(value).length > 0 &&
    Object.entries(value).every(([condition, item]) => known.includes(condition) && isRetries(item));
  return fits ? (value as RetryConfig) : misfit(`an object from ${conditions} to { retries: number }`, value);
};
const retries = wholeNumber(0);

export const skipRetryConditions: Check<readonly RetryCondition[]> = (value) =>
  readList(value, `a list of ${conditions}`, oneOf(...RETRY_CONDITIONS));

/** Recognised by its shape and cast, because another copy of this package may have made it. */
export const appImage: Check<AppImage> = (value) =>
  isRecord(value) && typeof value["toDict"] === "function"
    ? (value as unknown as AppImage)
    : misfit("a ContainerImage", value);
