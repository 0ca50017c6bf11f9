import type { RouteSignature } from "../routes/signature.ts";

/** The settings of a class that decide how its endpoints answer under load. */
export interface LoadSettings {
  /** Default timeout of endpoints, in ms. */
  readonly defaultTimeoutMs: number | undefined;
  /** Default status of overload errors; undefined: 429. */
  readonly overloadStatus: 429 | 503 | undefined;
  /** Maximum number of concurrent calls over all endpoints; undefined: unlimited. */
  readonly maxMultiplexing: number | undefined;
  /** Set if endpoints run in workers. */
  readonly workers: object | undefined;
}

const content = {
  "application/json": {
    schema: {
      type: "object",
      properties: { detail: { type: "string", title: "Detail" } },
      required: ["detail"],
    },
  },
};
const RETRY_AFTER = { "Retry-After": { schema: { type: "integer" }, description: "In seconds" } };

/**
 * Describes the answers of a route that has a queue, to requests for which the queue is full or too slow, and of a
 * route that has a time limit, to requests that exceed it.
 */
export function describeOverload(route: RouteSignature, settings: LoadSettings): Record<string, unknown> {
  const { defaultTimeoutMs, overloadStatus = 429, maxMultiplexing, workers } = settings;
  const { dispatch, healthCheck, timeoutMs = defaultTimeoutMs } = route;
  const isQueued =
    dispatch !== undefined ||
    (healthCheck === undefined && (maxMultiplexing !== undefined || workers !== undefined));
  const answers: Record<string, unknown> = {};
  if (isQueued) {
    const status = dispatch?.overloadStatus ?? overloadStatus;
    const description = status === 429 ? "Too Many Requests" : "Service Unavailable";
    answers[status] = { description, headers: RETRY_AFTER, content };
  }
  if (isQueued || timeoutMs !== undefined) answers[504] = { description: "Timeout", content };
  return answers;
}
