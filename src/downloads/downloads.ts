import type { CloneOptions, DownloadFileOptions, ModelWeightsOptions } from "./options.ts";

/**
 * Downloads a file into a folder, and returns its path. If the file is there from an earlier download, nothing is
 * requested. A download that broke is continued, and only one process at a time downloads a file.
 * @param folder created if missing; a relative one is in `/data` on fal, elsewhere in the working directory
 * @throws DownloadError, or the reason of `options.signal`
 */
export async function downloadFile(
  url: string,
  folder: string,
  options: DownloadFileOptions = {},
): Promise<string> {
  const implementation = await import("./file-download.ts");
  return implementation.downloadFile(url, folder, options);
}

/**
 * Downloads a file of a model into the cache, and returns its path. If the file is there from an earlier download, nothing
 * is requested. A download that broke is continued, and only one process at a time downloads a file.
 * @param url a URL, or a file of a Hugging Face hub: `hf://org/model@revision/path`. Hub files need the package
 *   `@huggingface/hub`.
 * @throws DownloadError, or the reason of `options.signal`
 */
export async function downloadModelWeights(url: string, options: ModelWeightsOptions = {}): Promise<string> {
  const implementation = await import("./model-weights.ts");
  return implementation.downloadModelWeights(url, options);
}

/**
 * Clones a git repository with its submodules, and returns the path of its folder. If the same clone is there, nothing is
 * requested. Needs the program `git`.
 * @throws DownloadError, or the reason of `options.signal`
 */
export async function cloneRepository(url: string, options: CloneOptions = {}): Promise<string> {
  const implementation = await import("./repository-clone.ts");
  return implementation.cloneRepository(url, options);
}
