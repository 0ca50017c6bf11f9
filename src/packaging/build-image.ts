import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FalServerlessError } from "../errors.ts";
import type { ContextEntry } from "../build-context/context-entries.ts";
import { failureReason, type Builder } from "./engines.ts";
import { runProgram, type ProgramEnd, type ProgramOptions } from "../processes/program.ts";
import { tarStream } from "../build-context/tar.ts";

/** Options of {@link buildImage}. */
export interface BuildRequest {
  readonly dockerfile: string;
  readonly entries: readonly ContextEntry[];
  /** The image's name. */
  readonly tag: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** Secrets of the build, by id. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** The target platform, such as "linux/arm64". Default: this machine's. */
  readonly platform?: string;
  /** Ignores the cache of layers. */
  readonly noCache?: boolean;
  /** Variables for the builder, such as where its logins are. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Called for each line that the builder prints. */
  readonly onLine?: (line: string) => void;
}

/** The result of a build. */
export interface BuiltImage {
  /** `sha256:` and 64 hexadecimal digits. */
  readonly id: string;
  readonly tag: string;
  /** The size of its layers in bytes, as reported by the builder; undefined for Buildah. */
  readonly sizeBytes: number | undefined;
}

/** The name of the Dockerfile in the archive. Projects have no file of this name. */
const DOCKERFILE = ".servable.dockerfile";
/** Number of output lines at the end of the error of a failed build. */
const SHOWN_LINES = 15;

/**
 * Builds an image and tags it at the end. A build that fails or is aborted leaves no image, container or temporary files,
 * only layers in the builder's cache.
 * @throws FalServerlessError with code BUILD_FAILED and the last lines of the builder; the signal's reason
 */
