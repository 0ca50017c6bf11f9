import { tmpdir } from "node:os";
import type { MediaRuntime } from "../routes/media-runtime.ts";
import { TemporaryFolder } from "../temporary-folder.ts";
import { CallFiles } from "./call-files.ts";
import { packFiles, unpackFiles } from "./packed-files.ts";

let folder: TemporaryFolder | undefined;

/** The files of a call in a worker. The main process fetches those of callers, and stores those of answers. */
export const beginInWorker: MediaRuntime["beginInWorker"] = () => {
  folder ??= new TemporaryFolder(tmpdir(), { info: () => {}, warn: () => {} });
  const files = new CallFiles(folder);
  return {
    pack: (value) => packFiles(value, files, true),
    unpack: (value) => unpackFiles(value, files),
    end: () => files.remove(),
  };
};
