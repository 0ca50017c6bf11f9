import type { UploadField } from "../../../routes/body-kind.ts";

/** Maximum number of characters of a file's name. */
const MAX_FILENAME = 255;

/** The fields and files of a body. A list of files may be made of URLs and of uploads. */
export function merged(
  fields: object,
  files: Readonly<Record<string, unknown>>,
  uploads: ReadonlyMap<string, UploadField>,
): object {
  const input: Record<string, unknown> = { ...fields, ...files };
  for (const [name, { media, isList }] of uploads) {
    const urls = (fields as Readonly<Record<string, unknown>>)[name];
    if (media === undefined || !isList || urls === undefined || files[name] === undefined) continue;
    input[name] = [...(urls as unknown[]), ...(files[name] as unknown[])];
  }
  return input;
}

/** The last part of a file's name, without control characters. The parser has removed folders. */
export function cleanName(filename: string | undefined): string {
  const clean = (filename ?? "").replaceAll(/[\u0000-\u001f\u007f-\u009f/\\]/g, "");
  return clean === "." || clean === ".." ? "" : clean.slice(0, MAX_FILENAME);
}
