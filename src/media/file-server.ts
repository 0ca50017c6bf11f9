import {
  UPLOAD_POLICY,
  type MediaCall,
  type MediaRequest,
  type MediaServer,
  type MediaServerOptions,
  type ServedFile,
} from "../routes/media-runtime.ts";
import type { StorageSetting } from "../settings/storage.ts";
import type { FileStorage } from "../storage/file-storage.ts";
import { LocalStorage } from "../storage/local-storage.ts";
import { PolicyStorage, type UploadPolicy } from "../storage/policy-storage.ts";
import { chosenStorage, createStorage } from "../storage/storage-choice.ts";
import { TemporaryFolder } from "../temporary-folder.ts";
import { FileCall } from "./file-call.ts";

/** The files of a server: fetched into its temporary folder, and stored in its storage. */
export class FileServer implements MediaServer {
  readonly #storage: FileStorage;
  readonly #folder: TemporaryFolder;
  readonly #allowedHosts: readonly string[];

  /** @throws DefinitionError for an invalid storage */
  constructor({ storage, appName, log, after, temporaryFolder, fileHosts }: MediaServerOptions) {
    const chosen = chosenStorage(storage as StorageSetting | undefined); // checked with the other settings
    this.#storage = createStorage(chosen, { appName, log, after });
    this.#folder = new TemporaryFolder(temporaryFolder, log);
    this.#allowedHosts = fileHosts;
  }

  get servesFiles(): boolean {
    return this.#storage instanceof LocalStorage;
  }

  begin(request: MediaRequest): MediaCall {
    const policy = request.header(UPLOAD_POLICY);
    return new FileCall({
      request,
      storage: policy === undefined ? this.#storage : new PolicyStorage(JSON.parse(policy) as UploadPolicy),
      allowedHosts: this.#allowedHosts,
      folder: this.#folder,
    });
  }

  async find(id: string, fileName: string): Promise<ServedFile | undefined> {
    return this.#storage instanceof LocalStorage ? this.#storage.find(id, fileName) : undefined;
  }

  async start(): Promise<void> {
    this.#folder.removeLeftovers();
    if (this.#storage instanceof LocalStorage) await this.#storage.start();
  }

  async close(): Promise<void> {
    if (this.#storage instanceof LocalStorage) await this.#storage.close();
    await this.#folder.remove();
  }
}
