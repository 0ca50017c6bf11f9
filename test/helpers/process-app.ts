import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { compiledProgram } from "./compiled-package.ts";

/** An app of test/fixtures/lifecycle.ts in a process of its own. */
export interface AppProcess {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly url: string;
  readonly port: number;
  readonly metricsUrl: string;
  /** The output so far. */
  output(): string;
  /** Resolves to the exit code. */
  readonly exited: Promise<number | null>;
  /** Sends SIGTERM, and resolves to the exit code. */
  stop(): Promise<number | null>;
}

const FIXTURE = fileURLToPath(new URL("../fixtures/lifecycle.ts", import.meta.url));

/** Runs the fixture with a scenario's name. Its lines on stdout report events, in order. */
export function spawnScenario(scenario: string, env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [compiledProgram(FIXTURE), scenario], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PORT: "0", METRICS_PORT: "0", ...env },
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
  const exited = once(child, "close").then(([code]) => code as number | null);
  return { child, exited, output: () => output };
}

/** Like `spawnScenario`, resolved once the app listens. */
export async function startProcess(
  scenario: string,
  env: Readonly<Record<string, string>> = {},
): Promise<AppProcess> {
  const started = spawnScenario(scenario, env);
  const { child, exited, output } = started;
  const listening = new Promise<RegExpExecArray>((resolve) => {
    const check = (): void => {
      const found = /listening (http\S+) (http\S+)/.exec(output());
      if (found !== null) resolve(found);
    };
    child.stdout.on("data", check);
  });
  const found = await Promise.race([listening, exited]);
  if (typeof found !== "object" || found === null)
    throw new Error(`it ended with ${String(found)}:\n${output()}`);
  const [, url = "", metricsUrl = ""] = found;
  return {
    ...started,
    url,
    port: Number(new URL(url).port),
    metricsUrl,
    stop: () => {
      child.kill("SIGTERM");
      return exited;
    },
  };
}
