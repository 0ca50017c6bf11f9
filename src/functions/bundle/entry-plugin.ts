import { readFile } from "node:fs/promises";
import type { Plugin } from "esbuild";

/**
 * Takes the entry module as it lies on the disk, though a compiler may have left a source map beside it: a definition is
 * found by its place in the file that Node has loaded, not in the one that was compiled to it.
 */
export function entryPlugin(file: string): Plugin {
  const isEntry = new RegExp(`^${file.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")}$`);
  return {
    name: "entry module as it is",
    setup(build) {
      build.onLoad({ filter: isEntry, namespace: "file" }, async ({ path }) => {
        if (!/\.[cm]?jsx?$/.test(path)) return undefined;
        const text = await readFile(path, "utf8");
        const contents = text.replaceAll(/^\/\/[#@] sourceMappingURL=.*$/gm, "//");
        return { contents, loader: path.endsWith("x") ? "jsx" : "js" };
      });
    },
  };
}
