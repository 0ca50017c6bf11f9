import { didYouMean } from "../../did-you-mean.ts";
import { UsageError } from "../../errors.ts";
import type { ContainerImage } from "../../packaging/container-image.ts";
import { parseDockerfile } from "../../build-context/dockerfile.ts";
import { readAssignments } from "../../build-context/dockerfile-words.ts";

/** Values of a Dockerfile's ARGs. */
export type BuildArgs = Readonly<Record<string, string>>;

/** Build arguments that are valid without an ARG in the Dockerfile. */
const PREDEFINED = /^(?:https?|ftp|no|all)_proxy$|^(?:BUILDKIT|DOCKER|BUILDX)_|^SOURCE_DATE_EPOCH$/i;

/**
 * Parses `--build-arg` values: `NAME=value`, or a `NAME` whose value is read from the environment.
 * @throws UsageError
 */
export function readBuildArgs(items: readonly string[] = []): BuildArgs {
  return Object.fromEntries(
    items.map((item) => {
      const [, name = "", value] = /^([A-Za-z_]\w*)(?:=([^]*))?$/.exec(item) ?? [];
      if (name === "") throw new UsageError(`--build-arg takes NAME=value, not "${item}".`);
      const known = value ?? process.env[name];
      if (known === undefined) {
        throw new UsageError(
          `--build-arg ${name} has no value: write ${name}=value, or set it in the environment.`,
        );
      }
      return [name, known];
    }),
  );
}

/**
 * Sets build arguments of an image. They override the image's own.
 * @throws UsageError for an ARG that the Dockerfile lacks, and for an image that is not built from a Dockerfile
 */
export function withBuildArgs(image: ContainerImage, buildArgs: BuildArgs): ContainerImage {
  if (Object.keys(buildArgs).length === 0) return image;
  if (image.dockerfile === undefined) {
    throw new UsageError(`--build-arg is for Dockerfiles; the image ${image.reference} is there already.`);
  }
  assertBuildArgs(image.dockerfile, buildArgs);
  return image.withBuildArgs(buildArgs);
}

function assertBuildArgs(dockerfile: string, buildArgs: BuildArgs): void {
  const known = parseDockerfile(dockerfile)
    .instructions.filter(({ keyword }) => keyword === "ARG")
    .flatMap(({ text }) => readAssignments(text).map(([name]) => name));
  for (const name of Object.keys(buildArgs)) {
    if (known.includes(name) || PREDEFINED.test(name)) continue;
    const unique = [...new Set(known)];
    const takes = unique.length === 0 ? "; it takes none." : `; it takes ${unique.join(", ")}.`;
    throw new UsageError(`The Dockerfile has no ARG ${name}${didYouMean(name, unique) || takes}`);
  }
}

/** Names that builders use, and common aliases. */
const ARCHITECTURES: readonly string[] = [
  ...["amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64", "loong64", "mips64le"],
  ...["x86_64", "aarch64", "armhf", "armel", "i386"],
];

/**
 * Checks `--platform`: `linux/arm64` or `linux/arm/v7`, for example.
 * @throws UsageError
 */
export function assertPlatform(text: string): void {
  const [system = "", architecture = "", variant, ...rest] = text.split("/");
  const isKnown = /^(?:linux|windows)$/.test(system) && ARCHITECTURES.includes(architecture);
  if (isKnown && (variant === undefined || /^v\d+$/.test(variant)) && rest.length === 0) return;
  if (text.includes(",")) {
    throw new UsageError(
      `--platform takes one platform, not "${text}": build an image of another name for each, and join them in the registry.`,
    );
  }
  const known = [...ARCHITECTURES, "arm/v6", "arm/v7"].map((name) => `linux/${name}`);
  const meant = ARCHITECTURES.includes(text) ? `; did you mean "linux/${text}"?` : didYouMean(text, known);
  throw new UsageError(
    `"${text}" is not a valid platform of an image${meant || "; write one like linux/amd64 or linux/arm64."}`,
  );
}
