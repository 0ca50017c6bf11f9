import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { runEsbuild, textOf } from "./esbuild.ts";
import { OWN_FOLDER } from "./own-entry.ts";
import { resolvePlugin } from "./resolve-plugin.ts";

/**
 * The entry files of the programs that run in the environments of functions: the runner, the host for functions that
 * call functions, the bridge between a container and its host, and the server of a function on a platform.
 */
export const PROGRAMS = {
  runner: "functions/runner/main",
  host: "hosts/local/local-runs",
  bridge: "hosts/local/container/bridge/main",
  server: "hosts/serverless/server/main",
} as const;

/** The name of a program. */
export type ProgramName = keyof typeof PROGRAMS;

/** The folder in the compiled package that `npm run build` writes the programs to. */
export const PREBUILT_FOLDER = "programs";

const programs = new Map<ProgramName, Promise<string>>();

/** The code of a program: one ES module that needs only Node. The server also needs the packages for serving. */
export function programCode(name: ProgramName): Promise<string> {
  let code = programs.get(name);
  if (code === undefined) {
    code = readFile(`${OWN_FOLDER}${PREBUILT_FOLDER}/${name}.mjs`, "utf8").catch(() => buildProgram(name));
    programs.set(name, code);
  }
  return code;
}

/** Bundles a program. */
export async function buildProgram(name: ProgramName): Promise<string> {
  const entry = new URL(`../../${PROGRAMS[name]}${extname(import.meta.url)}`, import.meta.url);
  const files = await runEsbuild({
    entryPoints: [fileURLToPath(entry)],
    absWorkingDir: OWN_FOLDER,
    outfile: "program.mjs",
    minifySyntax: true,
    plugins: [resolvePlugin({ localModules: [], isServed: false, conditions: [], onOutside: () => {} })],
  });
  return textOf(files, ".mjs");
}
