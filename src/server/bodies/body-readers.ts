import type { CompiledSchema, Validator } from "../validation/validator.ts";
import type { BodyKind, MultipartBody } from "../../routes/body-kind.ts";
import type { RouteSignature } from "../../routes/signature.ts";
import type { ResolvedServerOptions, ServerDefinition } from "../definition.ts";
import { resolveBodyLimits } from "./body-limits.ts";
import type { BodyReader } from "./body-reader.ts";
import { FieldReader } from "./field-values.ts";
import { createBytesReader, createFormReader } from "./memory-bodies.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import { createStreamReader } from "./stream-body.ts";
import { multipartLimit, storesFiles } from "./uploads/multipart-plan.ts";
import { createMultipartReader } from "./uploads/multipart-reading.ts";
import { Uploads } from "./uploads/uploads.ts";

/** Creates the readers of bodies that are not JSON. */
export class BodyReaders {
  readonly #definition: ServerDefinition;
  readonly #options: ResolvedServerOptions;
  readonly #memory: MemoryBudget;
  readonly #validator: Validator;
  readonly #uploads: Uploads;
  readonly #storesFiles: boolean;

  /** @param uploads default: those of this class alone */
  constructor(
    definition: ServerDefinition,
    options: ResolvedServerOptions,
    memory: MemoryBudget,
    validator: Validator,
    uploads = createUploads(options, definition.routes.keys()),
  ) {
    this.#validator = validator;
    this.#definition = definition;
    this.#options = options;
    this.#memory = memory;
    this.#storesFiles = storedBodies(definition.routes.keys()).length > 0;
    this.#uploads = uploads;
  }

  /** Removes files that killed processes left behind. */
  begin(): void {
    if (this.#storesFiles) this.#uploads.folder.removeLeftovers();
  }

  /** Removes all files. */
  async end(): Promise<void> {
    await this.#uploads.folder.remove();
  }

  /** Creates the reader of a route. */
  create(signature: RouteSignature, body: BodyKind, schema: CompiledSchema): BodyReader {
    const status = signature.dispatch?.overloadStatus ?? this.#definition.overloadStatus;
    const limits = resolveBodyLimits(this.#options, signature.limits, status);
    const { overloadStatus, values } = limits;
    const { watch } = this.#uploads;
    if (body.kind === "multipart") {
      return createMultipartReader({
        body,
        fields: new FieldReader(schema, values, this.#validator),
        names: Object.keys((signature.input as { properties?: object } | undefined)?.properties ?? {}),
        limitBytes: limitOf(body, this.#options),
        overloadStatus,
        uploads: this.#uploads,
        memory: this.#memory,
      });
    }
    if (body.kind === "bytes" && body.rule.isStream === true) {
      const limitBytes = body.limitBytes ?? body.rule.maxBytes ?? this.#options.bodyLimitBytes;
      return createStreamReader({
        body,
        watch,
        limitBytes: Math.min(limitBytes, body.rule.maxBytes ?? Infinity),
      });
    }
    const maxBytes = body.kind === "bytes" ? (body.rule.maxBytes ?? Infinity) : Infinity;
    const bounds = {
      limitBytes: Math.min(limits.limitBytes, maxBytes),
      budget: this.#memory,
      clock: this.#options.clock,
    };
    const parts = { body, schema, bounds, values, overloadStatus, watch };
    if (body.kind !== "form") return createBytesReader(parts);
    return createFormReader(parts, new FieldReader(schema, values, this.#validator));
  }
}

/** Creates the parts that all uploads share: with the disk space of the options, or enough for the largest body of a route. */
export function createUploads(options: ResolvedServerOptions, routes: Iterable<RouteSignature>): Uploads {
  const largest = options.isUploadBudgetGiven
    ? 0
    : Math.max(0, ...storedBodies(routes).map((body) => limitOf(body, options)));
  return new Uploads({
    maxBytes: Math.max(options.maxUploadBytes, largest),
    folder: options.uploadFolder,
    clock: options.clock,
    log: options.logger,
  });
}

type StoredBody = Extract<BodyKind, MultipartBody>;

function storedBodies(routes: Iterable<RouteSignature>): StoredBody[] {
  return [...routes]
    .map(({ body }) => body)
    .filter((body): body is StoredBody => body?.kind === "multipart" && storesFiles(body));
}

function limitOf(
  body: MultipartBody & { readonly limitBytes: number | undefined },
  { bodyLimitBytes }: ResolvedServerOptions,
): number {
  return body.limitBytes ?? multipartLimit(body, bodyLimitBytes);
}
