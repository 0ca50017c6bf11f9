import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { collectFiles, type CollectedFile } from "../../src/build-context/collected-files.ts";

/** A folder with files, removed when disposed. */
export class ContextFolder {
  readonly path: string = realpathSync(mkdtempSync(join(tmpdir(), "servable-context-")));

  constructor(files: Readonly<Record<string, string | Uint8Array>> = {}) {
    for (const [name, content] of Object.entries(files)) this.write(name, content);
  }

  /** Writes a file and its parent folders, and returns its path. */
  write(name: string, content: string | Uint8Array): string {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content, { mode: 0o644 });
    return path;
  }

  /** All its files, with any name. */
  async collect(): Promise<CollectedFile[]> {
    return collectFiles({ context: this.path, ignore: [] });
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5 });
  }
}
