import { collectContext, type ContextEntry } from "../../build-context/context-entries.ts";
import type { ContainerImage } from "../../packaging/container-image.ts";
import type { ImageApp } from "../../packaging/generated-dockerfile.ts";
import { describeApp } from "../../hosts/serverless/app-description.ts";
import { UsageError } from "../../errors.ts";
import type { LoadedApp } from "../module-loader.ts";
import { withBuildArgs, type BuildArgs } from "./image-options.ts";
import { appImage } from "./app-image.ts";

/** All that is known of an image before it is built. */
export interface ImagePlan {
  readonly image: ContainerImage;
  /** With the entrypoint and command that take the place of its own. */
  readonly dockerfile: string;
  /** The folder that COPY is relative to. */
  readonly directory: string;
  readonly entries: readonly ContextEntry[];
  /** Files and folders that are left out only because their names say that they hold secrets. */
  readonly secrets: readonly string[];
  /** The name it gets when none is given. */
  readonly tag: string;
}

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
  const image = withBuildArgs(await appImage(loaded, file, described), buildArgs);
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

/** A name and a tag as builders take them: a tag starts with no dot or dash, and has at most 128 letters. */
function tagOf({ name, version }: ImageApp): string {
  const tag = version.replaceAll(/[^\w.-]/g, "-").replace(/^[.-]/, "_");
  return `${name.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, "-")}:${tag.slice(0, 128)}`;
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
