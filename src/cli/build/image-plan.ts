import { collectContext, type ContextEntry } from "../../build-context/context-entries.ts";
import type { ContainerImage } from "../../packaging/container-image.ts";
import type { ImageApp } from "../../packaging/generated-dockerfile.ts";
import { describeApp } from "../../hosts/serverless/app-description.ts";
import { UsageError } from "../../errors.ts";
import type { LoadedApp } from "../module-loader.ts";
import { withBuildArgs, type BuildArgs } from "./image-options.ts";
import { imageOfApp } from "./app-image.ts";

/** An image before it is built. */
export interface ImagePlan {
  readonly image: ContainerImage;
  /** The Dockerfile, with the entrypoint and command that replace its own. */
  readonly dockerfile: string;
  /** The build context: COPY is relative to it. */
  readonly directory: string;
  readonly entries: readonly ContextEntry[];
  /** Files and folders that are excluded because their names suggest secrets. */
  readonly secrets: readonly string[];
  /** The default name of the image. */
  readonly tag: string;
}

/**
 * Plans the image of an app: its own `static image`, or a Dockerfile generated from its npm project.
 * @param file the app's file, absolute
 * @param buildArgs override the build arguments of the image
 * @throws UsageError, DefinitionError, FalServerlessError with code BUILD_FAILED
 */
export async function planImage(
  loaded: LoadedApp,
  file: string,
  buildArgs: BuildArgs = {},
): Promise<ImagePlan> {
  const described = await describeApp(loaded);
  const image = withBuildArgs(await imageOfApp(loaded, file, described), buildArgs);
  if (image.dockerfile === undefined) {
    throw new UsageError(
      `${loaded.name} has the image ${image.reference}, which is there already: nothing is to be built.`,
    );
  }
  const directory = image.contextDirectory;
  const secrets: string[] = [];
  const entries = await collectContext({
    directory,
    sources: image.sources(),
    ignore: image.ignoreRules(),
    followsSources: true,
    onSecret: (path) => secrets.push(path),
  });
  return {
    image,
    dockerfile: withOverrides(image.dockerfile, image),
    directory,
    entries,
    secrets,
    tag: tagOf(described),
  };
}

/** A valid image name: the tag has at most 128 characters and does not start with a dot or dash. */
function tagOf({ name, version }: ImageApp): string {
  const tag = version.replaceAll(/[^\w.-]/g, "-").replace(/^[.-]/, "_");
  return `${name.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, "-")}:${tag.slice(0, 128)}`;
}

/** Appends them: the last ENTRYPOINT and CMD of a Dockerfile are used. */
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
