import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { REPOSITORY } from "./second-copy.ts";

const COMPILER = join(REPOSITORY, "node_modules", "typescript", "bin", "tsc");

/**
 * Runs the TypeScript compiler, with the repository's own settings, on files written to a folder inside the
 * repository. Returns its output.
 */
export function compile(
  folder: string,
  files: Readonly<Record<string, string>>,
  compilerOptions: Readonly<Record<string, unknown>> = {},
): string {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const config = {
    extends: join(relative(folder, REPOSITORY), "tsconfig.json"),
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false, ...compilerOptions },
    include: Object.keys(files),
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  const { stdout, error } = spawnSync(process.execPath, [COMPILER, "-p", folder, "--pretty", "false"], {
    cwd: folder,
    encoding: "utf8",
  });
  if (error !== undefined) throw error;
  return stdout;
}
