import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { compiledPackage } from "./compiled-package.ts";

/** The folder of this repository. */
export const root: string = fileURLToPath(new URL("../..", import.meta.url));

/** The program and first arguments of the compiled command line, for any working directory. */
export function cliCommand(): readonly string[] {
  return [process.execPath, join(compiledPackage(), "dist/cli/main.js")];
}

/** Variables that the test runner or a developer sets. */
const NOT_INHERITED =
  /^(?:HOST|PORT|METRICS_PORT|LOG_LEVEL|NO_COLOR|FORCE_COLOR|NODE_TEST_CONTEXT|NODE_OPTIONS|TSX_TSCONFIG_PATH|FAL_.*)$/;

/** An environment without the variables of the test runner or a developer: none of their keys or hosts is used. */
export function cleanEnvironment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !NOT_INHERITED.test(name));
  return { ...Object.fromEntries(inherited), ...extra };
}

/** A user's project with these files, in which servable and typebox are installed. Removed after the tests. */
export function createProject(files: Readonly<Record<string, string>>): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "servable-cli-")));
  after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(compiledPackage(), join(folder, "node_modules/servable"), "dir");
  symlinkSync(join(root, "node_modules/typebox"), join(folder, "node_modules/typebox"), "dir");
  const manifest = { "package.json": '{"type":"module"}' };
  for (const [name, text] of Object.entries({ ...manifest, ...files })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

/** The source of a class that answers `POST /` with `{"answer": …}`. */
export function appSource(name: string, answer: string, body = ""): string {
  return `import { App, endpoint } from "servable";
export class ${name} extends App {
  ${body}
  @endpoint("/")
  ask(): { answer: string } { return { answer: ${JSON.stringify(answer)} }; }
}
`;
}

/** The result of a command. */
export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line to its end. */
export async function runCli(
  args: readonly string[],
  cwd: string = root,
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  return new RunningCli(cliCommand(), args, cwd, env).ended;
}

/** A command that runs until it is stopped, at the latest after the tests. */
export function startCli(
  args: readonly string[],
  cwd: string = root,
  env: NodeJS.ProcessEnv = {},
  command: readonly string[] = cliCommand(),
): RunningCli {
  const running = new RunningCli(command, args, cwd, env);
  after(() => running.kill("SIGKILL"));
  return running;
}

/** One line that the app logged, as JSON. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

/** A process of the command line. */
export class RunningCli {
  readonly ended: Promise<Ended>;
  stdout = "";
  stderr = "";
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #waiting = new Set<() => void>();

  constructor(command: readonly string[], args: readonly string[], cwd: string, env: NodeJS.ProcessEnv) {
    const [program = "", ...first] = command;
    const child = spawn(program, [...first, ...args], {
      cwd,
      env: cleanEnvironment(env),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
      this.#check();
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
      this.#check();
    });
    this.ended = once(child, "close").then(([exitCode]) => {
      this.#check();
      return { exitCode: exitCode as number | null, stdout: this.stdout, stderr: this.stderr };
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves with the log lines once there are `count` whose message matches. Rejects if the process ends before. */
  async logged(message: RegExp, count = 1): Promise<LogLine[]> {
    return this.#until(() => {
      const found = this.lines().filter(({ msg }) => message.test(msg));
      return found.length >= count ? found : undefined;
    }, String(message));
  }

  /** Resolves once standard error matches. */
  async complained(text: RegExp): Promise<void> {
    await this.#until(() => (text.test(this.stderr) ? true : undefined), String(text));
  }

  /** Resolves once standard output matches. */
  async printed(text: RegExp): Promise<void> {
    await this.#until(() => (text.test(this.stdout) ? true : undefined), String(text));
  }

  /** Resolves with the app's address once it listens. */
  async listening(): Promise<string> {
    const [line] = await this.logged(/^listening$/);
    return String(line?.["url"]);
  }

  lines(): LogLine[] {
    return this.stdout
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as LogLine);
  }

  #check(): void {
    for (const check of this.#waiting) check();
  }

  #until<T>(find: () => T | undefined, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        this.#waiting.delete(check);
        reject(new Error(`${why} it said ${what}:\n${this.stdout}\n${this.stderr}`));
      };
      const late = setTimeout(() => fail(`${PATIENCE_MS} ms passed before`), PATIENCE_MS);
      const check = (): void => {
        const found = find();
        if (found === undefined) return;
        clearTimeout(late);
        this.#waiting.delete(check);
        resolve(found);
      };
      this.#waiting.add(check);
      check();
      void this.ended.then(() => {
        clearTimeout(late);
        fail("ended before");
      });
    });
  }
}

/** Longer than any step takes on a busy machine. */
const PATIENCE_MS = 60_000;

/** Ports 0, so that tests never use the same port. */
export const ANY_PORT: readonly string[] = ["--port", "0", "--metrics-port", "0"];

/** `POST url` on a connection of its own. @returns status and body as text */
export function ask(url: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      { method: "POST", agent: false, headers: { connection: "close", ...headers } },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (part: string) => (text += part));
        answer.on("end", () => resolve(`${answer.statusCode} ${text}`));
        answer.on("error", reject);
      },
    );
    call.on("error", reject);
    call.end();
  });
}
