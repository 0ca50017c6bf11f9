import type { BodyKind, MultipartBody, UploadField } from "../routes/body-kind.ts";
import { NOTES_BESIDE } from "../routes/field-notes.ts";
import type { SchemaNode } from "../routes/schema-walk.ts";
import { onlyType } from "../routes/content-types.ts";

/** The schema of bytes that are a whole body. */
const BINARY = { type: "string", format: "binary" } as const;

/** The content of a body that is not JSON, by content type. @param schema a reference to the body's component */
export function describeBody(body: BodyKind, schema: SchemaNode): Record<string, { schema: SchemaNode }> {
  if (body.kind === "form") return { "application/x-www-form-urlencoded": { schema } };
  if (body.kind === "multipart") return { "multipart/form-data": { schema } };
  const types = body.rule.contentTypes ?? ["*/*"];
  return Object.fromEntries(types.map((type) => [type, { schema: BINARY }]));
}

/**
 * The schema of a multipart body, in which a part that is a file or the URL of one is bytes: the component of the file
 * describes JSON.
 */
export function describeParts({ uploads }: Pick<MultipartBody, "uploads">, schema: SchemaNode): SchemaNode {
  const properties = { ...(schema["properties"] as SchemaNode) };
  for (const [name, upload] of uploads) {
    if (upload.media !== undefined) properties[name] = describePart(upload, properties[name] as SchemaNode);
  }
  return { ...schema, properties };
}

const URL_NOTE = "The file, or its http, https or data URL as text.";

function describePart(upload: UploadField, schema: SchemaNode): SchemaNode {
  const { isList, maxFiles } = upload;
  if (isList) {
    const items = describePart({ ...upload, isList: false }, schema["items"] as SchemaNode);
    return { ...schema, items, maxItems: maxFiles };
  }
  const { description, ...notes } = { ...(schema[NOTES_BESIDE] as { description?: string }) };
  return {
    ...BINARY,
    contentMediaType: onlyType(acceptedTypes(upload)) ?? "application/octet-stream",
    ...notes,
    description: description === undefined ? URL_NOTE : `${description}\n\n${URL_NOTE}`,
    ...("default" in schema ? { default: schema["default"] } : {}),
  };
}

function acceptedTypes({ contentTypes, media }: UploadField): readonly string[] | undefined {
  return media === undefined ? contentTypes : media.contentTypes;
}

/** The content types of the parts of a multipart body, which go next to its schema; undefined if none is restricted. */
export function describeEncoding({
  uploads,
}: Pick<MultipartBody, "uploads">): Record<string, { contentType: string }> | undefined {
  const restricted = [...uploads].flatMap(([name, upload]) => {
    const contentTypes = acceptedTypes(upload);
    return contentTypes === undefined ? [] : [[name, { contentType: contentTypes.join(", ") }] as const];
  });
  return restricted.length === 0 ? undefined : Object.fromEntries(restricted);
}
