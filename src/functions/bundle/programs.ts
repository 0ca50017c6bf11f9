import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { runEsbuild, textOf } from "./esbuild.ts";
import { OWN_FOLDER } from "./own-entry.ts";
import { resolvePlugin } from "./resolve-plugin.ts";

/**
 * The programs of this package that go where functions run: the runner, the host of functions that call functions, what
 * stands between a container and its host, and the server of a function on a platform. By the files that they begin with.
 */
export const PROGRAMS = {
  runner: "functions/runner/main",
  host: "hosts/local/local-runs",
  bridge: "hosts/local/container/bridge/main",
  server: "hosts/serverless/server/main",
} as const;

/** One of them. */
export type ProgramName = keyof typeof PROGRAMS;

/** Where `npm run build` leaves them, in the folder of the compiled package. */
export const PREBUILT_FOLDER = "programs";

const programs = new Map<ProgramName, Promise<string>>();

/** The code of a program: one ES module that needs nothing but Node; the server needs the packages that serve, too. */
export function programCode(name: ProgramName): Promise<string> {
  let code = programs.get(name);
  if (code === undefined) {
    code = readFile(`${OWN_FOLDER}${PREBUILT_FOLDER}/${name}.mjs`, "utf8").catch(() => buildProgram(name));
    programs.set(name, code);
  }
  return code;
}

/** Makes the code of a program. */
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
