import { resolve } from "node:path";
import type { ImageConfig } from "../../deploy-config.ts";
import { UsageError } from "../../errors.ts";
import { ContainerImage, type ContainerImageOptions } from "../../packaging/container-image.ts";
import { asContainerImage } from "../build/app-image.ts";

/**
 * The image that a config describes. Its paths are relative to the config's folder, which is what COPY is relative to, too,
 * where nothing else is said.
 * @throws UsageError, DefinitionError with code IMAGE_INVALID
 */
export function configuredImage(config: ImageConfig, directory: string, where: string): ContainerImage {
  if ("toDict" in config) return asContainerImage(config, where);
  const { dockerfile, image, ...options } = config as {
    readonly dockerfile?: string;
    readonly image?: string;
  };
  if ((dockerfile === undefined) === (image === undefined)) {
    throw new UsageError(`${where}.image needs either a dockerfile or an image.`);
  }
  if (image !== undefined) return ContainerImage.fromImage(image, options);
  const { contextDirectory = ".", ignoreFile, ...others } = options as ContainerImageOptions;
  return ContainerImage.fromDockerfile(resolve(directory, dockerfile as string), {
    ...others,
    contextDirectory: resolve(directory, contextDirectory),
    ...(ignoreFile === undefined ? {} : { ignoreFile: resolve(directory, ignoreFile) }),
  });
}
