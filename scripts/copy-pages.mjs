// Copies the files of Swagger UI that the documentation pages load into a compiled package. The package that has them
// would bring twenty others into each installation. Argument: the folder of the compiled package.
import { copyFile, mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(import.meta.url);
const folder = resolve(process.argv[2] ?? "dist");
const { PAGE_FILES } = await import(pathToFileURL(join(folder, "server/docs/page-files.js")).href);
const source = dirname(require.resolve("@fastify/swagger-ui/package.json"));
const target = join(folder, "server/docs/swagger-ui");
await mkdir(target, { recursive: true });
for (const name of PAGE_FILES.keys()) await copyFile(join(source, "static", name), join(target, name));
await copyFile(join(source, "LICENSE"), join(target, "LICENSE"));
// That licence is the package's own; Swagger UI itself has this one.
await copyFile(new URL("licenses/swagger-ui.txt", import.meta.url), join(target, "LICENSE-swagger-ui"));
