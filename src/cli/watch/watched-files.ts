import type { Stats } from "node:fs";
import { basename, extname, sep } from "node:path";
import { watch, type FSWatcher } from "chokidar";

/** Changes within this time cause one restart, in ms: editors and formatters write in steps. */
const DEBOUNCE_MS = 100;

const EXTENSIONS: ReadonlySet<string> = new Set([
  ...[".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx", ".json"],
]);
const IGNORED_FOLDERS: ReadonlySet<string> = new Set(["node_modules", "dist", ".git"]);

/** Watches the files whose change restarts an app: those in its folders, and imported files elsewhere. */
export class WatchedFiles {
  readonly #watcher: FSWatcher;
  readonly #imported = new Set<string>();
  readonly #onChange: (paths: readonly string[]) => void;
  #pending = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(folders: readonly string[], onChange: (paths: readonly string[]) => void) {
    this.#onChange = onChange;
    this.#watcher = watch([...new Set(folders)], {
      ignoreInitial: true,
      ignored: (path, stats) => !folders.includes(path) && this.#isIgnored(path, folders, stats),
    });
    for (const event of ["add", "change", "unlink"] as const) {
      this.#watcher.on(event, (path) => this.#note(path));
    }
  }

  /** Resolves once the folders are being watched. */
  ready(): Promise<void> {
    return new Promise((resolve) => this.#watcher.once("ready", resolve));
  }

  /** Watches a further file, in any folder. */
  add(path: string): void {
    if (this.#imported.has(path)) return;
    this.#imported.add(path);
    this.#watcher.add(path);
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#watcher.close();
  }

  #isIgnored(path: string, folders: readonly string[], stats: Stats | undefined): boolean {
    if (this.#imported.has(path)) return false;
    // One of the folders may lie below another.
    const below = folders
      .filter((folder) => path.startsWith(folder))
      .map((folder) => path.slice(folder.length));
    if (below.length > 0 && below.every((rest) => rest.split(sep).some((part) => IGNORED_FOLDERS.has(part))))
      return true;
    if (stats?.isFile() !== true) return false;
    const name = basename(path);
    return !EXTENSIONS.has(extname(name)) && !/^\.env(?:\.|$)/.test(name);
  }

  #note(path: string): void {
    this.#pending.add(path);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const paths = [...this.#pending];
      this.#pending = new Set();
      this.#onChange(paths);
    }, DEBOUNCE_MS);
  }
}
