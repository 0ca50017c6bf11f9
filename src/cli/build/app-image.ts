import { join, posix } from "node:path";
import { UsageError } from "../../errors.ts";
import { describeApp } from "../../hosts/serverless/app-description.ts";
import { ContainerImage } from "../../packaging/container-image.ts";
import { generateDockerfile, NPMRC_SECRET, type ImageApp } from "../../packaging/generated-dockerfile.ts";
import { readProject, type Project } from "../../packaging/project.ts";
import { DEFAULT_IGNORE, readIgnoreFile } from "../../build-context/ignore-rules.ts";
import { App } from "../../servable/app.ts";
import type { AppImage } from "../../servable/settings.ts";
import type { LoadedApp } from "../module-loader.ts";

/** What no generated image takes in, whatever else is said: it has its own packages. */
const NEVER: readonly string[] = [".git", "node_modules"];
/** What a generated image leaves out beside the usual where the project does not say. */
const RARELY: readonly string[] = [
  ".env.*",
  ".npmrc",
  "*.log",
  "*.tgz",
  ".cache",
  "coverage",
  ".vscode",
  ".idea",
];

/**
 * The image of an app: its own `static image`, or one by a Dockerfile that is generated from its npm project.
 * @param file the app's file, absolute
 * @param described what is said of the app, where that is known already
 * @throws UsageError, DefinitionError, FalServerlessError with code BUILD_FAILED
 */
export async function appImage(
  loaded: LoadedApp,
  file: string,
  described?: ImageApp,
): Promise<ContainerImage> {
  const { app } = loaded;
  const own = app instanceof App ? (app.constructor as typeof App).image : undefined;
  if (own !== undefined) return asContainerImage(own, loaded.name);
  return generatedImage(loaded, readProject(file), described ?? (await describeApp(loaded)));
}

/** A `ContainerImage`, of this copy of the package or another. @throws UsageError when it is something else */
export function asContainerImage(image: AppImage, where: string): ContainerImage {
  if (image instanceof ContainerImage || "ignoreRules" in image) return image as ContainerImage;
  throw new UsageError(`${where}.image is no ContainerImage; make it with ContainerImage.fromDockerfile().`);
}

function generatedImage({ app }: LoadedApp, project: Project, described: ImageApp): ContainerImage {
  const { appFiles = [], appFilesIgnore = [] } = app.constructor as Partial<typeof App>;
  const { directory, folder, npmrc, packages } = project;
  const needed = [
    posix.join(folder, project.file),
    "package.json",
    project.lockfile,
    ...packages.map((each) => `${each}/package.json`),
    ...project.archives,
    ...project.rootFiles,
  ];
  return ContainerImage.fromDockerfileString(generateDockerfile(described, project, process.versions.node), {
    contextDirectory: directory,
    ignore: [
      ...(readIgnoreFile(join(directory, ".dockerignore")) ?? [...DEFAULT_IGNORE, ...RARELY]),
      // A package of a workspace may have rules of its own.
      ...packages.flatMap((each) => {
        const lines = readIgnoreFile(join(directory, each, ".dockerignore")) ?? [];
        return lines.flatMap((line) => ruleBelow(each, line));
      }),
      ...project.unused.map((each) => `/${escaped(each)}/`),
      // It is a secret of the build.
      ...(npmrc === undefined ? [] : ["/.npmrc"]),
      ...appFilesIgnore.flatMap((line) => ruleBelow(folder, line)),
      ...appFiles.map((path) => `!/${posix.join(folder, path.replace(/^\.?\//, ""))}`),
      ...NEVER,
      ...needed.map((path) => `!/${escaped(path)}`),
    ],
    ...(npmrc === undefined ? {} : { secrets: { [NPMRC_SECRET]: npmrc } }),
  });
}

/** What a line of ignore rules in a folder means from the root. */
function ruleBelow(folder: string, written: string): readonly string[] {
  const line = written.replace(/\r$/, "");
  if (folder === "") return [line];
  if (line.trim() === "" || line.startsWith("#")) return [];
  const mark = line.startsWith("!") ? "!" : "";
  const text = line.slice(mark.length);
  const isTied = text.replace(/\/\s*$/, "").includes("/");
  return [`${mark}/${escaped(folder)}/${isTied ? text.replace(/^\//, "") : `**/${text}`}`];
}

/** A path as ignore rules name it. */
function escaped(path: string): string {
  return path.replaceAll(/[*?[\\ ]/g, "\\$&");
}
