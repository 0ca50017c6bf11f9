import { rm } from "node:fs/promises";
import type { TemporaryFolder } from "../temporary-folder.ts";
import type { TemporaryFiles } from "./file-content.ts";

/** Temporary files that are removed together. */
export class CallFiles implements TemporaryFiles {
  readonly #folder: TemporaryFolder;
  #paths: string[] = [];

  constructor(folder: TemporaryFolder) {
    this.#folder = folder;
  }

  newFile(extension = ""): string {
    const path = this.#folder.newFile() + extension;
    this.#paths.push(path);
    return path;
  }

  /** Adds a file that another process has created. */
  add(path: string): void {
    this.#paths.push(path);
  }

  /** Leaves a file to another process. Returns false for any other file. */
  giveUp(path: string): boolean {
    const at = this.#paths.indexOf(path);
    if (at !== -1) this.#paths.splice(at, 1);
    return at !== -1;
  }

  /** Removes the files, and folders in their place. A handler may have moved one. */
  remove(): void {
    for (const path of this.#paths.splice(0)) rm(path, { recursive: true, force: true }).catch(() => {});
  }
}
