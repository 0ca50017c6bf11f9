import { join } from "node:path";
import { downloadCache, filesFolder } from "./download-folders.ts";
import { plainSource, shownSource, titleOf } from "./file-download.ts";
import { hubOf, locateHubFile, parseHubUrl, type Hub, type HubFile } from "./hub.ts";
import { assertSha256, obtainFile } from "./obtained-file.ts";
import type { ModelWeightsOptions } from "./options.ts";
import { sourceKey, StoredFile } from "./stored-file.ts";
import type { FileSource } from "./transfer.ts";

/** See `downloads.ts`. */
export async function downloadModelWeights(url: string, options: ModelWeightsOptions): Promise<string> {
  assertSha256(options.sha256);
  if (url.startsWith("hf://")) return downloadFromHub(url, options);
  const shown = shownSource(url);
  return obtainFile(placeOf(url), titleOf(shown), options, async () => plainSource(url, options, undefined));
}

async function downloadFromHub(url: string, options: ModelWeightsOptions): Promise<string> {
  const file = parseHubUrl(url);
  const hub = hubOf(options);
  const place = placeOf(hub.isOwn ? `${url} ${hub.url}` : url);
  const { allowedHosts = [] } = options;
  const hosts = hub.isOwn ? [...allowedHosts, new URL(hub.url).host] : allowedHosts;
  return obtainFile(place, titleOf(file.path), { ...options, allowedHosts: hosts }, () =>
    hubSource(url, file, hub, options),
  );
}

async function hubSource(
  url: string,
  file: HubFile,
  hub: Hub,
  options: ModelWeightsOptions,
): Promise<FileSource> {
  const located = await locateHubFile(file, hub, options.signal);
  return {
    url: located.url,
    shown: url,
    headers: { ...hub.headers, ...options.headers },
    fileName: titleOf(file.path),
    lastName: sourceKey(url),
    expected: { ...located.expected, sha256: options.sha256?.toLowerCase() ?? located.expected.sha256 },
  };
}

function placeOf(source: string): StoredFile {
  const key = sourceKey(source);
  return new StoredFile(join(filesFolder(downloadCache()), key), key);
}
