import { DefinitionError } from "../errors.ts";
import { BYTES, type BytesRule } from "./bytes.ts";
import { MEDIA, mediaRuleOf, type MediaRule } from "./media-rule.ts";
import { isSchemaNode, type SchemaNode } from "./schema-walk.ts";
import { UPLOAD, type UploadRule } from "./upload.ts";

/** The hidden property of a schema that says how a body is read, if it is not JSON. Shared by copies of this package. */
export const BODY: unique symbol = Symbol.for("servable.body");

/** The mark of `multipart()`. */
export interface MultipartRule {
  readonly kind: "multipart";
  readonly maxParts: number;
  readonly maxFieldBytes: number;
}

/** The mark of `form()`. */
export interface FormRule {
  readonly kind: "form";
}

/** A file that a multipart body may have. */
export interface UploadField extends UploadRule {
  readonly isList: boolean;
  readonly isRequired: boolean;
  /** Of a list. */
  readonly maxFiles: number;
  /** Set if the part may also be a text, the URL of the file. */
  readonly media?: MediaRule;
}

/** Time limits of a body that is not JSON. */
export interface BodyTimes {
  /** Maximum time for the whole body to arrive, in ms. */
  readonly timeoutMs: number;
  /** Maximum time without a byte, in ms. */
  readonly idleTimeoutMs: number;
}

/** A body of bytes. */
export interface BytesBody {
  readonly kind: "bytes";
  readonly rule: BytesRule;
}

/** A multipart body. */
export interface MultipartBody extends MultipartRule {
  readonly uploads: ReadonlyMap<string, UploadField>;
}

/** How a body that is not JSON is read. */
export type BodyKind = (BytesBody | FormRule | MultipartBody) & {
  readonly times: BodyTimes;
  /** Maximum size of the body, in bytes; undefined: as the server and the schema say. */
  readonly limitBytes: number | undefined;
};

/** Options of an endpoint for bodies that are not JSON. */
export interface BodyTimeOptions {
  /**
   * Maximum time for a body of `multipart()`, `form()` or `bytes()` to arrive, in ms; after it, the caller gets 408.
   * Default 300,000, which is also the server's limit for every request.
   */
  bodyTimeoutMs?: number;
  /** Maximum time without a byte of such a body, in ms; after it, the caller gets 408. Default 30,000. */
  bodyIdleTimeoutMs?: number;
}

export const BODY_TIME_NAMES = ["bodyTimeoutMs", "bodyIdleTimeoutMs"] as const;
const DEFAULT_TIMES: BodyTimes = { timeoutMs: 300_000, idleTimeoutMs: 30_000 };
/** The longest delay of a Node timer, about 24.8 days. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * How the body of an endpoint is read; undefined for JSON and for no body.
 * @param where the decorator and the method, for messages
 * @throws DefinitionError for options that have no effect on this body
 */
export function resolveBodyKind(
  where: string,
  input: object | undefined,
  options: BodyTimeOptions & { bodyLimitBytes?: number; maxDepth?: number; maxValues?: number },
): BodyKind | undefined {
  const kind = input === undefined ? undefined : kindOf(input);
  const refuse = (message: string): never => {
    throw new DefinitionError("ROUTE_OPTION_INVALID", `${where}: ${message}`);
  };
  for (const name of BODY_TIME_NAMES) {
    const value = options[name];
    if (value === undefined) continue;
    if (kind === undefined) refuse(`${name} applies to bodies of multipart(), form() and bytes(); drop it.`);
    if (!(typeof value === "number" && value >= 1 && value <= MAX_TIMEOUT_MS))
      refuse(`${name} must be between 1 and ${MAX_TIMEOUT_MS}, got ${String(value)}.`);
  }
  if (kind === undefined) return undefined;
  if (kind.kind === "bytes") {
    const name = (["maxDepth", "maxValues"] as const).find((each) => options[each] !== undefined);
    if (name !== undefined) refuse(`${name} has no effect on a body of bytes(); drop it.`);
  }
  return {
    ...kind,
    limitBytes: options.bodyLimitBytes,
    times: {
      timeoutMs: options.bodyTimeoutMs ?? DEFAULT_TIMES.timeoutMs,
      idleTimeoutMs: options.bodyIdleTimeoutMs ?? DEFAULT_TIMES.idleTimeoutMs,
    },
  };
}

/** Whether the handler gets a stream, and is called before the body has arrived. */
export function isStreamed(body: BodyKind | undefined): boolean {
  if (body?.kind === "bytes") return body.rule.isStream === true;
  return body?.kind === "multipart" && [...body.uploads.values()].some(({ isStream }) => isStream === true);
}

/** Whether the body is held in memory as a whole. */
export function isInMemory(body: BodyKind | undefined): boolean {
  return body === undefined || (body.kind !== "multipart" && !isStreamed(body));
}

function kindOf(input: object): BytesBody | FormRule | MultipartBody | undefined {
  const rule = (input as { [BODY]?: MultipartRule | FormRule })[BODY];
  if (rule?.kind === "multipart") return { ...rule, uploads: uploadsOf(input as SchemaNode) };
  if (rule !== undefined) return rule;
  return BYTES in input ? { kind: "bytes", rule: input[BYTES] as BytesRule } : undefined;
}

/** Maximum number of files of a part, unless its list has its own. As for `upload()`. */
const MAX_MEDIA = 20;

function uploadsOf({ properties, required }: SchemaNode): Map<string, UploadField> {
  const uploads = new Map<string, UploadField>();
  const names: readonly unknown[] = Array.isArray(required) ? required : [];
  for (const [name, schema] of Object.entries(isSchemaNode(properties) ? properties : {})) {
    if (!isSchemaNode(schema)) continue;
    const isList = schema["type"] === "array" && isSchemaNode(schema["items"]) && UPLOAD in schema["items"];
    const file = isList ? (schema["items"] as SchemaNode) : schema;
    const isRequired = names.includes(name);
    const maxItems = (schema["maxItems"] as number | undefined) ?? Infinity;
    const hasMedia = schema["type"] === "array" && isSchemaNode(schema["items"]) && MEDIA in schema["items"];
    const media = mediaRuleOf(hasMedia ? (schema["items"] as SchemaNode) : schema);
    if (media !== undefined) {
      const { maxBytes } = media;
      const maxFiles = hasMedia ? Math.min(maxItems, MAX_MEDIA) : 1;
      uploads.set(name, { maxBytes, isList: hasMedia, isRequired, maxFiles, media });
      continue;
    }
    if (!(UPLOAD in file)) continue;
    const maxFiles = isList ? maxItems : 1;
    uploads.set(name, { ...(file[UPLOAD] as UploadRule), isList, isRequired, maxFiles });
  }
  const streams = [...uploads].filter(([, { isStream }]) => isStream === true);
  if (streams.length > 1) {
    const which = streams.map(([name]) => name).join(" and ");
    throw new DefinitionError(
      "SCHEMA_INVALID",
      `multipart(): ${which} are streams, but only the last part of a body can be; keep one.`,
    );
  }
  return uploads;
}
