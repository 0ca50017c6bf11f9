import { resolve } from "node:path";
import { DownloadError, FetchError } from "../file-errors.ts";
import { dataFolder } from "./download-folders.ts";
import { assertSha256, obtainFile } from "./obtained-file.ts";
import type { DownloadFileOptions, DownloadOptions } from "./options.ts";
import { sourceKey, StoredFile } from "./stored-file.ts";
import type { FileSource } from "./transfer.ts";

/** See `downloads.ts`. */
export async function downloadFile(
  url: string,
  folder: string,
  options: DownloadFileOptions,
): Promise<string> {
  assertSha256(options.sha256);
  assertName(options.fileName);
  const base = dataFolder() ?? process.cwd();
  const place = new StoredFile(resolve(base, folder), sourceKey(`${url} ${options.fileName ?? ""}`));
  const shown = shownSource(url);
  return obtainFile(place, options.fileName ?? titleOf(shown), options, async () =>
    plainSource(url, options, options.fileName),
  );
}

/** A file that is requested by its URL. */
export function plainSource(url: string, options: DownloadOptions, fileName: string | undefined): FileSource {
  return {
    url,
    shown: shownSource(url),
    headers: options.headers ?? {},
    fileName,
    lastName: sourceKey(url),
    expected: { sha256: options.sha256?.toLowerCase() },
  };
}

/** A URL for people and records: without a query, which may hold a signature. @throws DownloadError if it is invalid */
export function shownSource(url: string): string {
  if (!URL.canParse(url)) {
    const cause = new FetchError("url", "The URL is not valid.");
    throw new DownloadError("fetch", `${url.slice(0, 200)} can't be downloaded: it is not a URL.`, { cause });
  }
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`.slice(0, 500);
}

/** The last part of a source, for the display of progress. */
export function titleOf(shown: string): string {
  return shown.split("/").findLast((part) => part !== "") ?? shown;
}

function assertName(name: string | undefined): void {
  if (name === undefined) return;
  if (name === "" || /[/\\\0]/.test(name) || name === "." || name === ".." || name.startsWith(".servable-")) {
    throw new TypeError(`fileName must be the name of a file without folders, not ${JSON.stringify(name)}.`);
  }
}
