import type { TOptional, TUnsafe } from "typebox";
import { DefinitionError } from "../errors.ts";
import { omitUndefined } from "../settings/defined-fields.ts";
import { assertByteLimits, type BytesLimits } from "./bytes.ts";
import { onlyType, resolveContentTypes } from "./content-types.ts";
import type { UploadedFile, UploadStream } from "./uploaded-file.ts";

/** The keyword that marks the schema of a file in a multipart body. */
export const UPLOAD = "x-servable-upload";

/** Maximum number of files of a list, unless {@link UploadOptions.maxFiles} says otherwise. */
const DEFAULT_MAX_FILES = 20;

/** The options of {@link upload}: limits, and text for the docs. */
export interface UploadOptions extends BytesLimits {
  /** Accepted content types: `"image/png"`, `"image/*"`, or a list. They are what the client says. Default: any. */
  contentTypes?: string | readonly string[];
  /** Whether the file may be missing. Default false. */
  optional?: boolean;
  /** Whether the field may occur several times: the handler gets a list of files. Default false. */
  list?: boolean;
  /** Maximum number of files of a list. Default 20. */
  maxFiles?: number;
  /**
   * Passes an {@link UploadStream} to the handler, which is called before the file has arrived. The file must be the
   * last part of the body. Default false: the file is stored first.
   */
  stream?: boolean;
  title?: string;
  description?: string;
}

/** The value of the keyword {@link UPLOAD}. */
export interface UploadRule {
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly contentTypes?: readonly string[];
  readonly isStream?: true;
}

type FileOf<Options> = Options extends { stream: true } ? UploadStream : UploadedFile;
type ValueOf<Options> = Options extends { list: true } ? FileOf<Options>[] : FileOf<Options>;

/** The schema of {@link upload}. */
export type UploadSchema<Options> = Options extends { optional: true }
  ? TOptional<TUnsafe<ValueOf<Options>>>
  : TUnsafe<ValueOf<Options>>;

/**
 * The schema of a file in a {@link multipart} body. The handler gets an {@link UploadedFile}.
 *
 * @example
 * ```ts
 * const Input = multipart({ image: upload({ maxBytes: 5_000_000, contentTypes: "image/*" }) });
 * ```
 * @throws DefinitionError for invalid options.
 */
export function upload<const Options extends UploadOptions = Record<never, never>>(
  options?: Options,
): UploadSchema<Options> {
  const { minBytes, maxBytes, contentTypes, optional, list, maxFiles, stream, ...notes }: UploadOptions =
    options ?? {};
  const refuse = (message: string): never => {
    throw new DefinitionError("SCHEMA_INVALID", `upload(): ${message}`);
  };
  assertByteLimits("upload()", minBytes, maxBytes);
  for (const [name, value] of Object.entries({ optional, list, stream })) {
    if (value !== undefined && typeof value !== "boolean")
      refuse(`${name} must be a boolean, got ${String(value)}.`);
  }
  if (maxFiles !== undefined && list !== true) refuse("maxFiles needs list: true.");
  if (maxFiles !== undefined && !(Number.isSafeInteger(maxFiles) && maxFiles > 0))
    refuse(`maxFiles must be a whole number of at least 1, got ${String(maxFiles)}.`);
  if (list === true && stream === true) refuse("a list can't be a stream; drop `list` or `stream`.");
  const types = resolveContentTypes("upload(): contentTypes", contentTypes);
  const rule: UploadRule = omitUndefined({
    minBytes,
    maxBytes,
    contentTypes: types,
    isStream: stream === true ? (true as const) : undefined,
  });
  const file = {
    type: "string",
    format: "binary",
    contentMediaType: onlyType(types) ?? "application/octet-stream",
    [UPLOAD]: rule,
  };
  const schema =
    list === true
      ? {
          ...notes,
          type: "array",
          items: file,
          maxItems: maxFiles ?? DEFAULT_MAX_FILES,
          ...(optional === true ? {} : { minItems: 1 }),
        }
      : { ...notes, ...file };
  if (optional === true) Object.defineProperty(schema, "~optional", { value: true }); // as Type.Optional() does
  return schema as unknown as UploadSchema<Options>; // the schema is plain JSON; its type is a promise of the reader
}
