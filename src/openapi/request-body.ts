import type { BodyKind, MultipartBody } from "../routes/body-kind.ts";
import type { SchemaNode } from "../routes/schema-walk.ts";

/** The schema of bytes that are a whole body. */
const BINARY = { type: "string", format: "binary" } as const;

/** The content of a body that is not JSON, by content type. @param schema a reference to the body's component */
export function describeBody(body: BodyKind, schema: SchemaNode): Record<string, { schema: SchemaNode }> {
  if (body.kind === "form") return { "application/x-www-form-urlencoded": { schema } };
  if (body.kind === "multipart") return { "multipart/form-data": { schema } };
  const types = body.rule.contentTypes ?? ["*/*"];
  return Object.fromEntries(types.map((type) => [type, { schema: BINARY }]));
}

/** The content types of the parts of a multipart body, which go next to its schema; undefined if none is restricted. */
export function describeEncoding({
  uploads,
}: Pick<MultipartBody, "uploads">): Record<string, { contentType: string }> | undefined {
  const restricted = [...uploads].flatMap(([name, { contentTypes }]) =>
    contentTypes === undefined ? [] : [[name, { contentType: contentTypes.join(", ") }] as const],
  );
  return restricted.length === 0 ? undefined : Object.fromEntries(restricted);
}
