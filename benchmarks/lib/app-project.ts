import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

/** The files that a package `servable` loads. */
export interface PackageEntries {
  /** The module that `import "servable"` means. */
  readonly index: string;
  /** The program of the command line. */
  readonly cli: string;
  /** A module whose `register()` is called before the command line: it lets Node load TypeScript. */
  readonly register?: string | undefined;
}

/**
 * An npm project with these files, whose package `servable` loads files that are elsewhere: packages are installed as
 * always, but without a build, and without the network. Remove the folder when it is not needed.
 */
export function createAppProject(files: Readonly<Record<string, string>>, entries: PackageEntries): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "servable-app-")));
  const name = "servable-0.0.0.tgz";
  cpSync(archiveOf(entries), join(folder, name));
  const manifest = {
    ...{ name: "app", version: "1.0.0", private: true, type: "module" },
    dependencies: { servable: `file:${name}` },
  };
  write(folder, { "package.json": JSON.stringify(manifest), ...files });
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--offline", "--loglevel=error"], {
    cwd: folder,
  });
  return folder;
}

const archives = new Map<string, string>();

/** An archive of a package that loads these files. */
function archiveOf(entries: PackageEntries): string {
  const known = archives.get(entries.index);
  if (known !== undefined) return known;
  const folder = mkdtempSync(join(tmpdir(), "servable-sources-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const { index, cli, register } = entries;
  const registration =
    register === undefined ? "" : `import { register } from "${urlOf(register)}";\nregister();\n`;
  write(folder, {
    "package.json": JSON.stringify({
      ...{ name: "servable", version: "0.0.0", type: "module" },
      exports: { ".": "./index.js", "./package.json": "./package.json" },
    }),
    "index.js": `export * from "${urlOf(index)}";\n`,
    "dist/cli/main.js": `${registration}await import("${urlOf(cli)}");\n`,
    "dist/packaging/trim/main.js": "",
  });
  execFileSync("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: folder });
  const archive = join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz")) as string);
  archives.set(entries.index, archive);
  return archive;
}

function urlOf(path: string): string {
  return pathToFileURL(path).href;
}

function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}
