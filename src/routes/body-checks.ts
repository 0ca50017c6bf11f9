import { DefinitionError } from "../errors.ts";
import { isInMemory, isStreamed, type BodyKind } from "./body-kind.ts";
import type { InputLimits } from "./input-limits.ts";

/** The limits of the memory that a body takes. Bodies of bytes have their own, and streams and files take none. */
export function memoryLimits(
  body: BodyKind | undefined,
  limits: InputLimits | undefined,
): InputLimits | undefined {
  if (!isInMemory(body)) return limits && { ...limits, maxBytes: undefined };
  if (body?.kind !== "bytes" || body.rule.maxBytes === undefined) return limits;
  const maxBytes = limits?.maxBytes ?? Math.max(1, body.rule.maxBytes);
  return { maxDepth: undefined, maxValues: undefined, ...limits, maxBytes };
}

/** Rejects options that a body can't be combined with. */
export function assertBodyFits(
  where: string,
  body: BodyKind | undefined,
  { batch, workers }: { batch?: unknown; workers?: unknown },
): void {
  if (!isStreamed(body) || (batch === undefined && workers === undefined)) return;
  const which = batch === undefined ? "workers" : "batch";
  const why = which === "workers" ? "can't be sent to a worker" : "belongs to one caller";
  throw new DefinitionError(
    "ROUTE_OPTION_INVALID",
    `${where}: a body that is read as a stream ${why}; drop \`${which}\` or \`stream: true\`.`,
  );
}
