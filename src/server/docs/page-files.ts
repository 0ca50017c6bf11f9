import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);

/** The files of Swagger UI that the pages load, with their types. */
export const PAGE_FILES: ReadonlyMap<string, string> = new Map([
  ["swagger-ui-bundle.js", "text/javascript; charset=utf-8"],
  ["swagger-ui.css", "text/css; charset=utf-8"],
  ["index.css", "text/css; charset=utf-8"],
  ["favicon-16x16.png", "image/png"],
  ["favicon-32x32.png", "image/png"],
  ["oauth2-redirect.html", "text/html; charset=utf-8"],
  ["oauth2-redirect.js", "text/javascript; charset=utf-8"],
]);

/** The package with the files. A variable, so that bundlers do not look for it. */
const PACKAGE = "@fastify/swagger-ui";

/**
 * The path of a file of the pages: the copy that `npm run build` puts next to this module, otherwise that of the
 * package, which served functions install and the repository has for development.
 */
export function pageFile(name: string): string {
  const copy = fileURLToPath(new URL(`./swagger-ui/${name}`, import.meta.url));
  return existsSync(copy) ? copy : require.resolve(`${PACKAGE}/static/${name}`);
}
