import type { Revision } from "../state/revisions.ts";

/** The description of a websocket in the OpenAPI document of an app. */
interface Protocol {
  readonly realtimeMode?: unknown;
  readonly config?: { readonly maxBatchSize?: unknown };
}

/**
 * Whether each message at a path of a revision has one answer, by its OpenAPI document. Such a session has no state between an
 * answer and the next message, so it can be moved to another runner. Batches are excluded: one may have one answer.
 */
export function isUnaryRoute({ definition }: Revision, path: string): boolean {
  const { openapi } = (definition.metadata ?? {}) as { readonly openapi?: { readonly paths?: unknown } };
  const paths = openapi?.paths;
  if (typeof paths !== "object" || paths === null) return false;
  return Object.entries(paths).some(([template, item]) => {
    const { realtimeMode, config } = ((item as Readonly<Record<string, unknown>> | null)?.[
      "x-fal-protocol"
    ] ?? {}) as Protocol;
    return realtimeMode === "unary" && (config?.maxBatchSize ?? 1) === 1 && matches(template, path);
  });
}

/** Whether a path is one of a template such as `/rooms/{id}`. */
function matches(template: string, path: string): boolean {
  const wanted = template.split("/");
  const given = path.replace(/(?<=.)\/$/, "").split("/");
  return (
    wanted.length === given.length &&
    wanted.every((segment, index) => segment === given[index] || /^\{.*\}$/.test(segment))
  );
}
