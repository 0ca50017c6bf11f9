import { isRecord } from "../../settings/check.ts";
import { GatewayError } from "../gateway/gateway-error.ts";
import type { ObjectAcl } from "../state/objects.ts";

/** The wishes of a sender for the life of an object. */
export interface Lifecycle {
  readonly acl: ObjectAcl;
  /** Undefined: as long as the platform keeps objects. */
  readonly expirySeconds: number | undefined;
}

const ACLS: readonly ObjectAcl[] = ["allow", "hide", "forbid"];
/** A hundred years. */
const MAX_EXPIRY_SECONDS = 3_155_760_000;

/**
 * Reads the JSON of the headers `x-fal-object-lifecycle` and `-preference`. Wishes that the platform can't keep are refused.
 * @throws GatewayError
 */
export function parseLifecycle(header: string | undefined): Lifecycle {
  const fields = recordOf("the lifecycle", header === undefined ? {} : parsed(header));
  assertNames("the lifecycle", fields, ["expiration_duration_seconds", "initial_acl"]);
  const { expiration_duration_seconds: seconds, initial_acl: acl } = fields;
  if (seconds !== undefined && seconds !== null && !isDuration(seconds)) {
    throw refusal(
      `expiration_duration_seconds has to be a whole number of seconds from 1 to ${MAX_EXPIRY_SECONDS}`,
    );
  }
  return {
    acl: acl === undefined || acl === null ? "allow" : parseAcl(acl),
    expirySeconds: isDuration(seconds) ? seconds : undefined,
  };
}

function parseAcl(value: unknown): ObjectAcl {
  const fields = recordOf("initial_acl", value);
  assertNames("initial_acl", fields, ["default", "rules"]);
  const { default: given = "allow", rules = [] } = fields;
  if (!Array.isArray(rules) || rules.length > 0) {
    throw refusal(
      "initial_acl.rules has rules for single users, which this platform does not know: use initial_acl.default alone",
    );
  }
  const acl = ACLS.find((each) => each === given);
  if (acl !== undefined) return acl;
  throw refusal(`initial_acl.default has to be ${ACLS.map((each) => `"${each}"`).join(", ")}`);
}

function isDuration(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= MAX_EXPIRY_SECONDS;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw refusal("it is not JSON");
  }
}

function recordOf(what: string, value: unknown): Readonly<Record<string, unknown>> {
  if (isRecord(value)) return value;
  throw refusal(`${what} has to be a JSON object`);
}

function assertNames(
  what: string,
  fields: Readonly<Record<string, unknown>>,
  known: readonly string[],
): void {
  const unknown = Object.keys(fields).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw refusal(
    `${what} has the unknown field ${JSON.stringify(unknown.slice(0, 50))}; there are ${known.join(", ")}`,
  );
}

function refusal(why: string): GatewayError {
  return new GatewayError("bad_request", `The lifecycle of the file can't be used: ${why}.`);
}
