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
/** The secret of the build that has npm's settings. */
export const NPMRC_SECRET = "npmrc";
/** Where the project is in the image. */
const ROOT = "/app";
/** A line this long is continued on the next one: builders take no more than 64 KiB at once. */
const LABEL_WIDTH = 120;

/**
 * Writes the Dockerfile of an app and its npm project. Packages are installed in a stage of their own, from the
 * lockfile; the app comes last, so that a change of it makes one layer.
 */
export function generateDockerfile(app: ImageApp, project: Project, nodeVersion: string): string {
  const { folder, framework, nestedModules, packages } = project;
  const archives = project.archives.filter(isArchive);
  const target = `${project.file}::${app.className}`;
  const isInWorkspace = folder !== "";
  return [
    `# The image of ${app.className} in ${project.file}, made by "servable build".`,
    `ARG NODE_VERSION=${project.nodeVersion ?? nodeVersion}`,
    "ARG BASE_IMAGE=docker.io/library/node:${NODE_VERSION}-slim",
    "",
    "# The packages, without those for development: made again when package.json or the lockfile change.",
    "FROM ${BASE_IMAGE} AS packages",
    `WORKDIR ${ROOT}`,
    "ENV NODE_ENV=production",
    ...project.npmrcVariables.map((name) => `ARG ${name}`),
    ...copies([
      "package.json",
      project.lockfile,
      ...archives,
      ...packages.map((each) => `${each}/package.json`),
    ]),
    // Installed as a copy of the folder.
    ...project.archives.filter((path) => !isArchive(path)).map((path) => copy([path], `./${path}`)),
    ...(packages.length === 0 ? [] : scriptsRemoval(project)),
    "# Leaves out what no program reads (source maps, type declarations, tests); TRIM_PACKAGES=0 keeps it.",
    "ARG TRIM_PACKAGES=1",
    ...installation(project),
    "",
    ...(archives.length > 0 ? sourceStage(project) : []),
    "FROM ${BASE_IMAGE}",
    `WORKDIR ${isInWorkspace ? `${ROOT}/${folder}` : ROOT}`,
    `ENV NODE_ENV=production HOST=0.0.0.0 METRICS_HOST=0.0.0.0 PORT=${app.port}`,
    `EXPOSE ${app.port}`,
    `USER ${USER}`,
    healthCheck(app.health),
    // Node itself is the process that gets SIGTERM.
    instruction("CMD", [
      "node",
      `${isInWorkspace ? `${ROOT}/` : ""}${framework}/dist/cli/main.js`,
      "run",
      target,
    ]),
    ...["node_modules", ...nestedModules].map((path) =>
      isInWorkspace || path !== "node_modules"
        ? copyFrom("packages", `${ROOT}/${path}`, `${ROOT}/${path}`)
        : "COPY --from=packages /app/node_modules ./node_modules",
    ),
    ...(archives.length > 0
      ? [`COPY --from=sources ${ROOT} ${isInWorkspace ? ROOT : "."}/`]
      : sources(project)),
    // In one instruction: each one costs a builder a step.
    `LABEL ${[
      label("org.opencontainers.image.title", app.name),
      label("org.opencontainers.image.version", app.version),
      label(OPENAPI_LABEL, JSON.stringify(app.openapi)),
    ].join(" \\\n")}`,
    "",
  ].join("\n");
}

/** Takes the project in; of a workspace, the packages that the app uses, its own last. */
function sources({ folder, lockfile, packages, rootFiles }: Project): string[] {
  if (folder === "") return ["COPY . ."];
  return [
    copy(["package.json", lockfile, ...rootFiles], `${ROOT}/`),
    ...[...packages.filter((each) => each !== folder), folder].map((each) => copy([each], `${ROOT}/${each}`)),
  ];
}

/** What npm alone may see is in the context, but not in the image. */
function sourceStage(project: Project): string[] {
  const program = `${JSON.stringify(project.archives.filter(isArchive))}.forEach(function (file) { require("fs").rmSync(file, { force: true }); })`;
  return [
    "# The app, without what only npm needs.",
    "FROM ${BASE_IMAGE} AS sources",
    `WORKDIR ${ROOT}`,
    ...sources(project),
    instruction("RUN", ["node", "-e", program]),
    "",
  ];
}

/** npm would run the scripts of linked packages, whose sources are not there yet. */
function scriptsRemoval({ folder, packages }: Project): string[] {
  const files = [
    ...(folder === "" ? [] : ["package.json"]),
    ...packages.map((each) => `${each}/package.json`),
  ];
  const program =
    `${JSON.stringify(files)}.forEach(function (file) { var fs = require("fs"); var text = JSON.parse(fs.readFileSync(file, "utf8")); ` +
    "delete text.scripts; fs.writeFileSync(file, JSON.stringify(text)); })";
  return [
    "# Linked packages travel as they are: their scripts are not run.",
    instruction("RUN", ["node", "-e", program]),
  ];
}

/** In one step: what a second one changes would be in two layers, and a file with two names would become two. */
function installation({
  framework,
  installFlags,
  isFrameworkLinked,
  nestedModules,
  npmrc,
}: Project): string[] {
  const mount = `--mount=type=secret,id=${NPMRC_SECRET},target=${ROOT}/.npmrc,required=true `;
  const install = ["npm ci --omit=dev", ...installFlags.map(shellWord), "--no-audit --no-fund"].join(" ");
  const folders = nestedModules.map(shellWord);
  const trim = isFrameworkLinked
    ? ["mkdir -p node_modules", ...folders]
    : [`node ${shellWord(framework)}/dist/packaging/trim/main.js`, ...folders];
  return [
    ...(npmrc === undefined
      ? []
      : [
          `# npm's settings are a secret of the build, and in no layer: --secret id=${NPMRC_SECRET},src=.npmrc`,
        ]),
    `RUN ${npmrc === undefined ? "" : mount}${install} && ${trim.join(" ")}`,
  ];
}

function isArchive(path: string): boolean {
  return /\.(?:tgz|tar|tar\.gz)$/i.test(path);
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function copyFrom(stage: string, source: string, target: string): string {
  const words = [source, target];
  const isPlain = words.every(isPlainWord);
  return `COPY --from=${stage} ${isPlain ? words.join(" ") : JSON.stringify(words)}`;
}

function isPlainWord(word: string): boolean {
  return /^[\w.@/-]+$/.test(word);
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

function copy(words: readonly string[], target: string): string {
  const isPlain = words.every(isPlainWord);
  return isPlain ? `COPY ${[...words, target].join(" ")}` : instruction("COPY", [...words, target]);
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