export async function buildImage(builder: Builder, request: BuildRequest): Promise<BuiltImage> {
  const { tag, signal, onLine } = request;
  const folder = await mkdtemp(join(tmpdir(), "servable-build-"));
  try {
    const idFile = join(folder, "image-id");
    const environment: NodeJS.ProcessEnv = {
      ...process.env,
      ...request.environment,
      // Podman and Buildah unpack the context here and leave it when they are killed. This folder is removed.
      TMPDIR: folder,
      SOURCE_DATE_EPOCH: "0",
    };
    const made = [
      { path: DOCKERFILE, content: request.dockerfile },
      { path: ".dockerignore", content: `${DOCKERFILE}\n.dockerignore\n` },
    ];
    const ours = new Set(made.map(({ path }) => path));
    const options: ProgramOptions = { environment, signal };
    const end = await runProgram(builder.command, await buildArguments(builder, request, folder, idFile), {
      ...options,
      endingBy: builder.flavor === "docker" ? "signal" : "step",
      input: tarStream(
        request.entries.filter(({ path }) => !ours.has(path)),
        made,
      ),
      onLine,
    });
    if (end.code !== 0) throw buildFailure(builder, end, request.platform);
    const id = withAlgorithm((await readFile(idFile, "utf8")).trim());
    const sizeBytes = await imageSize(builder, id, options);
    // Not aborted by the signal: otherwise it would be unknown whether the image is tagged.
    await mustRun(builder, ["tag", id, tag], { environment });
    return { id, tag, sizeBytes };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function buildArguments(
  { flavor }: Builder,
  request: BuildRequest,
  folder: string,
  idFile: string,
): Promise<string[]> {
  const { buildArgs = {}, secrets = {}, platform, noCache } = request;
  const own: Readonly<Record<Builder["flavor"], readonly string[]>> = {
    docker: ["build", "--force-rm", "--build-arg", "SOURCE_DATE_EPOCH=0"],
    // Only Docker's format has health checks.
    podman: ["build", "--force-rm", "--format", "docker", "--timestamp", "0"],
    buildah: ["bud", "--force-rm", "--layers", "--format", "docker", "--timestamp", "0"],
  };
  const secretArgs: string[] = [];
  for (const [index, [id, value]] of Object.entries(secrets).entries()) {
    const path = join(folder, `secret-${index}`);
    await writeFile(path, value, { mode: 0o600 });
    secretArgs.push("--secret", `id=${id},src=${path}`);
  }
  return [
    ...own[flavor],
    ...["--file", DOCKERFILE, "--iidfile", idFile],
    ...Object.entries(buildArgs).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
    ...secretArgs,
    ...(platform === undefined ? [] : ["--platform", platform]),
    ...(noCache === true ? ["--no-cache"] : []),
    "-",
  ];
}

async function imageSize(
  { command, flavor }: Builder,
  id: string,
  options: ProgramOptions,
): Promise<number | undefined> {
  if (flavor === "buildah") return undefined; // it does not report sizes
  const { code, stdout } = await runProgram(
    command,
    ["image", "inspect", "--format", "{{.Size}}", id],
    options,
  );
  const size = Number(stdout.trim());
  return code === 0 && Number.isFinite(size) ? size : undefined;
}

async function mustRun(
  { command }: Builder,
  args: readonly string[],
  options: ProgramOptions,
): Promise<void> {
  const { code, lines } = await runProgram(command, args, options);
  if (code === 0) return;
  const said = failureReason(lines.join("\n")) || `exit code ${code}`;
  throw new FalServerlessError("BUILD_FAILED", `${command} ${args.join(" ")}: ${said}`);
}

function buildFailure(
  { command }: Builder,
  { code, lines }: ProgramEnd,
  platform: string | undefined,
): FalServerlessError {
  const shown = lines.filter((line) => line.trim() !== "").slice(-SHOWN_LINES);
  const reason = code === undefined ? "was terminated" : `ended with exit code ${code}`;
  // The kernel reports this for a program of another architecture.
  const isForeign = lines.some((line) => /exec format error/i.test(line));
  return new FalServerlessError(
    "BUILD_FAILED",
    [
      `The image could not be built: ${command} ${reason}. Its last lines:`,
      ...shown.map((line) => `  ${line}`),
      ...(isForeign ? [emulationAdvice(platform)] : []),
    ].join("\n"),
  );
}

function emulationAdvice(platform: string | undefined): string {
  const target = platform === undefined ? "the base image's platform" : platform;
  return `This machine can't run programs of ${target}: set up QEMU for them (Debian: qemu-user-static and binfmt-support), or build on such a machine.`;
}

function withAlgorithm(id: string): string {
  return id.startsWith("sha256:") ? id : `sha256:${id}`;
}

/** The text that builders print before the reason of a failed push. */
const PREAMBLE = /^.*?(?:pinging container registry \S+|exists in \S+): /;

/**
 * Pushes an image to its registry, with the builder's own settings and logins.
 * @param tag the name of a local image, which starts with its registry
 * @throws FalServerlessError with code BUILD_FAILED; the signal's reason
 */
export async function pushImage(
  builder: Builder,
  tag: string,
  options: Pick<ProgramOptions, "signal" | "onLine"> = {},
): Promise<void> {
  const { code, lines } = await runProgram(builder.command, ["push", tag], options);
  if (code === 0) return;
  const reason = failureReason(lines.join("\n")).replace(PREAMBLE, "") || `exit code ${code}`;
  throw new FalServerlessError(
    "BUILD_FAILED",
    `${tag} is built, but ${builder.command} can't push it: ${reason.replace(/\.?$/, ".")} ${advice(builder, tag, reason)}`,
  );
}

function advice({ command, flavor }: Builder, tag: string, reason: string): string {
  const [first = ""] = tag.split("/");
  const registry = /[.:]/.test(first) || first === "localhost" ? first : "docker.io";
  if (reason.includes("HTTP response to HTTPS client")) {
    return flavor === "docker"
      ? `If the registry has no TLS, add "${registry}" to the "insecure-registries" of Docker's daemon.json.`
      : `If the registry has no TLS, add a file to /etc/containers/registries.conf.d: [[registry]], location = "${registry}", insecure = true.`;
  }
  if (/unauthori[sz]ed|authentication|denied|forbidden|credentials/i.test(reason)) {
    return `Log in with "${command} login ${registry}", as a user with permission to push.`;
  }
  return `Is ${registry} the right registry, and are you logged in (${command} login ${registry})?`;
}
