import { createHash } from "node:crypto";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ContextEntry } from "../../../build-context/context-entries.ts";
import { FalServerlessError } from "../../../errors.ts";
import { logEntry } from "../../../log-entry.ts";
import { buildImage } from "../../../packaging/build-image.ts";
import type { ContainerEngine } from "../../../packaging/container-engine.ts";
import { failureReason } from "../../../packaging/engines.ts";
import { inspectImage, pullImage } from "../../../packaging/pull-image.ts";
import { runProgram } from "../../../processes/program.ts";
import type { FileStore } from "../../state/files.ts";
import type { DeployedFile, Revision } from "../../state/revisions.ts";
import type { BuildOrder, PrepareOptions } from "../engine.ts";
import { SharedPreparations } from "../shared-preparations.ts";
import { readImage, type DeployedImage, type RegistryLogins } from "./deployed-image.ts";

/** The variables by which Docker and Podman find logins. They read the same file. */
const LOGIN_FILE = "config.json";

/**
 * The images of deployments. An image that is built has a name with the digest of what it is built from, so that it is built
 * once. Each revision has a name of its own for its image, which neither a later build nor a later pull changes.
 */
export class AppImages {
  readonly #files: FileStore;
  readonly #shared = new SharedPreparations();

  constructor(files: FileStore) {
    this.#files = files;
  }

  /** The name of a revision's image. */
  static nameOf({ id }: Pick<Revision, "id">): string {
    return `localhost/servable-revision:${id}`;
  }

  /**
   * Builds or pulls the image of a deployment.
   * @returns its name
   * @throws FalServerlessError with code BUILD_FAILED or ENVIRONMENT_FAILED; the signal's reason
   */
  async make(engine: ContainerEngine, order: BuildOrder, options: PrepareOptions): Promise<string> {
    const image = readImage(order.image);
    const { source } = image;
    const name = "dockerfile" in source ? builtName(order, image) : source.reference;
    await this.#shared.once(name, options, (shared) =>
      withLogins(image.registries, async (environment) => {
        if ("dockerfile" in source)
          await this.#build(engine, name, order, image, source.dockerfile, environment, shared);
        else await pull(engine, name, environment, shared);
      }),
    );
    return name;
  }

  /** Gives a revision its image, unless it has it. @throws as {@link make} */
  async prepare(engine: ContainerEngine, revision: Revision, options: PrepareOptions): Promise<void> {
    const own = AppImages.nameOf(revision);
    if ((await inspectImage(engine, own, options)) !== undefined) return;
    const { image, files } = revision.definition;
    const name = await this.make(engine, { image, files, isForced: false }, options);
    const { code, lines } = await runProgram(engine.command, ["tag", name, own], { endingBy: "alone" });
    if (code === 0) return;
    throw new FalServerlessError(
      "BUILD_FAILED",
      `${engine.command} can't name the image of the revision: ${failureReason(lines.join("\n"))}`,
    );
  }

  async #build(
    engine: ContainerEngine,
    name: string,
    { files, isForced }: BuildOrder,
    { buildArgs, secrets }: DeployedImage,
    dockerfile: string,
    environment: Readonly<Record<string, string>>,
    { signal, log }: PrepareOptions,
  ): Promise<void> {
    if (!isForced && (await inspectImage(engine, name, { signal })) !== undefined) return;
    log?.(logEntry(`building the image with ${engine.command}`, "BUILDER", "INFO"));
    await buildImage(engine, {
      dockerfile,
      entries: await this.#entries(files),
      tag: name,
      buildArgs,
      secrets,
      noCache: isForced,
      environment,
      signal,
      onLine: (line) => {
        if (line.trim() !== "") log?.(logEntry(line, "BUILDER", "INFO"));
      },
    });
  }

  /** The build context: the files of the deployment. */
  async #entries(files: readonly DeployedFile[]): Promise<readonly ContextEntry[]> {
    const sorted = files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
    return Promise.all(
      sorted.map(async ({ hash, path }) => {
        const source = this.#files.pathOf(hash);
        const { size } = await stat(source);
        return { path, kind: "file" as const, size, mode: this.#files.modeOf(hash), source };
      }),
    );
  }
}

/** The name of what is built: the same for the same Dockerfile, files and arguments. */
function builtName({ files }: BuildOrder, { source, buildArgs }: DeployedImage): string {
  const sorted = files
    .map(({ path, hash }) => [path, hash])
    .toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1));
  const args = Object.entries(buildArgs).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const digest = createHash("sha256")
    .update(JSON.stringify([source, args, sorted]))
    .digest("hex");
  return `localhost/servable-image:${digest.slice(0, 32)}`;
}

/** Pulls an image anew. One of this machine alone, or that can't be pulled, is used as it is. */
async function pull(
  engine: ContainerEngine,
  name: string,
  environment: Readonly<Record<string, string>>,
  options: PrepareOptions,
): Promise<void> {
  const isHere = (await inspectImage(engine, name, options)) !== undefined;
  if (isHere && name.startsWith("localhost/")) return;
  try {
    await pullImage(engine, name, { ...options, environment });
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!isHere) throw error;
    const why = (error as Error).message;
    options.log?.(logEntry(`using the image ${name} of this machine: ${why}`, "BUILDER", "WARNING"));
  }
}

/** Does work with logins for registries, which are in a file while it lasts. */
async function withLogins(
  registries: RegistryLogins,
  work: (environment: Readonly<Record<string, string>>) => Promise<void>,
): Promise<void> {
  if (Object.keys(registries).length === 0) return work({});
  const folder = await mkdtemp(join(tmpdir(), "servable-logins-"));
  try {
    const path = join(folder, LOGIN_FILE);
    const auths = Object.fromEntries(
      Object.entries(registries).map(([host, { username, password }]) => [
        host,
        { auth: Buffer.from(`${username}:${password}`).toString("base64") },
      ]),
    );
    await writeFile(path, JSON.stringify({ auths }), { mode: 0o600 });
    await work({ DOCKER_CONFIG: folder, REGISTRY_AUTH_FILE: path });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
