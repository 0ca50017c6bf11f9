import { dirname } from "node:path";
import type { Finding } from "./finding.ts";
import { checkDecorators, checkTypeScriptConfig } from "./typescript-checks.ts";
import { checkPackages, checkServable } from "./package-checks.ts";
import { checkFile } from "./file-check.ts";
import { checkNode, checkPort } from "./machine-checks.ts";
import { resolve } from "node:path";
import { parseTarget } from "../target.ts";

/** Runs every check, from the machine to the file. A failing check keeps none of the others from running. */
export async function runChecks(file: string | undefined): Promise<Finding[]> {
  const folder = file === undefined ? process.cwd() : folderOf(file);
  return [
    checkNode(process.versions.node),
    checkServable(folder),
    ...checkPackages(folder),
    checkTypeScriptConfig(folder),
    await checkDecorators(folder),
    await checkPort("app port", "PORT", 8080),
    await checkPort("metrics port", "METRICS_PORT", 9090),
    ...(file === undefined ? [] : [await checkFile(file)]),
  ];
}

function folderOf(file: string): string {
  try {
    return dirname(parseTarget(file).file);
  } catch {
    return resolve("."); // the check of the file says what is wrong with it
  }
}
