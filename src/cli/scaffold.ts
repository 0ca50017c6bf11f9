import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { copyFile, cp, readFile, rename, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { didYouMean } from "../did-you-mean.ts";
import { UsageError } from "../errors.ts";
import { ownPackage } from "./own-package.ts";
import { PACKAGE_ROOT } from "./package-root.ts";

/**
 * Template files that have another name in this package: npm does not publish a .gitignore, and a package.json would make the
 * template a package of its own.
 */
const RENAMED: Readonly<Record<string, string>> = {
  gitignore: ".gitignore",
  "package.template.json": "package.json",
};

/** A project to start from. */
export interface Template {
  readonly name: string;
  readonly description: string;
}

/** Every template that ships with this package. */
export function listTemplates(): Template[] {
  const folder = join(PACKAGE_ROOT, "templates");
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, "package.template.json")))
    .sort()
    .map((name) => {
      const manifest = JSON.parse(readFileSync(join(folder, name, "package.template.json"), "utf8"));
      return { name, description: String((manifest as { description?: string }).description ?? "") };
    });
}

/**
 * Copies a template into a new folder with the package's name, without its scope.
 * @returns the folder
 * @throws UsageError if the name is invalid, the folder is not empty, the template is unknown, or the project cannot get this
 *   package
 */
export async function scaffold(name: string, template: string, parent: string): Promise<string> {
  assertPackageName(name);
  const known = listTemplates().map((each) => each.name);
  if (!known.includes(template)) {
    const hint = didYouMean(template, known) || `; there are: ${known.join(", ")}.`;
    throw new UsageError(`There is no template "${template}"${hint}`);
  }
  const target = resolve(parent, name.split("/").at(-1) ?? name);
  assertEmpty(target);
  const own = await ownPackage();
  try {
    await copyTemplate(template, target);
    await fillIn(target, name, own.spec);
    if (own.archive !== undefined) await copyFile(own.archive, join(target, basename(own.archive)));
  } finally {
    await own.dispose();
  }
  return target;
}

async function copyTemplate(template: string, target: string): Promise<void> {
  const source = join(PACKAGE_ROOT, "templates", template);
  await cp(source, target, {
    recursive: true,
    filter: (path) => !/[/\\](?:node_modules|dist)$/.test(path.slice(source.length)),
  });
  for (const [from, to] of Object.entries(RENAMED)) {
    if (existsSync(join(target, from))) await rename(join(target, from), join(target, to));
  }
}

async function fillIn(target: string, name: string, spec: string): Promise<void> {
  const manifest = join(target, "package.json");
  const text = await readFile(manifest, "utf8");
  await writeFile(manifest, text.replaceAll("SERVABLE_PROJECT", name).replaceAll("SERVABLE_SPEC", spec));
  const readme = join(target, "README.md");
  await writeFile(readme, (await readFile(readme, "utf8")).replaceAll("SERVABLE_PROJECT", name));
}

function assertEmpty(target: string): void {
  const found = statSync(target, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isDirectory()) throw new UsageError(`${target} is a file; choose another name.`);
  if (readdirSync(target).length > 0) {
    throw new UsageError(`${target} is not empty; choose another name, or empty it first.`);
  }
}

/** Checks a name by npm's rules. @throws UsageError with the reason */
function assertPackageName(name: string): void {
  const plain = name.replace(/^@[^/]+\//, "");
  const fault =
    name === ""
      ? "it is empty"
      : name.length > 214
        ? "it is longer than 214 characters"
        : name !== name.toLowerCase()
          ? `it has capital letters; write "${name.toLowerCase()}"`
          : /^[._]/.test(plain)
            ? 'it starts with "." or "_"'
            : !/^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(name)
              ? "it may hold small letters, digits, - . _ and ~"
              : ["node_modules", "favicon.ico"].includes(name)
                ? "npm keeps it for itself"
                : undefined;
  if (fault !== undefined) throw new UsageError(`"${name}" can't be the name of a package: ${fault}.`);
}
