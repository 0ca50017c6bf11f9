import type { Project } from "./project.ts";

/** What the image's health check asks. */
export interface HealthProbe {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** In seconds. */
  readonly timeoutSeconds: number;
  /** Failures count from then on, in seconds after the start. */
  readonly startPeriodSeconds: number;
  /** So many failures in a row mean unhealthy. */
  readonly failureThreshold: number;
}

/** What a Dockerfile has to know of an app. */
export interface ImageApp {
  /** The name it is deployed under. */
  readonly name: string;
  /** The name of its class, or of the export: what follows "::". */
  readonly className: string;
  readonly version: string;
  /** Its OpenAPI document. */
  readonly openapi: object;
  readonly health: HealthProbe;
  /** Where it listens. */
  readonly port: number;
}

/** Where the OpenAPI document is, as JSON. */
export const OPENAPI_LABEL = "dev.servable.openapi";
/** The user of the processes: the number of `node` in the official images, and a name in no other. */
const USER = "1000:1000";
/** Where the programs of this package are, once it is installed. */
const FRAMEWORK = "node_modules/servable/dist";
/** A line this long is continued on the next one: builders take no more than 64 KiB at once. */
const LABEL_WIDTH = 120;

/**
 * Writes the Dockerfile of an app and its npm project. Packages are installed in a stage of their own, from the
 * lockfile; the app comes last, so that a change of it makes one layer.
 */
export function generateDockerfile(app: ImageApp, project: Project, nodeVersion: string): string {
  const hidden = [...(project.hasNpmrc ? [".npmrc"] : []), ...project.archives];
  const target = `${project.file}::${app.className}`;
  return [
    `# The image of ${app.className} in ${project.file}, made by "servable build".`,
    `ARG NODE_VERSION=${project.nodeVersion ?? nodeVersion}`,
    "ARG BASE_IMAGE=docker.io/library/node:${NODE_VERSION}-slim",
    "",
    "# The packages, without those for development: made again when package.json or the lockfile change.",
    "FROM ${BASE_IMAGE} AS packages",
    "WORKDIR /app",
    "ENV NODE_ENV=production",
    ...project.npmrcVariables.map((name) => `ARG ${name}`),
    ...copies(["package.json", project.lockfile, ...hidden]),
    "# Leaves out what no program reads (source maps, type declarations, tests); TRIM_PACKAGES=0 keeps it.",
    "ARG TRIM_PACKAGES=1",
    // In one step: what a second one changes would be in two layers, and a file with two names would become two.
    `RUN npm ci --omit=dev --no-audit --no-fund && node ${FRAMEWORK}/packaging/trim/main.js`,
    "",
    ...(hidden.length > 0 ? sourceStage(hidden) : []),
    "FROM ${BASE_IMAGE}",
    "WORKDIR /app",
    `ENV NODE_ENV=production HOST=0.0.0.0 PORT=${app.port}`,
    `EXPOSE ${app.port}`,
    `USER ${USER}`,
    healthCheck(app.health),
    // Node itself is the process that gets SIGTERM.
    instruction("CMD", ["node", `${FRAMEWORK}/cli/main.js`, "run", target]),
    "COPY --from=packages /app/node_modules ./node_modules",
    hidden.length > 0 ? "COPY --from=sources /app ./" : "COPY . .",
    // In one instruction: each one costs a builder a step.
    `LABEL ${[
      label("org.opencontainers.image.title", app.name),
      label("org.opencontainers.image.version", app.version),
      label(OPENAPI_LABEL, JSON.stringify(app.openapi)),
    ].join(" \\\n")}`,
    "",
  ].join("\n");
}

/** The files of a folder's own names can go together; what lies deeper keeps its place. */
function copies(paths: readonly string[]): string[] {
  const flat = paths.filter((path) => !path.includes("/"));
  const deep = paths.filter((path) => path.includes("/"));
  return [
    copy(flat, "./"),
    ...deep.map((path) => copy([path], `./${path.slice(0, path.lastIndexOf("/") + 1)}`)),
  ];
}

function copy(sources: readonly string[], target: string): string {
  const isPlain = sources.every((source) => /^[\w.@/-]+$/.test(source));
  return isPlain ? `COPY ${[...sources, target].join(" ")}` : instruction("COPY", [...sources, target]);
}

/** What npm alone may see is in the context, but not in the image. */
function sourceStage(hidden: readonly string[]): string[] {
  const program = `${JSON.stringify(hidden)}.forEach(function (file) { require("fs").unlinkSync(file); })`;
  return [
    "# The app, without what only npm needs.",
    "FROM ${BASE_IMAGE} AS sources",
    "WORKDIR /app",
    "COPY . .",
    instruction("RUN", ["node", "-e", program]),
    "",
  ];
}

function healthCheck(probe: HealthProbe): string {
  const { method, path, timeoutSeconds, startPeriodSeconds, failureThreshold } = probe;
  const init =
    method === "GET"
      ? ""
      : `, { method: "POST", headers: { "content-type": "application/json" }, body: "{}" }`;
  const program =
    `fetch("http://127.0.0.1:" + process.env.PORT + ${JSON.stringify(path)}${init})` +
    ".then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))";
  const times = `--interval=15s --timeout=${timeoutSeconds}s --start-period=${startPeriodSeconds}s --retries=${failureThreshold}`;
  return `HEALTHCHECK ${times} ${instruction("CMD", ["node", "-e", program])}`;
}

/** An instruction in the form that needs no shell. */
function instruction(keyword: string, words: readonly string[]): string {
  return `${keyword} ${JSON.stringify(words)}`;
}

/** A label; a long value goes on over several lines, which are one to whoever reads the image. */
function label(name: string, value: string): string {
  const quoted = value.replaceAll(/["\\$]/g, "\\$&");
  const lines: string[] = [];
  let line = "";
  // After a comma, and before a quote: no line may start with space or "#", which would be lost.
  for (const part of quoted.split(/(?<=,)(?=\\")/)) {
    if (line.length + part.length > LABEL_WIDTH && line !== "") {
      lines.push(line);
      line = "";
    }
    line += part;
  }
  return `${name}="${[...lines, line].join("\\\n")}"`;
}
