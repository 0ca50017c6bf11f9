// Bundles a compiled package: `import "servable"` reads a few files instead of hundreds, which takes less than half of the
// time. Argument: the folder of the compiled package. Runs after the other scripts of the build, which need single modules.
//
// The bundles are in the folder `bundle`, with the shared code in chunks, so that each class exists once in a process.
// Modules stay if something else needs them, without comments: the programs of isolated functions are bundled from them at
// run time, and some files are started by their paths. All other modules are removed, and declarations that no entry of
// package.json needs, so that the package does not become larger.
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build, transform } from "esbuild";

/** The entries of package.json that are loaded together with others, and the programs of their processes. */
const BUNDLES = {
  index: "index",
  current: "current",
  media: "media/index",
  testing: "testing/index",
  worker: "workers/entry",
  cli: "cli/main",
};
const ENTRIES = ["index", "current", "media/index", "testing/index"];
/** Programs that are started by path. Each becomes an import of its bundle. */
const PROGRAMS = ["worker", "cli"];
/** Modules that stay, with what they import. */
const SINGLE = ["packaging/trim/main", "tools/vite", "tools/jest", "typescript/module-format"];
const BUNDLE_FOLDER = "bundle";
/** A module that is not bundled, whose URL is that of the folder. */
const LOCATION = "location.js";

const dist = resolve(process.argv[2] ?? "dist");
const { PROGRAMS: functionPrograms } = await import(
  pathToFileURL(join(dist, "functions/bundle/programs.js")).href
);
const path = (name) => join(dist, `${name}.js`);

const common = { bundle: true, format: "esm", platform: "node", target: "node20", packages: "external" };
await build({
  ...common,
  entryPoints: Object.entries(BUNDLES).map(([out, name]) => ({ in: path(name), out })),
  outdir: join(dist, BUNDLE_FOLDER),
  chunkNames: "[name]-[hash]",
  splitting: true,
  ignoreAnnotations: true, // "sideEffects" of package.json: modules that only have effects are bundled too
  define: { "import.meta.url": "ownUrl" },
  plugins: [{ name: "own-url", setup: keepUrls }],
  logLevel: "warning",
});
await writeFile(join(dist, BUNDLE_FOLDER, LOCATION), "export const location = import.meta.url;\n");

const kept = await build({
  ...common,
  entryPoints: [...SINGLE, ...Object.values(functionPrograms), ...ENTRIES].map(path),
  outdir: "unused",
  write: false,
  metafile: true,
  absWorkingDir: dist,
});
const declared = await declarations(
  [...ENTRIES, "tools/vite", "tools/jest"].map((name) => join(dist, `${name}.d.ts`)),
);
for (const entry of await readdir(dist, { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath, entry.name);
  const name = relative(dist, file);
  if (/^(?:programs|bundle|server\/docs\/swagger-ui)\//.test(name)) continue;
  if (name.endsWith(".d.ts") ? !declared.has(file) : name.endsWith(".js") && !(name in kept.metafile.inputs))
    await rm(file);
  // The names that the index exports are read from its text.
  else if (name.endsWith(".js") && name !== "index.js") {
    const { code } = await transform(await readFile(file, "utf8"), {
      format: "esm",
      target: "node20",
      charset: "utf8",
    });
    await writeFile(file, code);
  }
}
for (const name of PROGRAMS) {
  const isCommand = name === "cli" ? "#!/usr/bin/env node\n" : "";
  const to = relative(join(path(BUNDLES[name]), ".."), join(dist, BUNDLE_FOLDER, `${name}.js`));
  await writeFile(path(BUNDLES[name]), `${isCommand}import "${to}";\n`);
}

/** Gives each module that reads its own URL the one of its file, from which it finds other files. */
function keepUrls({ onResolve, onLoad }) {
  onResolve({ filter: /^servable-location$/ }, () => ({ path: `./${LOCATION}`, external: true }));
  onLoad({ filter: /\.js$/ }, async ({ path: file }) => {
    const code = await readFile(file, "utf8");
    if (!code.includes("import.meta.url")) return undefined;
    const own = JSON.stringify(relative(join(dist, BUNDLE_FOLDER), file));
    const start = `import { location } from "servable-location"; const ownUrl = new URL(${own}, location).href;`;
    return { contents: code.startsWith("#!") ? code.replace("\n", `\n${start}`) : start + code };
  });
}

/** Files of declarations with all that they import. */
async function declarations(files) {
  const found = new Set(files);
  for (const file of found) {
    for (const [, specifier] of (await readFile(file, "utf8")).matchAll(
      /(?:from |import\(|import )"(\.[^"]+)"/g,
    ))
      found.add(join(dirname(file), specifier.replace(/\.[jt]s$/, ".d.ts")));
  }
  return found;
}
