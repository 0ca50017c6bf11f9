import { join, posix } from "node:path";
import { UsageError } from "../../errors.ts";
import { describeApp } from "../../hosts/serverless/app-description.ts";
import { ContainerImage } from "../../packaging/container-image.ts";
import { generateDockerfile, NPMRC_SECRET, type ImageApp } from "../../packaging/generated-dockerfile.ts";
import { readProject, type Project } from "../../packaging/project.ts";
import { DEFAULT_IGNORE, readIgnoreFile } from "../../build-context/ignore-rules.ts";
import { appClassOf, type App } from "../../servable/app.ts";
import type { AppImage } from "../../settings/app-values.ts";
import type { LoadedApp } from "../module-loader.ts";

/** Never part of a generated image: the image installs its own packages. */
const NEVER: readonly string[] = [".git", "node_modules"];
/** Further paths that a generated image ignores if the project has no .dockerignore. */
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
 * @param described the description of the app, if it was made already
 * @throws UsageError, DefinitionError, FalServerlessError with code BUILD_FAILED
 */
export async function imageOfApp(
  loaded: LoadedApp,
  file: string,
  described?: ImageApp,
): Promise<ContainerImage> {
  const { app } = loaded;
  const own = appClassOf(app)?.image;
  if (own !== undefined) return asContainerImage(own, loaded.name);
  return generatedImage(loaded, readProject(file), described ?? (await describeApp(loaded)));
}

/** Returns the value as a `ContainerImage`, made by this copy of the package or by another. @throws UsageError for anything else */
export function asContainerImage(image: AppImage, where: string): ContainerImage {
  if (image instanceof ContainerImage || "ignoreRules" in image) return image as ContainerImage;
  throw new UsageError(
    `${where}.image is not a ContainerImage; create it with ContainerImage.fromDockerfile().`,
  );
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
      // Each package of a workspace may have its own ignore rules.
      ...packages.flatMap((each) => {
        const lines = readIgnoreFile(join(directory, each, ".dockerignore")) ?? [];
        return lines.flatMap((line) => ruleBelow(each, line));
      }),
      ...project.unused.map((each) => `/${escaped(each)}/`),
      // Mounted as a build secret instead.
      ...(npmrc === undefined ? [] : ["/.npmrc"]),
      ...appFilesIgnore.flatMap((line) => ruleBelow(folder, line)),
      ...appFiles.map((path) => `!/${posix.join(folder, path.replace(/^\.?\//, ""))}`),
      ...NEVER,
      ...needed.map((path) => `!/${escaped(path)}`),
    ],
    ...(npmrc === undefined ? {} : { secrets: { [NPMRC_SECRET]: npmrc } }),
  });
}

/** Rewrites an ignore rule of a folder as rules relative to the root. */
function ruleBelow(folder: string, written: string): readonly string[] {
  const line = written.replace(/\r$/, "");
  if (folder === "") return [line];
  if (line.trim() === "" || line.startsWith("#")) return [];
  const mark = line.startsWith("!") ? "!" : "";
  const text = line.slice(mark.length);
  const isTied = text.replace(/\/\s*$/, "").includes("/");
  return [`${mark}/${escaped(folder)}/${isTied ? text.replace(/^\//, "") : `**/${text}`}`];
}

/** Escapes a path for use in an ignore rule. */
function escaped(path: string): string {
  return path.replaceAll(/[*?[\\ ]/g, "\\$&");
}
