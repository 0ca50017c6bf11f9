import { join } from "node:path";
import { UsageError } from "../../errors.ts";
import { describeApp } from "../../hosts/serverless/app-description.ts";
import { ContainerImage } from "../../packaging/container-image.ts";
import { generateDockerfile, type ImageApp } from "../../packaging/generated-dockerfile.ts";
import { readProject, type Project } from "../../packaging/project.ts";
import { DEFAULT_IGNORE, readIgnoreFile } from "../../platform/files/ignore-rules.ts";
import { App } from "../../servable/app.ts";
import type { AppImage } from "../../servable/settings.ts";
import type { LoadedApp } from "../app-loader.ts";

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
  const needed = [project.file, "package.json", project.lockfile, ...project.archives];
  if (project.hasNpmrc) needed.push(".npmrc");
  return ContainerImage.fromDockerfileString(generateDockerfile(described, project, process.versions.node), {
    contextDirectory: project.directory,
    ignore: [
      ...(readIgnoreFile(join(project.directory, ".dockerignore")) ?? [...DEFAULT_IGNORE, ...RARELY]),
      ...appFilesIgnore,
      ...appFiles.map((path) => `!/${path.replace(/^\.?\//, "")}`),
      ...NEVER,
      ...needed.map((path) => `!/${path.replaceAll(/[*?[\\ ]/g, "\\$&")}`),
    ],
  });
}
