import { cp, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { runCommand } from "./command.ts";

/** The repository. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The repository's compiler: a script for this process's Node. */
export const TSC = join(createRequire(import.meta.url).resolve("typescript/package.json"), "../bin/tsc");

/** The package as it would be published, compiled from the current sources, in a folder of its own. */
export class StagedPackage implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Compiles the package. The repository's own `dist` is neither used nor touched. */
  static async create(): Promise<StagedPackage> {
    const staged = new StagedPackage(await mkdtemp(join(tmpdir(), "servable-bench-")));
    try {
      await staged.#compile();
    } catch (error) {
      await staged[Symbol.asyncDispose]();
      throw error;
    }
    return staged;
  }

  /** Lets code in the folder import the repository's installed dependencies, and finishes the build with them. */
  async linkDependencies(): Promise<void> {
    await symlink(join(ROOT, "node_modules"), join(this.folder, "node_modules"), "dir");
    for (const name of ["copy-pages.mjs", "build-programs.mjs", "bundle-package.mjs"]) {
      const script = join(ROOT, "scripts", name);
      await runCommand(process.execPath, [script, join(this.folder, "dist")], { cwd: this.folder });
    }
  }

  /** Compiles programs that import the package by its name. Returns the folder of their JavaScript. */
  async compilePrograms(sources: string): Promise<string> {
    const outDir = join(this.folder, "programs");
    const declaration = (name: string): string[] => [join(this.folder, "dist", `${name}.d.ts`)];
    const settings = {
      extends: join(ROOT, "tsconfig.json"),
      compilerOptions: {
        noEmit: false,
        rootDir: ROOT, // files that a program imports from elsewhere would be written beside their sources
        outDir,
        customConditions: [],
        paths: {
          servable: declaration("index"),
          "servable/current": declaration("current"),
          "servable/media": declaration("media/index"),
        },
      },
      include: [sources],
    };
    const file = join(this.folder, "tsconfig.programs.json");
    await writeFile(file, JSON.stringify(settings));
    await this.#runCompiler(["-p", file]);
    return join(outDir, relative(ROOT, sources));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  async #compile(): Promise<void> {
    const outDir = join(this.folder, "dist");
    await this.#runCompiler(["-p", join(ROOT, "tsconfig.build.json"), "--outDir", outDir]);
    for (const name of ["package.json", "README.md", "LICENSE", "templates", "docs"]) {
      const path = join(ROOT, name);
      if (existsSync(path)) await cp(path, join(this.folder, name), { recursive: true });
    }
  }

  #runCompiler(args: readonly string[]): Promise<string> {
    // `npm run check` checks types; here only the JavaScript and the declarations are needed.
    return runCommand(process.execPath, [TSC, "--noCheck", ...args], { cwd: this.folder });
  }
}
