import type { CompiledSchema } from "../validation/validator.ts";
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
  readonly #uploads: Uploads;
  readonly #storesFiles: boolean;

  constructor(definition: ServerDefinition, options: ResolvedServerOptions, memory: MemoryBudget) {
    this.#definition = definition;
    this.#options = options;
    this.#memory = memory;
    const bodies = [...definition.routes.keys()].map(({ body }) => body).filter(isStored);
    this.#storesFiles = bodies.length > 0;
    const largest = options.isUploadBudgetGiven
      ? 0
      : Math.max(0, ...bodies.map((body) => this.#limitOf(body)));
    this.#uploads = new Uploads({
      maxBytes: Math.max(options.maxUploadBytes, largest),
      folder: options.uploadFolder,
      clock: options.clock,
      log: options.logger,
    });
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
        fields: new FieldReader(schema, values),
        names: Object.keys((signature.input as { properties?: object } | undefined)?.properties ?? {}),
        limitBytes: this.#limitOf(body),
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
    return body.kind === "form" ? createFormReader(parts) : createBytesReader(parts);
  }

  #limitOf(body: MultipartBody & { readonly limitBytes: number | undefined }): number {
    return body.limitBytes ?? multipartLimit(body, this.#options.bodyLimitBytes);
  }
}

function isStored(body: BodyKind | undefined): body is Extract<BodyKind, MultipartBody> {
  return body?.kind === "multipart" && storesFiles(body);
}
