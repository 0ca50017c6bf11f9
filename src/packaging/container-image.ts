import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { didYouMean } from "../did-you-mean.ts";
import { DefinitionError } from "../errors.ts";
import type { CollectedFile, FileCollection } from "../build-context/collected-files.ts";
import { IgnoreRules, readIgnoreFile } from "../build-context/ignore-rules.ts";
import { copySources } from "../build-context/copy-sources.ts";
import { parseDockerfile } from "../build-context/dockerfile.ts";

/** Who may pull from a registry. */
export interface RegistryLogin {
  readonly username: string;
  readonly password: string;
}

/** What an image needs to run, wherever it comes from. */
export interface ImageRunOptions {
  /** Logins by the registry's host, for its base image or itself. */
  readonly registries?: Readonly<Record<string, RegistryLogin>>;
  /** In place of the image's own. A text is given to a shell, a list is not. */
  readonly entrypoint?: string | readonly string[];
  /** In place of the image's own. */
  readonly cmd?: string | readonly string[];
  /** False for a container that only listens on a port, as a servable does. Default: the platform's choice. */
  readonly useIsolate?: boolean;
}

/** What an image made of a Dockerfile takes. */
export interface ContainerImageOptions extends ImageRunOptions {
  /** Values of the Dockerfile's ARGs. */
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** Secrets of the build, by id, for `RUN --mount=type=secret`. Not those of the running app. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Who builds it on the platform. Default: the platform's choice. */
  readonly builder?: "depot";
  /** How its layers are compressed. Default "gzip". */
  readonly compression?: string;
  /** Compresses layers of the base image again. Default false. */
  readonly forceCompression?: boolean;
  /** What COPY and ADD are relative to. Default: the Dockerfile's own folder; of a text, the working directory. */
  readonly contextDirectory?: string;
  /**
   * Files to leave out, as gitignore patterns. Default: those of `ignoreFile`. Files whose names say that they hold
   * secrets are left out as well, unless an exception names them: `!.npmrc`.
   */
  readonly ignore?: readonly string[];
  /** A file of such patterns. Default: `.dockerignore` in the context if there is one, else the usual ones. */
  readonly ignoreFile?: string;
}

/** The form in which an image goes over the wire, with the wire's names. */
export type ContainerImageDict = Readonly<Record<string, unknown>>;

type Check = (value: unknown) => string | undefined;

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const text: Check = (value) => (typeof value === "string" && value !== "" ? undefined : "a text");
const flag: Check = (value) => (typeof value === "boolean" ? undefined : "true or false");
const texts: Check = (value) =>
  Array.isArray(value) && value.every((item) => typeof item === "string") ? undefined : "a list of texts";
const command: Check = (value) =>
  text(value) === undefined || texts(value) === undefined ? undefined : "a text or a list of texts";
const textByName: Check = (value) =>
  isRecord(value) && Object.values(value).every((item) => typeof item === "string")
    ? undefined
    : "an object of texts";
const logins: Check = (value) =>
  isRecord(value) &&
  Object.values(value).every(
    (login) =>
      isRecord(login) && text(login["username"]) === undefined && text(login["password"]) === undefined,
  )
    ? undefined
    : "an object from hosts to { username, password }";

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
  builder: (value) => (value === "depot" ? undefined : '"depot"'),
  compression: text,
  forceCompression: flag,
  contextDirectory: text,
  ignore: texts,
  ignoreFile: text,
};

/**
 * The container image of an app: made of a Dockerfile of one's own, or one that is there already.
 *
 * Nothing of it prints its secrets or logins; `toDict()` has them, for the wire.
 *
 * @example
 * ```ts
 * export default class Speaker extends App {
 *   static override image = ContainerImage.fromDockerfile("Dockerfile", { buildArgs: { VOICE: "en" } });
 * }
 * ```
 */
export class ContainerImage {
  /** The name of an image that is there; undefined for one that is made of a Dockerfile. */
  readonly reference: string | undefined;
  /** The text of the Dockerfile; undefined for an image that is there. */
  readonly dockerfile: string | undefined;
  /** What COPY and ADD are relative to: absolute. */
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
   * An image made of a Dockerfile.
   * @param path relative to the working directory
   * @throws DefinitionError with code IMAGE_INVALID: no such file, no Dockerfile, an option that makes no sense
   */
  static fromDockerfile(path: string, options: ContainerImageOptions = {}): ContainerImage {
    let content: string;
    try {
      content = readFileSync(path, "utf8");
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const why = code === "ENOENT" ? `There is no file ${path}.` : `${path} can't be read: ${message}.`;
      throw new DefinitionError("IMAGE_INVALID", why, { cause: error });
    }
    return ContainerImage.#make(content, dirname(resolve(path)), options);
  }

