import type { MediaRuntime } from "../routes/media-runtime.ts";
import { FileServer } from "./file-server.ts";
import { beginInWorker } from "./worker-files.ts";

/** The code of files, which the rule of a schema leads to. */
export const RUNTIME: MediaRuntime = {
  open: (options) => new FileServer(options),
  beginInWorker,
};
