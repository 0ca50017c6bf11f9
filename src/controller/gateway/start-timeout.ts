import type { IncomingMessage } from "node:http";
import { GatewayError } from "./gateway-error.ts";

/** The shortest start timeout that a caller may ask for, in seconds. */
const MIN_START_TIMEOUT = 0.1;

/** The start timeout that a caller asks for, in seconds; undefined for none. @throws GatewayError for an invalid one */
export function startTimeoutOf({ headers }: IncomingMessage): number | undefined {
  const header = headers["x-fal-request-timeout"];
  if (header === undefined) return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds) && seconds > MIN_START_TIMEOUT && seconds < 1e6) return seconds;
  throw new GatewayError(
    "bad_request",
    `x-fal-request-timeout has to be a number of seconds above ${MIN_START_TIMEOUT}, not "${String(header).slice(0, 50)}".`,
  );
}