  /**
   * An image made of the text of a Dockerfile.
   * @throws DefinitionError with code IMAGE_INVALID: it is none, or an option makes no sense
   */
  static fromDockerfileString(content: string, options: ContainerImageOptions = {}): ContainerImage {
    return ContainerImage.#make(content, process.cwd(), options);
  }

  /**
   * An image that is in a registry already.
   * @param reference such as "ghcr.io/me/app:1"
   * @throws DefinitionError with code IMAGE_INVALID for an option that makes no sense
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

  /** Values of the Dockerfile's ARGs. */
  get buildArgs(): Readonly<Record<string, string>> {
    return this.#options.buildArgs ?? {};
  }

  /** Secrets of the build, by id. */
  get secrets(): Readonly<Record<string, string>> {
    return this.#options.secrets ?? {};
  }

  /** In place of the image's own. */
  get entrypoint(): string | readonly string[] | undefined {
    return this.#options.entrypoint;
  }

  /** In place of the image's own. */
  get cmd(): string | readonly string[] | undefined {
    return this.#options.cmd;
  }

  /** What the Dockerfile takes from its context: paths and globs relative to it; "." is all of it. */
  sources(): string[] {
    if (this.dockerfile === undefined) return [];
    return copySources(parseDockerfile(this.dockerfile), this.buildArgs);
  }

  /**
   * What stays behind: the list that was given, else the file that was given, else `.dockerignore` in the context,
   * else the usual ones. In any case secrets do that no exception names.
   * @throws DefinitionError with code IMAGE_INVALID when such a file can't be read, or the one that was given is not there
   */
  ignoreRules(): IgnoreRules {
    const { ignore, ignoreFile } = this.#options;
    if (ignore !== undefined) return new IgnoreRules(ignore, { guardsSecrets: true });
    if (ignoreFile === undefined) return IgnoreRules.of(this.contextDirectory);
    const lines = readIgnoreFile(ignoreFile);
    if (lines === undefined) throw invalid(`There is no ignore file ${ignoreFile}.`);
    return new IgnoreRules(lines, { guardsSecrets: true });
  }

  /** The same image with values of ARGs that go before its own. One that is there already stays as it is. */
  withBuildArgs(buildArgs: Readonly<Record<string, string>>): ContainerImage {
    if (this.dockerfile === undefined) return this;
    const options = { ...this.#options, buildArgs: { ...this.buildArgs, ...buildArgs } };
    assertOptions(options, BUILD_CHECKS);
    return new ContainerImage({ dockerfile: this.dockerfile }, this.contextDirectory, options);
  }

  /**
   * The files that a platform builds it from, as they are uploaded: links as what they lead to. None for an image that is
   * there already.
   * @throws FalServerlessError with code BUILD_FAILED for a source that is not there, UPLOAD_FAILED for what can't be
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

  /** The form in which it goes over the wire. It has the secrets: not for logs. */
  toDict(): ContainerImageDict {
    const { registries, entrypoint, cmd, useIsolate } = this.#options;
    const overrides = {
      ...(entrypoint === undefined ? {} : { entrypoint }),
      ...(cmd === undefined ? {} : { cmd }),
    };
    if (this.reference !== undefined) {
      return {
        image: this.reference,
        use_isolate: useIsolate ?? false,
        ...overrides,
        ...(registries === undefined ? {} : { registries }),
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
      // Of no use to the other side, which gets the files: where they are here is nobody's business.
      docker_context_dir: ".",
      docker_files_list: this.sources(),
      docker_ignore: this.ignoreRules().patterns,
      ...overrides,
      ...(useIsolate === undefined ? {} : { use_isolate: useIsolate }),
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
    const expected = value === undefined ? undefined : check(value);
    // Not the value: it may be a secret.
    if (expected !== undefined)
      throw invalid(`The option "${name}" of a container image must be ${expected}.`);
  }
}

function invalid(message: string): DefinitionError {
  return new DefinitionError("IMAGE_INVALID", message);
}
