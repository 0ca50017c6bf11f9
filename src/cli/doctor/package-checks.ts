import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { PACKAGE_ROOT, packageVersion } from "../package-root.ts";
import { packageType } from "../../typescript/package-files.ts";
import type { Finding } from "./finding.ts";

/** Checks that an app in `folder` finds exactly one copy of this package. */
export function checkServable(folder: string): Finding {
  const name = "servable";
  const own = realpathSync(PACKAGE_ROOT);
  const found = installed(name, folder).map((path) => realpathSync(path));
  const nearest = found[0];
  if (nearest === undefined) {
    return existsSync(join(folder, "package.json")) || !isInside(folder, own)
      ? {
          name,
          status: "failed",
          message: `${packageVersion()} runs, but an app in ${folder} can't import it`,
          advice: "run: npm install servable",
        }
      : { name, status: "ok", message: packageVersion() };
  }
  const copies = [...new Set([nearest, own])];
  if (copies.length === 1) return { name, status: "ok", message: packageVersion() };
  return {
    name,
    status: "warning",
    message: `two copies: ${copies.map((path) => `${versionAt(path)} in ${path}`).join(", ")}`,
    advice: "run the project's own, with: npx servable",
  };
}

/** Checks that typebox is installed, and that the project uses ES modules. */
export function checkPackages(folder: string): Finding[] {
  const typebox = installed("typebox", folder)[0];
  const isOld = installed("@sinclair/typebox", folder).length > 0;
  const schemas: Finding =
    typebox !== undefined
      ? { name: "typebox", status: "ok", message: versionAt(typebox) }
      : {
          name: "typebox",
          status: isOld ? "warning" : "failed",
          message: isOld ? "only the older @sinclair/typebox is installed" : "not installed",
          advice: "run: npm install typebox",
        };
  const type = packageType(folder);
  const format: Finding =
    type === "module" || type === undefined
      ? {
          name: "module format",
          status: "ok",
          message: type === undefined ? "by each file's syntax" : "ES modules",
        }
      : {
          name: "module format",
          status: "warning",
          message: `package.json says "type": "${type}": starting is slower, and packages are loaded twice`,
          advice: 'write "type": "module" in package.json',
        };
  return [schemas, format];
}

/** Every installed copy of a package that code in `folder` could load, nearest first. */
function installed(name: string, folder: string): string[] {
  const found: string[] = [];
  for (let current = folder; ; current = dirname(current)) {
    const path = join(current, "node_modules", ...name.split("/"));
    if (existsSync(join(path, "package.json"))) found.push(path);
    if (dirname(current) === current) return found;
  }
}

function isInside(folder: string, root: string): boolean {
  return `${realpathSync(folder)}/`.startsWith(root.replace(/[/\\]?$/, "/"));
}

function versionAt(folder: string): string {
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version?: string };
  return manifest.version ?? "of unknown version";
}
