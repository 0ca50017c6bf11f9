import { relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { PACKAGE_ROOT } from "./package-root.ts";

const FRAME = /^\s+at (?:.*? \(|async )?((?:file:\/\/)?(?:\/|[A-Za-z]:[\\/]).*?):(\d+):(\d+)\)?$/;
const OWN_FOLDERS = ["src", "dist"].map((name) => resolve(PACKAGE_ROOT, name) + sep);

/** The first stack frame of an error that is in user code, such as `app.ts:12:9`; undefined if there is none. */
export function userFrame(error: unknown): string | undefined {
  const stack = error instanceof Error ? error.stack : undefined;
  for (const line of stack?.split("\n") ?? []) {
    const [, place, row, column] = FRAME.exec(line) ?? [];
    if (place === undefined) continue;
    const path = place.startsWith("file:") ? fileURLToPath(place.replace(/[?#].*$/, "")) : place;
    if (/[/\\]node_modules[/\\]/.test(path) || OWN_FOLDERS.some((folder) => path.startsWith(folder)))
      continue;
    return `${shortPath(path)}:${row}:${column}`;
  }
  return undefined;
}

/** A path relative to the current folder, if it is in there; else absolute. */
export function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short === "" || short.startsWith("..") || resolve(short) !== resolve(path) ? path : short;
}
