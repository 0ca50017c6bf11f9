import { realpathSync } from "node:fs";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

/** Options of Node that apply only to the main process: debugger, watch mode, test runner. */
const OWN_OPTION = /^--(?:inspect|debug-port|watch|test)(?:$|[-=])/;
const VALUE_FOLLOWS =
  /^--(?:inspect-port|debug-port|watch-path|test-name-pattern|test-reporter|test-reporter-destination)$/;
/** Options whose value is the code that the main process runs. */
const CODE_OPTION = /^(?:-e|--eval|-p|--print|-pe)$/;

/** Environment variables that must not be inherited, because they apply only to one process. */
const OWN_VARIABLES = ["NODE_UNIQUE_ID", "NODE_CHANNEL_FD", "WATCH_REPORT_DEPENDENCIES"] as const;

const TYPESCRIPT = /\.[cm]?tsx?$/;
const TSX = /(?:^|[/\\=\s])tsx(?:$|[/\\\s])/;

/** The options of Node for a worker: those of this process, except the ones that only one process can have. */
export function workerNodeOptions(execArgv: readonly string[] = process.execArgv): string[] {
  const kept: string[] = [];
  for (let index = 0; index < execArgv.length; index++) {
    const option = execArgv[index] as string;
    if (CODE_OPTION.test(option) || VALUE_FOLLOWS.test(option)) index++;
    else if (!OWN_OPTION.test(option)) kept.push(option);
  }
  return kept;
}

/** The environment variables of a worker: those of this process, and the worker's own. */
export function workerEnvironment(
  own: Readonly<Record<string, string>>,
  environment: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...environment, ...own };
  for (const name of OWN_VARIABLES) delete env[name];
  const options = env["NODE_OPTIONS"];
  if (options !== undefined) env["NODE_OPTIONS"] = options.replace(/(^|\s)--inspect\S*/g, "$1").trim();
  return env;
}

/**
 * Whether a worker has to register the TypeScript loader itself. This is the case for a TypeScript file if the worker's
 * command line does not register a loader, and for every file if this process is the `servable` command, which always
 * registers it.
 */
export function registersTypeScript(moduleUrl: string): boolean {
  if (isServableCommand()) return true;
  const commandLine = [...workerNodeOptions(), process.env["NODE_OPTIONS"] ?? ""].join(" ");
  return TYPESCRIPT.test(moduleUrl) && !TSX.test(commandLine);
}

function isServableCommand(): boolean {
  const [, script] = process.argv;
  const command = fileURLToPath(new URL(`../cli/main${extname(import.meta.url)}`, import.meta.url));
  try {
    return script !== undefined && realpathSync(script) === command;
  } catch {
    return false; // Node was started without a file
  }
}
