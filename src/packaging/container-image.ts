import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { didYouMean } from "../did-you-mean.ts";
import { DefinitionError } from "../errors.ts";
import { omitUndefined } from "../settings/defined-fields.ts";
import { flag, isRecord, misfit, Misfit, oneOf, text, type Check } from "../settings/check.ts";
import type { CollectedFile, FileCollection } from "../build-context/collected-files.ts";
import { IgnoreRules, readIgnoreFile } from "../build-context/ignore-rules.ts";
import { copySources } from "../build-context/copy-sources.ts";
import { parseDockerfile } from "../build-context/dockerfile.ts";

/** Credentials for a registry. */
export interface RegistryLogin {
  readonly username: string;
  readonly password: string;
}

/** Options of every image. */
export interface ImageRunOptions {
  /** Credentials for the image and its base image, by host of the registry. */
  readonly registries?: Readonly<Record<string, RegistryLogin>>;
  /** Replaces the image's entrypoint. A string is run by a shell, a list is not. */
  readonly entrypoint?: string | readonly string[];
  /** Replaces the image's command. */
  readonly cmd?: string | readonly string[];
  /** False for a container that only listens on a port, as a servable does. If omitted, the platform decides. */
  readonly useIsolate?: boolean;
}

/** Options of an image that is built from a Dockerfile. */
export interface ContainerImageOptions extends ImageRunOptions {
  /** Values for the ARG instructions of the Dockerfile. */
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** Secrets of the build for `RUN --mount=type=secret`, by id. The running app does not receive them. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** The platform's build service. If omitted, the platform decides. */
  readonly builder?: "depot";
  /** The compression of its layers. Default "gzip". */
  readonly compression?: string;
  /** Also compresses the layers of the base image again. Default false. */
  readonly forceCompression?: boolean;
  /** The folder that COPY and ADD are relative to. Default: the Dockerfile's folder, or the working directory for a string. */
  readonly contextDirectory?: string;
  /**
   * Files to exclude, as gitignore patterns. Default: the patterns of `ignoreFile`. Files whose names are typical of
   * secrets are excluded as well, unless an exception names them: `!.npmrc`.
   */
  readonly ignore?: readonly string[];
  /** A file of such patterns. Default: the `.dockerignore` of the context, else common patterns. */
  readonly ignoreFile?: string;
}

/** The representation of an image in the protocol of a platform. */
export type ContainerImageDict = Readonly<Record<string, unknown>>;

/** Items may be empty: a blank line of ignore patterns, an empty argument. */
const anyTexts: Check = (value) =>
  Array.isArray(value) && value.every((item) => typeof item === "string")
    ? value
    : misfit("a list of texts", value);
const command: Check = (value) =>
  [text()(value), anyTexts(value)].every((result) => result instanceof Misfit)
    ? misfit("a text or a list of texts", value)
    : value;
const textByName: Check = (value) =>
  isRecord(value) && Object.values(value).every((item) => typeof item === "string")
    ? value
    : misfit("an object of texts", value);
const isText = (value: unknown): boolean => typeof value === "string" && value !== "";
const logins: Check = (value) =>
  isRecord(value) &&
  Object.values(value).every(
    (login) => isRecord(login) && isText(login["username"]) && isText(login["password"]),
  )
    ? value
    : misfit("an object from hosts to { username, password }", value);

const RUN_CHECKS: Readonly<Record<keyof ImageRunOptions, Check>> = {
  registries: logins,
  entrypoint: command,
  cmd: command,
  useIsolate: flag,
};
const BUILD_CHECKS: Readonly<Record<keyof ContainerImageOptions, Check>> = {
  ...RUN_CHECKS,
  buildArgs: textByName,
  secrets: textByName,
  builder: oneOf("depot"),
  compression: text(),
  forceCompression: flag,
  contextDirectory: text(),
  ignore: anyTexts,
  ignoreFile: text(),
};

