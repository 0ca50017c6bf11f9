import { readdirSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";

/** The stored files of uploads below a folder. */
export function storedFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.parentPath.includes("servable-uploads-"))
    .map(({ name }) => name);
}

/** Resolves once this number of files is stored; the test's own timeout is the limit. */
export async function untilStored(folder: string, count: number): Promise<void> {
  while (storedFiles(folder).length !== count) await turn();
}

/** A part of a multipart body, with its headers as they are sent. */
export interface RawPart {
  readonly headers: readonly string[];
  readonly content: string | Uint8Array;
}

/** The headers of a field or file. */
export function partHeaders(name: string, filename?: string, type?: string): string[] {
  const file = filename === undefined ? "" : `; filename="${filename}"`;
  return [
    `content-disposition: form-data; name="${name}"${file}`,
    ...(type === undefined ? [] : [`content-type: ${type}`]),
  ];
}

/** The bytes of a multipart body. */
export function multipartBody(parts: readonly RawPart[], boundary = "b"): Buffer {
  const pieces = parts.flatMap(({ headers, content }) => [
    Buffer.from(`--${boundary}\r\n${headers.map((line) => `${line}\r\n`).join("")}\r\n`),
    Buffer.from(content),
    Buffer.from("\r\n"),
  ]);
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]);
}

/** A multipart form with these fields and files. */
export function formOf(
  fields: Readonly<Record<string, string>>,
  files: Readonly<Record<string, Blob>> = {},
): FormData {
  const form = new FormData();
  for (const [name, text] of Object.entries(fields)) form.append(name, text);
  for (const [name, file] of Object.entries(files)) form.append(name, file, `${name}.bin`);
  return form;
}
