import { dirname, resolve } from "node:path";
import { assertFree } from "../../server/connections/listen.ts";
import { findServables } from "../../routes/servable.ts";
import type { BaseServable } from "../../servable/base-servable.ts";
import { SETTINGS } from "../../settings/settings.ts";
import { routesOf } from "../banner.ts";
import { messageOf } from "../load-failure.ts";
import { loadModule } from "../module-loader.ts";
import { parseSourceTarget } from "../source-target.ts";
import type { Finding } from "./finding.ts";
import { checkDecorators, checkTypeScriptConfig } from "./typescript-checks.ts";
import { checkPackages, checkServable } from "./package-checks.ts";

/** Runs every check, from the machine to the file. All of them run, even if some fail. */
export async function runChecks(file: string | undefined): Promise<Finding[]> {
  const folder = file === undefined ? process.cwd() : folderOf(file);
  return [
    checkNode(process.versions.node),
    checkServable(folder),
    ...checkPackages(folder),
    checkTypeScriptConfig(folder),
    await checkDecorators(folder),
    await checkPort("app port", "PORT", SETTINGS.port.default),
    await checkPort("metrics port", "METRICS_PORT", SETTINGS.metricsPort.default),
    ...(file === undefined ? [] : [await checkFile(file)]),
  ];
}

function folderOf(file: string): string {
  try {
    return dirname(parseSourceTarget(file).file);
  } catch {
    return resolve("."); // the check of the file says what is wrong with it
  }
}

/** The oldest supported version of Node: major and minor. */
const OLDEST = [20, 19] as const;

/** Checks the version of Node. */
function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isEnough = major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
  return isEnough
    ? { name: "Node", status: "ok", message: version }
    : { name: "Node", status: "failed", message: version, advice: `install ${OLDEST.join(".")} or later` };
}

/** Checks that a port is free: that of the environment variable, else the default. */
async function checkPort(name: string, variable: string, usual: number): Promise<Finding> {
  const text = process.env[variable] || String(usual);
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    const advice = `set ${variable} to a number from 0 to 65535`;
    return { name, status: "failed", message: `${variable}="${text}" is not a valid port`, advice };
  }
  try {
    await assertFree({ host: process.env["HOST"] ?? "127.0.0.1", port });
    return { name, status: "ok", message: `${port} is free` };
  } catch (error) {
    const flag = variable === "PORT" ? "--port" : "--metrics-port";
    const why = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code;
    const message =
      why === "EADDRINUSE" ? `${port} is in use` : `${port} can't be opened: ${why ?? String(error)}`;
    return {
      name,
      status: "failed",
      message,
      advice: `stop what listens there, or run with ${flag} or ${variable}`,
    };
  }
}

/** Loads a file and creates each class it exports, as `servable run` does, without running setup(). */
async function checkFile(text: string): Promise<Finding> {
  try {
    const { file, shown, className } = parseSourceTarget(text);
    const found = findServables<BaseServable>(await loadModule(file));
    const wanted = className === undefined ? found : found.filter(({ name }) => name === className);
    if (wanted.length === 0) {
      return {
        name: shown,
        status: "failed",
        message: `exports no servable class${className === undefined ? "" : ` ${className}`}`,
        advice: "write: export default class MyApp extends App { … }",
      };
    }
    const described = wanted.map((servable) => {
      const app = servable.create();
      app.buildServer(); // checks the schemas
      return `${servable.name} (${routesOf(app)
        .map(({ kind, path }) => `${kind} ${path}`)
        .join(", ")})`;
    });
    return { name: shown, status: "ok", message: described.join("; ") };
  } catch (error) {
    return { name: text, status: "failed", message: messageOf(error).replace(/^\w+Error: /, "") };
  }
}