/**
 * The container image of an app: built from your Dockerfile, or an existing image of a registry.
 *
 * Printing it does not show secrets or credentials; only `toDict()` contains them.
 *
 * @example
 * ```ts
 * export default class Speaker extends App {
 *   static override image = ContainerImage.fromDockerfile("Dockerfile", { buildArgs: { VOICE: "en" } });
 * }
 * ```
 */
export class ContainerImage {
  /** The name of an existing image; undefined for an image built from a Dockerfile. */
  readonly reference: string | undefined;
  /** The text of the Dockerfile; undefined for an existing image. */
  readonly dockerfile: string | undefined;
  /** The absolute path of the folder that COPY and ADD are relative to. */
  readonly contextDirectory: string;
  readonly #options: ContainerImageOptions;

  private constructor(
    source: { readonly reference: string } | { readonly dockerfile: string },
    contextDirectory: string,
    options: ContainerImageOptions,
  ) {
    this.reference = "reference" in source ? source.reference : undefined;
    this.dockerfile = "dockerfile" in source ? source.dockerfile : undefined;
    this.contextDirectory = contextDirectory;
    this.#options = options;
  }

  /**
   * An image built from a Dockerfile.
   * @param path relative to the working directory
   * @throws DefinitionError with code IMAGE_INVALID if the file is missing or not a valid Dockerfile, or an option is invalid
   */
  static fromDockerfile(path: string, options: ContainerImageOptions = {}): ContainerImage {
    let content: string;
    try {
      content = readFileSync(path, "utf8");
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const why =
        code === "ENOENT" ? `The file ${path} does not exist.` : `${path} can't be read: ${message}.`;
      throw new DefinitionError("IMAGE_INVALID", why, { cause: error });
    }
    return ContainerImage.#make(content, dirname(resolve(path)), options);
  }

  /**
   * An image built from the text of a Dockerfile.
   * @throws DefinitionError with code IMAGE_INVALID if the text is not a valid Dockerfile, or an option is invalid
   */
  static fromDockerfileString(content: string, options: ContainerImageOptions = {}): ContainerImage {
    return ContainerImage.#make(content, process.cwd(), options);
  }

  /**
   * An existing image of a registry.
   * @param reference such as "ghcr.io/me/app:1"
   * @throws DefinitionError with code IMAGE_INVALID if the reference or an option is invalid
   */
  static fromImage(reference: string, options: ImageRunOptions = {}): ContainerImage {
    if (typeof reference !== "string" || !/^[\w][^\s]*$/.test(reference)) {
      throw invalid('An image is named like "ghcr.io/me/app:1".');
    }
    assertOptions(options, RUN_CHECKS);
    return new ContainerImage({ reference }, process.cwd(), options);
  }

