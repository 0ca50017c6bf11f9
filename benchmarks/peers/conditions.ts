import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { PYTHON } from "./prerequisites.ts";
import { NPM_PACKAGES, PYTHON_ENVIRONMENTS } from "./products.ts";
import { SOURCES, WORK } from "./work-folder.ts";

/** Name and value of each condition of a run, for the report. */
export type Conditions = Readonly<Record<string, string>>;

/** Reads the conditions of a run: the machine, the interpreters and the versions of the measured products. */
export async function readConditions(environments: ReadonlySet<string>): Promise<Conditions> {
  const versions = [...(await npmVersions(environments)), ...(await pythonVersions(environments))];
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: cpus()[0]?.model.trim() || "unknown",
    cores: String(availableParallelism()),
    memory: `${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    kernel: `Linux ${release()}`,
    Node: process.version,
    Python: environments.size > 0 ? pythonVersion() : "not used",
    "load average at the start": loadavg()[0]?.toFixed(2) ?? "unknown",
    products: versions.join(", "),
  };
}

function pythonVersion(): string {
  try {
    return execFileSync(PYTHON, ["--version"], { encoding: "utf8" }).trim().replace("Python ", "");
  } catch {
    return "not installed";
  }
}

async function npmVersions(environments: ReadonlySet<string>): Promise<string[]> {
  const versionIn = (folder: string): string => {
    const text = readFileSync(join(WORK, folder, "package.json"), "utf8");
    return (JSON.parse(text) as { version: string }).version;
  };
  const own = environments.has("servable") ? [`servable ${versionIn("servable/node_modules/servable")}`] : [];
  if (!environments.has("npm")) return own;
  const rivals = Object.entries(NPM_PACKAGES).map(([name, [main = name]]) => {
    return `${name} ${versionIn(`npm/node_modules/${main}`)}`;
  });
  return [...own, ...rivals];
}

async function pythonVersions(environments: ReadonlySet<string>): Promise<string[]> {
  const names = PYTHON_ENVIRONMENTS.filter((name) => environments.has(name));
  return Promise.all(
    names.map(async (name) => {
      const pins = await readFile(join(SOURCES, "python", `${name}.txt`), "utf8");
      return `${name} ${new RegExp(`^${name}(?:\\[.*\\])?==(\\S+)`, "m").exec(pins)?.[1] ?? "of unknown version"}`;
    }),
  );
}
