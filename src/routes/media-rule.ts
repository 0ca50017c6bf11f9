import type { ReceivedFile } from "./uploaded-file.ts";
import { eachSubschema, type SchemaNode } from "./schema-walk.ts";
import type { MediaRuntime } from "./media-runtime.ts";

/** The keyword that marks the schema of a file. Its value is a {@link MediaRule}. */
export const MEDIA = "x-servable-media";

/** Why a value does not describe a file. */
export interface MediaFault {
  readonly type: string;
  readonly msg: string;
  /** Where, below the value itself. */
  readonly loc: readonly string[];
  readonly input: unknown;
  readonly ctx?: Readonly<Record<string, unknown>>;
}

/**
 * The rule of a schema of files. Only modules of files create it, and all of their code that a server calls is reached
 * through it, so that an app without such a schema loads none of it.
 */
export interface MediaRule {
  readonly runtime: MediaRuntime;
  /** Maximum size, in bytes. */
  readonly maxBytes: number;
  /** Accepted content types; undefined: any. Content types that callers state are not checked. */
  readonly contentTypes: readonly string[] | undefined;
  fits(value: unknown): boolean;
  /** Why a value does not fit; empty for one that does. */
  faults(value: unknown): readonly MediaFault[];
  /** The value that a handler gets for an input that fits. */
  accept(value: unknown): unknown;
  /** The value that a handler gets for a file of a multipart body. */
  acceptUpload(file: ReceivedFile): unknown;
  /** The form in which callers get a result that fits. */
  present(value: unknown): unknown;
}

/** The rule of a schema that is itself one of files; undefined for any other schema. */
export function mediaRuleOf(schema: object | undefined): MediaRule | undefined {
  return (schema as { [MEDIA]?: MediaRule } | undefined)?.[MEDIA];
}

/** The first rule of files in a schema; undefined for a schema without any. */
export function findMediaRule(schema: object | undefined): MediaRule | undefined {
  if (schema === undefined) return undefined;
  let found = mediaRuleOf(schema);
  if (found === undefined) eachSubschema(schema as SchemaNode, (node) => (found ??= findMediaRule(node)));
  return found;
}
