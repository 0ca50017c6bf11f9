import { cpSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "../../benchmarks/lib/command.ts";
import { ROOT, StagedPackage } from "../../benchmarks/lib/staged-package.ts";
import type { ContainerEngine } from "../../src/packaging/container-engine.ts";
import { runEngineProgram } from "./engine-program.ts";
import { TEST_IMAGE } from "./container-image.ts";

const CERTIFICATES = process.env["NODE_EXTRA_CA_CERTS"];

/** The base image of the tests: that of the container tests, with the extra CA certificates of this machine. */
export const BASE_IMAGE =
  CERTIFICATES === undefined ? TEST_IMAGE : `localhost/servable-test-base:${process.versions.node}`;

/** Makes the base image from that of the container tests, unless they are the same. */
export async function createBuildBase(engine: ContainerEngine, folder: string): Promise<void> {
  if (CERTIFICATES === undefined) return;
  cpSync(CERTIFICATES, join(folder, "certificates.crt"));
  const lines = [
    `FROM ${TEST_IMAGE}`,
    "COPY certificates.crt /certificates.crt",
    "ENV NODE_EXTRA_CA_CERTS=/certificates.crt",
  ];
  writeFileSync(join(folder, "Dockerfile"), `${lines.join("\n")}\n`);
  const format = engine.flavor === "podman" ? ["--format", "docker"] : [];
  const args = ["build", ...format, "-t", BASE_IMAGE, folder];
  const { code, stdout, stderr } = await runEngineProgram(engine.command, args);
  if (code !== 0) throw new Error(`The base image can't be built:\n${stdout}${stderr}`);
}

/** Makes a project from examples/language with this package installed as it would be published. */
export async function stageLanguageProject(folder: string): Promise<void> {
  await using staged = await StagedPackage.create();
  await staged.linkDependencies();
  const pack = ["pack", "--ignore-scripts", "--pack-destination", folder];
  await runCommand("npm", pack, { cwd: staged.folder });
  const archive = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  const manifest = {
    name: "language",
    version: "1.0.0",
    private: true,
    type: "module",
    dependencies: {
      "@vscode/vscode-languagedetection": "^1.0.23",
      servable: `file:${archive}`,
      typebox: "^1.4.3",
    },
  };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest, null, 2));
  cpSync(join(ROOT, "examples/language/app.ts"), join(folder, "app.ts"));
  const flags = ["--no-audit", "--no-fund", "--loglevel=error", "--ignore-scripts"];
  await runCommand("npm", ["install", ...flags], { cwd: folder });
}
