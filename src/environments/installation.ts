import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { logEntry, type LogEntry } from "../log-entry.ts";
import type { EnvironmentSpec } from "./environment-spec.ts";
import { INSTALL_FLAGS, installProject, originFlags, stepsBeside } from "./install-plan.ts";
import { installFailure, type InstallSubject } from "./install-failure.ts";
import { readLockfile, type Lockfile } from "./lockfile.ts";
import type { NodeRuntime } from "./node-runtime.ts";
import { findNpm, npmEnvironment, readNpmSettings, registryOf } from "./npm.ts";
import { runNpm } from "./npm-run.ts";
import { absoluteRequirement, describeSteps } from "./requirement-specs.ts";

/** Options of {@link install}. */
export interface InstallParts {
  readonly spec: EnvironmentSpec;
  /** An empty folder. */
  readonly directory: string;
  /** The Node that the environment is for. */
  readonly node: NodeRuntime;
  /** Environment variables for npm, in addition to its usual ones. */
  readonly npmEnvironment: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  readonly log: (entry: LogEntry) => void;
}

/**
 * The oldest Node that npm is run with. For an environment with an older Node, npm runs with the Node of this process.
 */
const OLDEST_FOR_NPM = 20;

/**
 * Installs the packages of a spec into a folder. Returns the version of npm; undefined if there was nothing to install.
 * @throws FalServerlessError that says what failed; the signal's reason
 */
export async function install(parts: InstallParts): Promise<string | undefined> {
  const { spec, directory, log } = parts;
  const lockfile = spec.lockfile === undefined ? undefined : readLockfile(spec.lockfile);
  const steps =
    lockfile === undefined
      ? spec.steps
      : stepsBeside(lockfile, spec.steps, (message) => log(logEntry(message, "BUILDER", "WARNING")));
  writeProject(directory, lockfile, steps);
  mkdirSync(join(directory, "node_modules"));
  if (lockfile === undefined && steps.length === 0) return undefined;

  const { npm, run: runInstaller } = parts.node.installer ?? { npm: findNpm(), run: runNpm };
  const settings = readNpmSettings();
  const env = npmEnvironment(dirname(parts.node.executable), settings, parts.npmEnvironment);
  const isSupported = Number.parseInt(parts.node.version, 10) >= OLDEST_FOR_NPM;
  const subject: InstallSubject = {
    what: describeSteps(spec.steps, spec.lockfile),
    directory,
    registry: registryOf(env, settings),
  };
  const run = async (args: readonly string[]): Promise<void> => {
    const result = await runInstaller({
      npm,
      node: isSupported ? parts.node.executable : process.execPath,
      args,
      cwd: directory,
      env,
      signal: parts.signal,
      onLine: (line) => {
        if (line.trim() !== "") log(logEntry(line, "BUILDER", levelOf(line)));
      },
    });
    if (result.exitCode !== 0) throw installFailure(subject, result);
  };

  const projectSettings = join(directory, ".npmrc");
  try {
    // npm reads a project's settings from its working directory. They are removed afterwards, because they may contain
    // tokens.
    if (settings.project !== "") writeFileSync(projectSettings, settings.project, { mode: 0o600 });
    if (lockfile !== undefined) {
      log(logEntry(`installing what ${spec.lockfile ?? ""} lists`, "BUILDER", "INFO"));
      await run(["ci", ...INSTALL_FLAGS]);
    }
    for (const step of steps) {
      log(logEntry(`installing ${step.join(", ")}`, "BUILDER", "INFO"));
      await run([
        ...["install", ...INSTALL_FLAGS, ...originFlags(npm.version, step)],
        ...["--", ...step.map(absoluteRequirement)],
      ]);
    }
  } finally {
    rmSync(projectSettings, { force: true });
  }
  mkdirSync(join(directory, "node_modules"), { recursive: true }); // npm removes an empty one
  return npm.version ?? "unknown";
}

function writeProject(
  directory: string,
  lockfile: Lockfile | undefined,
  steps: EnvironmentSpec["steps"],
): void {
  const project = installProject(lockfile, steps, absoluteRequirement);
  writeFileSync(join(directory, "package.json"), `${JSON.stringify(project, null, 2)}\n`);
  if (lockfile !== undefined) writeFileSync(join(directory, "package-lock.json"), lockfile.text);
}

function levelOf(line: string): LogEntry["level"] {
  if (/^npm (?:ERR!|error)/.test(line)) return "ERROR";
  return /^npm (?:WARN|warn)/.test(line) ? "WARNING" : "INFO";
}
