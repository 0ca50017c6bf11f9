import { FalServerlessError } from "../errors.ts";
import { logEntry, type LogEntry } from "../log-entry.ts";
import { runProgram } from "../processes/program.ts";
import type { ContainerEngine } from "./container-engine.ts";
import { failureReason } from "./engines.ts";

/** An image on this machine. */
export interface FoundImage {
  /** Changes when the name refers to another image. */
  readonly id: string;
  /** The user of its containers; empty for root. */
  readonly user: string;
}

/** Options of finding and pulling an image. */
export interface PullOptions {
  readonly signal?: AbortSignal | undefined;
  readonly log?: ((entry: LogEntry) => void) | undefined;
  /** Variables for the engine's program, such as where its logins are. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
}

/** An image name with Docker's default registry: Podman may have no default. */
export function qualifiedName(name: string): string {
  const [first = "", ...rest] = name.split("/");
  if (rest.length === 0) return `docker.io/library/${name}`;
  return /[.:]/.test(first) || first === "localhost" ? name : `docker.io/${name}`;
}

/** The image of a name; undefined if it is not on this machine. @throws the signal's reason */
export async function inspectImage(
  engine: Pick<ContainerEngine, "command">,
  name: string,
  { signal }: PullOptions = {},
): Promise<FoundImage | undefined> {
  const args = ["image", "inspect", name];
  const { code, stdout } = await runProgram(engine.command, args, { signal, endingBy: "alone" });
  if (code !== 0) return undefined;
  const [image] = JSON.parse(stdout) as readonly {
    readonly Id: string;
    readonly Config?: { readonly User?: string } | null;
  }[];
  return image === undefined ? undefined : { id: image.Id, user: image.Config?.User ?? "" };
}

/**
 * Pulls an image from its registry.
 * @throws FalServerlessError with code ENVIRONMENT_FAILED and the engine's words; the signal's reason
 */
export async function pullImage(
  engine: ContainerEngine,
  name: string,
  options: PullOptions,
): Promise<FoundImage> {
  const wanted = engine.flavor === "podman" ? qualifiedName(name) : name;
  options.log?.(logEntry(`pulling ${wanted}`, "BUILDER", "INFO"));
  const { code, lines } = await runProgram(engine.command, ["pull", wanted], {
    signal: options.signal,
    endingBy: "alone",
    environment: { ...process.env, ...options.environment },
    onLine: (line) => {
      if (line.trim() !== "") options.log?.(logEntry(line, "BUILDER", "INFO"));
    },
  });
  if (code !== 0) {
    const advice = "Correct the image's name, log in to its registry, or build it.";
    throw unusable(
      `The image ${name} is not on this machine and can't be pulled by ${engine.command}: ` +
        `${failureReason(lines.join("\n")) || `exit code ${code}`}. ${advice}`,
    );
  }
  const image = await inspectImage(engine, wanted, options);
  if (image === undefined)
    throw unusable(`${engine.command} has pulled the image ${name}, but does not find it.`);
  return image;
}

function unusable(message: string): FalServerlessError {
  return new FalServerlessError("ENVIRONMENT_FAILED", message);
}