  static #make(content: string, folder: string, options: ContainerImageOptions): ContainerImage {
    assertOptions(options, BUILD_CHECKS);
    if (typeof content !== "string" || content.trim() === "") throw invalid("The Dockerfile is empty.");
    parseDockerfile(content);
    const directory = options.contextDirectory === undefined ? folder : resolve(options.contextDirectory);
    return new ContainerImage({ dockerfile: content }, directory, { ...options });
  }

  /** Values for the ARG instructions of the Dockerfile. */
  get buildArgs(): Readonly<Record<string, string>> {
    return this.#options.buildArgs ?? {};
  }

  /** Secrets of the build, by id. */
  get secrets(): Readonly<Record<string, string>> {
    return this.#options.secrets ?? {};
  }

  /** Replaces the image's entrypoint. */
  get entrypoint(): string | readonly string[] | undefined {
    return this.#options.entrypoint;
  }

  /** Replaces the image's command. */
  get cmd(): string | readonly string[] | undefined {
    return this.#options.cmd;
  }

  /** The paths and globs that the Dockerfile copies from its context; "." is the whole context. */
  sources(): string[] {
    if (this.dockerfile === undefined) return [];
    return copySources(parseDockerfile(this.dockerfile), this.buildArgs);
  }

  /**
   * The rules for excluded files: the option `ignore`, else the option `ignoreFile`, else the `.dockerignore` of the
   * context, else common patterns. They also exclude secrets that no exception names.
   * @throws DefinitionError with code IMAGE_INVALID if the file can't be read, or `ignoreFile` does not exist
   */
  ignoreRules(): IgnoreRules {
    const { ignore, ignoreFile } = this.#options;
    if (ignore !== undefined) return new IgnoreRules(ignore, { guardsSecrets: true });
    if (ignoreFile === undefined) return IgnoreRules.of(this.contextDirectory);
    const lines = readIgnoreFile(ignoreFile);
    if (lines === undefined) throw invalid(`The ignore file ${ignoreFile} does not exist.`);
    return new IgnoreRules(lines, { guardsSecrets: true });
  }

  /** The same image with other values for ARGs, which override its own. An existing image is returned unchanged. */
  withBuildArgs(buildArgs: Readonly<Record<string, string>>): ContainerImage {
    if (this.dockerfile === undefined) return this;
    const options = { ...this.#options, buildArgs: { ...this.buildArgs, ...buildArgs } };
    assertOptions(options, BUILD_CHECKS);
    return new ContainerImage({ dockerfile: this.dockerfile }, this.contextDirectory, options);
  }

  /**
   * The files that a platform builds the image from. Links are replaced by their targets. Empty for an existing image.
   * @throws FalServerlessError with code BUILD_FAILED for a missing source, UPLOAD_FAILED for a file that can't be
   * uploaded; DefinitionError with code IMAGE_INVALID
   */
  async collectFiles(options: FileCollection = {}): Promise<CollectedFile[]> {
    if (this.dockerfile === undefined) return [];
    const [{ collectContext, secretsNotice }, { collectFiles }] = await Promise.all([
      import("../build-context/context-entries.ts"),
      import("../build-context/collected-files.ts"),
    ]);
    const directory = this.contextDirectory;
    const ignore = this.ignoreRules();
    const secrets: string[] = [];
    const onSecret = (path: string): void => void secrets.push(path);
    const entries = await collectContext({ directory, sources: this.sources(), ignore, onSecret });
    const notice = secretsNotice(secrets);
    if (notice !== undefined) options.onWarning?.(notice);
    const paths = entries.filter(({ kind }) => kind !== "folder").map(({ path }) => path);
    if (paths.length === 0) return [];
    return collectFiles({ context: directory, paths, ignore, ...options });
  }

  /** The representation in the protocol of a platform. It contains the secrets: do not log it. */
  toDict(): ContainerImageDict {
    const { registries, entrypoint, cmd, useIsolate } = this.#options;
    const overrides = omitUndefined({ entrypoint, cmd });
    if (this.reference !== undefined) {
      return {
        image: this.reference,
        use_isolate: useIsolate ?? false,
        ...overrides,
        ...omitUndefined({ registries }),
      };
    }
    return {
      dockerfile_str: this.dockerfile,
      build_args: this.buildArgs,
      secrets: this.secrets,
      registries: registries ?? {},
      builder: this.#options.builder ?? null,
      compression: this.#options.compression ?? "gzip",
      force_compression: this.#options.forceCompression ?? false,
      // The platform receives the files themselves, so the path on this machine is not sent.
      docker_context_dir: ".",
      docker_files_list: this.sources(),
      docker_ignore: this.ignoreRules().patterns,
      ...overrides,
      ...omitUndefined({ use_isolate: useIsolate }),
    };
  }
}

function assertOptions(options: object, checks: Readonly<Record<string, Check>>): void {
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (check === undefined) {
      const known = Object.keys(checks);
      const hint = didYouMean(name, known) || `; it takes ${known.join(", ")}.`;
      throw invalid(`A container image has no option "${name}"${hint}`);
    }
    const result = value === undefined ? undefined : check(value);
    // The message omits the value, which may be a secret.
    if (result instanceof Misfit)
      throw invalid(`The option "${name}" of a container image must be ${result.expected}.`);
  }
}

function invalid(message: string): DefinitionError {
  return new DefinitionError("IMAGE_INVALID", message);
}
