import type { FastifyInstance, FastifyRequest } from "fastify";
import type { IncomingMessage } from "node:http";
import { BodyError, ERRORS, OverloadException } from "../../errors.ts";
import { BYTES_PER_VALUE, unscannedBytes, type ValueLimits } from "../../json/scan.ts";
import type { InputLimits } from "../../routes/input-limits.ts";
import { isEncoded } from "./body-cause.ts";
import { readBody, UnreadableBody, type Admit } from "./json-body.ts";
import { collectBody, type BodyBounds, type BodyFault } from "./body-collection.ts";
import type { ResolvedServerOptions, ServerDefinition } from "../definition.ts";
import { MemoryBudget } from "./memory-budget.ts";
import type { RouteSignature } from "../../routes/signature.ts";

/** The limits of a route's bodies. */
export interface BodyLimits {
  readonly limitBytes: number;
  readonly values: ValueLimits;
  /** Status of a refusal for lack of memory. */
  readonly overloadStatus: number;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** Undefined where the server's own limits apply. */
    bodyLimits?: BodyLimits;
  }
}

/** Resolves the limits of a route. */
export function resolveBodyLimits(
  options: ResolvedServerOptions,
  limits: InputLimits | undefined,
  overloadStatus: number | undefined,
): BodyLimits {
  return {
    limitBytes: limits?.maxBytes ?? options.bodyLimitBytes,
    values: {
      maxDepth: limits?.maxDepth ?? options.values.maxDepth,
      maxValues: limits?.maxValues ?? options.values.maxValues,
    },
    overloadStatus: overloadStatus ?? ERRORS.OVERLOADED.status,
  };
}

/**
 * Creates the memory budget: as large as the options say, or large enough for the largest input that a route allows.
 */
export function createBudget(
  options: ResolvedServerOptions,
  routes: Iterable<Pick<RouteSignature, "limits">>,
): MemoryBudget {
  let bytes = options.maxBytesInFlight;
  if (!options.isBudgetGiven) {
    for (const { limits } of routes) bytes = Math.max(bytes, bytesOf(limits?.maxBytes, limits?.maxValues));
  }
  return new MemoryBudget(bytes, options.clock);
}

/** The memory that the largest input within these limits takes, in bytes. */
function bytesOf(maxBytes = 0, maxValues = 0): number {
  return maxBytes + maxValues * BYTES_PER_VALUE;
}

/** Memory of bodies that are mostly structure, so that their length is too low an estimate. In bytes. */
const weights = new WeakMap<IncomingMessage, number>();

/** Values of bodies up to this number are not weighed. */
const FEW_VALUES = 256;

/** Estimated memory of a request's parsed body, in bytes. */
export function bodyWeight(request: IncomingMessage, bytes: number): number {
  return bytes < FEW_VALUES ? bytes : (weights.get(request) ?? bytes);
}

/** Makes a server pass bodies to handlers as parsed JSON, or as bytes if they are of another content type. */
export function addBodyParser(
  server: FastifyInstance,
  definition: ServerDefinition,
  options: ResolvedServerOptions,
  budget: MemoryBudget,
): void {
  const usual = resolveBodyLimits(options, undefined, definition.overloadStatus);
  const { clock } = options;
  const usualBounds: BodyBounds = { limitBytes: usual.limitBytes, budget, clock };
  // Looking up a route's own limits in Fastify costs time, so bodies below all limits skip it.
  let unlimited = Math.min(usual.limitBytes, unscannedBytes(usual.values));
  for (const { limits } of definition.routes.keys()) {
    const { limitBytes, values } = resolveBodyLimits(options, limits, undefined);
    unlimited = Math.min(unlimited, limitBytes, unscannedBytes(values));
  }
  const limitsOf = (request: FastifyRequest): BodyLimits => request.routeOptions.config.bodyLimits ?? usual;
  const admitter = (payload: IncomingMessage, length: number, bodyLimits: BodyLimits): Admit => {
    return (values) => {
      if (values <= FEW_VALUES) return;
      const weight = bytesOf(length, values);
      if (weight > budget.maxBytes) throw new BodyError("BODY_TOO_COMPLEX");
      if (!budget.hasRoom(weight)) throw errorOf("OVERLOADED", bodyLimits);
      weights.set(payload, weight);
    };
  };

  server.removeAllContentTypeParsers();
  // Two entries for one parser: Fastify finds an exact type faster than the wildcard.
  server.addContentTypeParser(["application/json", "*"], (request, payload, done) => {
    if (request.is404) {
      payload.resume(); // discarded
      return done(null);
    }
    const declared = lengthOf(payload);
    const bodyLimits = declared <= unlimited ? usual : limitsOf(request);
    const bounds = bodyLimits === usual ? usualBounds : { limitBytes: bodyLimits.limitBytes, budget, clock };
    collectBody(payload, declared, bounds, (fault, bytes) => {
      if (fault !== undefined) return done(errorOf(fault, limitsOf(request)));
      if (!budget.hasRoom(bytes.length)) return done(errorOf("OVERLOADED", limitsOf(request)));
      const type = request.headers["content-type"];
      const admit =
        bytes.length <= unlimited ? undefined : admitter(payload, bytes.length, limitsOf(request));
      const body = readBody(type, bytes, bodyLimits.values, admit);
      // Compressed JSON is passed as bytes, like a body of any other type.
      done(null, body instanceof UnreadableBody && body.isInvalidJson && isEncoded(payload) ? bytes : body);
    });
  });
}

function lengthOf({ headers }: IncomingMessage): number {
  const text = headers["content-length"];
  return text === undefined ? NaN : Number(text);
}

function errorOf(fault: BodyFault, { overloadStatus }: BodyLimits): Error {
  if (fault !== "OVERLOADED") return new BodyError(fault);
  return new OverloadException(
    "Too much is being sent at a time; try again later.",
    overloadStatus,
    1_000,
    "OVERLOADED",
  );
}
