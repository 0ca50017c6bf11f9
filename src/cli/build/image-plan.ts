import { join } from "node:path";
import { UsageError } from "../../errors.ts";
import { collectContext, type ContextEntry } from "../../packaging/build-context.ts";
import { ContainerImage } from "../../packaging/container-image.ts";
import { generateDockerfile } from "../../packaging/generated-dockerfile.ts";
import { readProject, type Project } from "../../packaging/project.ts";
import { describeApp } from "../../hosts/serverless/app-description.ts";
import { DEFAULT_IGNORE, readIgnoreFile } from "../../platform/files/ignore-rules.ts";
import { App } from "../../servable/app.ts";
import type { LoadedApp } from "../app-loader.ts";
import { withBuildArgs, type BuildArgs } from "../build-args.ts";

/** All that is known of an image before it is built. */
export interface ImagePlan {
  readonly image: ContainerImage;
  /** With the entrypoint and command that take the place of its own. */
  readonly dockerfile: string;
  /** The folder that COPY is relative to. */
  readonly directory: string;
  readonly entries: readonly ContextEntry[];
  /** The name it gets when none is given. */
  readonly tag: string;
  /** The Dockerfile was generated: the app has none of its own. */
  readonly isGenerated: boolean;
}

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
 * Says what the image of an app is made of: its own `static image`, or a Dockerfile that is generated from its npm
 * project.
 * @param file the app's file, absolute
 * @param buildArgs values of ARGs, which go before those of the image
 * @throws UsageError, DefinitionError, FalServerlessError with code BUILD_FAILED, when that can't be said
 */
export async function planImage(
  loaded: LoadedApp,
  file: string,
  buildArgs: BuildArgs = {},
): Promise<ImagePlan> {
  const described = await describeApp(loaded);
  const own = loaded.app instanceof App ? (loaded.app.constructor as typeof App).image : undefined;
  const plain =
    own === undefined ? generatedImage(loaded, readProject(file), described) : asImage(own, loaded.name);
  const image = withBuildArgs(plain, buildArgs);
  if (image.dockerfile === undefined) {
    throw new UsageError(
      `${loaded.name} has the image ${image.reference}, which is there already: nothing is to be built.`,
    );
  }
  const directory = image.contextDirectory;
  const entries = await collectContext({ directory, sources: image.sources(), ignore: image.ignoreRules() });
  return {
    image,
    dockerfile: withOverrides(image.dockerfile, image),
    directory,
    entries,
    tag: `${described.name.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, "-")}:${described.version.replaceAll(/[^\w.-]/g, "-")}`,
    isGenerated: own === undefined,
  };
}

function generatedImage(
  { app }: LoadedApp,
  project: Project,
  described: Parameters<typeof generateDockerfile>[0],
): ContainerImage {
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

/** Of another copy of this package it may be, but not of anything else. */
function asImage(image: object, className: string): ContainerImage {
  if (image instanceof ContainerImage || "ignoreRules" in image) return image as ContainerImage;
  throw new UsageError(
    `${className}.image is no ContainerImage; make it with ContainerImage.fromDockerfile().`,
  );
}

/** Of a Dockerfile, the last ENTRYPOINT and CMD hold. */
function withOverrides(dockerfile: string, { entrypoint, cmd }: ContainerImage): string {
  const lines = [
    ...(entrypoint === undefined ? [] : [`ENTRYPOINT ${command(entrypoint)}`]),
    ...(cmd === undefined ? [] : [`CMD ${command(cmd)}`]),
  ];
  return lines.length === 0 ? dockerfile : `${dockerfile.trimEnd()}\n${lines.join("\n")}\n`;
}

function command(words: string | readonly string[]): string {
  return JSON.stringify(typeof words === "string" ? ["/bin/sh", "-c", words] : words);
}
