// Makes the programs that run in the processes of isolated functions, once, in a compiled package, so that each process
// that calls one need not make them. Argument: the folder of the compiled package.
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const folder = resolve(process.argv[2] ?? "dist");
const module = pathToFileURL(join(folder, "functions/bundle/programs.js")).href;
const { buildProgram, PREBUILT_FOLDER, PROGRAMS } = await import(module);
await mkdir(join(folder, PREBUILT_FOLDER), { recursive: true });
for (const name of Object.keys(PROGRAMS)) {
  await writeFile(join(folder, PREBUILT_FOLDER, `${name}.mjs`), await buildProgram(name));
}
process.exit(); // the bundler's own process would keep this one alive
