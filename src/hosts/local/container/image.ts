import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { FalServerlessError } from "../../../errors.ts";
import type { LogEntry } from "../../../log-entry.ts";
import { failureReason } from "../../../packaging/engines.ts";
import { writeFileAtomic } from "../../../processes/atomic-file.ts";
import { runProgram } from "../../../processes/program.ts";
import type { ContainerEngine } from "../../../packaging/container-engine.ts";
import { inspectImage, pullImage, type FoundImage } from "../../../packaging/pull-image.ts";

/** An image on this machine that functions can run in. */
export interface LocalImage extends FoundImage {
  /** As requested. */
  readonly name: string;
  readonly node: { readonly version: string; readonly modules: string };
  /** Absent if the image has no npm. */
  readonly npm?: { readonly script: string; readonly version: string };
}

/** Options of {@link findImage}. */
export interface ImageOptions {
  /** The folder that caches the contents of images. */
  readonly cacheDirectory: string;
  readonly signal?: AbortSignal;
  readonly log?: (entry: LogEntry) => void;
}

type Contents = Pick<LocalImage, "node" | "npm">;

/** The oldest Node that runs functions. */
const OLDEST_NODE = [20, 19] as const;
/** Exit code of the engines if the image does not have the program to run. */
const NOT_FOUND_CODE = 127;
const MARK = "servable:";

// In the syntax of the oldest versions of Node.
const PROBE = `
var fs = require("fs"), path = require("path"), bin = path.dirname(process.execPath);
var places = [path.join(bin, "../lib/node_modules/npm"), path.join(bin, "node_modules/npm")];
(process.env.PATH || "").split(":").forEach(function (folder) {
  try { places.push(path.join(fs.realpathSync(folder + "/npm"), "../..")); } catch (error) {}
});
var npm;
places.forEach(function (place) {
  try {
    var version = JSON.parse(fs.readFileSync(place + "/package.json", "utf8")).version;
    var script = place + "/bin/npm-cli.js";
    fs.accessSync(script);
    npm = npm || { script: script, version: version };
  } catch (error) {}
});
console.log("${MARK}" + JSON.stringify({
  node: { version: process.versions.node, modules: process.versions.modules }, npm: npm,
}));
`;

/**
 * Finds an image, pulls it if it is missing, and inspects its contents.
 * @throws FalServerlessError: ENVIRONMENT_FAILED if it can't be pulled or has no suitable Node, CONTAINER_UNAVAILABLE if
 *   the engine can't run it; the signal's reason
 */
export async function findImage(
  engine: ContainerEngine,
  name: string,
  options: ImageOptions,
): Promise<LocalImage> {
  const found = (await inspectImage(engine, name, options)) ?? (await pullImage(engine, name, options));
  const contents = await contentsOf(engine, name, found.id, options);
  const { version } = contents.node;
  if (!isRecent(version)) {
    throw unusable(
      `The image ${name} has Node ${version}; functions run on ${OLDEST_NODE.join(".")} or newer.`,
    );
  }
  return { name, ...found, ...contents };
}

/** The contents of an image, which never change: read once, then cached on the disk. */
async function contentsOf(
  engine: ContainerEngine,
  name: string,
  id: string,
  options: ImageOptions,
): Promise<Contents> {
  const folder = join(options.cacheDirectory, "images");
  const path = join(folder, `${id.replace(/^sha256:/, "")}.json`);
  try {
    return JSON.parse(await readFile(path, "utf8")) as Contents;
  } catch {
    // not cached yet
  }
  const contents = await probe(engine, name, id, options);
  await mkdir(folder, { recursive: true });
  writeFileAtomic(path, JSON.stringify(contents));
  return contents;
}

async function probe(
  engine: ContainerEngine,
  name: string,
  id: string,
  { signal }: ImageOptions,
): Promise<Contents> {
  const { command } = engine;
  const args = ["run", "--rm", "--network=none", "--entrypoint=node", id, "-e", PROBE];
  const { code, stdout, lines } = await runProgram(command, args, { signal, endingBy: "alone" });
  const [, text] = new RegExp(`^${MARK}(.*)$`, "m").exec(stdout) ?? [];
  if (code === 0 && text !== undefined) return JSON.parse(text) as Contents;
  if (code === NOT_FOUND_CODE) {
    throw unusable(
      `The image ${name} has no program "node": a function runs on its image's own Node, ` +
        `${OLDEST_NODE.join(".")} or newer. Add it, or use an image such as node:22-slim.`,
    );
  }
  throw new FalServerlessError(
    "CONTAINER_UNAVAILABLE",
    `${command} can't run the image ${name}: ${failureReason(lines.join("\n")) || `exit code ${code}`}`,
  );
}

function isRecent(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
}

function unusable(message: string): FalServerlessError {
  return new FalServerlessError("ENVIRONMENT_FAILED", message);
}
