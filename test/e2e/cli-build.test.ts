import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { copySources } from "../../src/build-context/copy-sources.ts";
import { parseDockerfile } from "../../src/build-context/dockerfile.ts";
import {
  appSource,
  cleanEnvironment,
  cliCommand,
  createProject,
  runCli,
  startCli,
  type Ended,
} from "../helpers/cli.ts";

const isPosix = process.platform !== "win32";

const MANIFEST = JSON.stringify({ type: "module", dependencies: { servable: "*" } });
const LOCKFILE = JSON.stringify({ lockfileVersion: 3, packages: {} });
const FILES = {
  "package.json": MANIFEST,
  "package-lock.json": LOCKFILE,
  "app.ts": appSource("Answer", "yes"),
  "lib/part.ts": "export const part = 1;\n",
  "README.md": "read me",
  "notes.log": "a log",
  ".env": "SECRET=1",
};

interface Plan {
  readonly tag: string;
  readonly dockerfile: string;
  readonly directory: string;
  readonly files: readonly { path: string; sizeBytes: number; mode: string }[];
  readonly totalBytes: number;
  readonly leftOut: readonly string[];
}

async function plan(project: string, args: readonly string[] = []): Promise<Plan> {
  const { exitCode, stdout, stderr } = await runCli(
    ["build", "app.ts", "--dry-run", "--json", ...args],
    project,
  );
  assert.equal(exitCode, 0, stderr);
  return JSON.parse(stdout) as Plan;
}

function assertOneLine({ exitCode, stdout, stderr }: Ended, message: RegExp): void {
  assert.deepEqual([exitCode, stdout], [1, ""]);
  assert.match(stderr, message);
  assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
}

describe("servable build --dry-run", () => {
  test("prints a valid Dockerfile, and the files with their sizes", async () => {
    const project = createProject(FILES);
    const { exitCode, stdout } = await runCli(["build", "app.ts", "--dry-run"], project);
    assert.equal(exitCode, 0);
    const { instructions } = parseDockerfile(stdout);
    assert.ok(instructions.some(({ text }) => text.endsWith('"app.ts::Answer"]')));
    assert.match(stdout, /\n# +\d+ B {2}app\.ts\n# +\d+ B {2}lib\/part\.ts\n/);
    assert.match(stdout, /\n# 4 files, \d+ B, in .*\n# The image would be called answer:0\.1\.0\.\n$/);
  });

  test("prints the same as JSON: the files include no notes, secrets or packages", async () => {
    const project = createProject(FILES);
    const { tag, directory, files, totalBytes } = await plan(project, ["--tag", "ghcr.io/me/answer:2"]);
    assert.equal(tag, "ghcr.io/me/answer:2");
    assert.equal(directory, project);
    assert.deepEqual(
      files.map(({ path }) => path),
      ["app.ts", "lib/part.ts", "package-lock.json", "package.json"],
    );
    assert.equal(
      totalBytes,
      files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    );
  });

  test("derives a valid image name from any version", async () => {
    const source = appSource("Answer", "yes", `static override version = "-1+über${"0".repeat(200)}";`);
    const { tag } = await plan(createProject({ ...FILES, "app.ts": source }));
    assert.equal(tag, `answer:_1--ber${"0".repeat(121)}`);
  });

  test("applies .dockerignore, appFilesIgnore and appFiles", async () => {
    const statics = 'static override appFiles = ["README.md"]; static override appFilesIgnore = ["/lib"];';
    const project = createProject({
      ...FILES,
      "app.ts": appSource("Answer", "yes", statics),
      ".dockerignore": "*.md\n.env\n.dockerignore\n*.json\n",
    });
    const { files } = await plan(project);
    assert.deepEqual(
      files.map(({ path }) => path),
      ["README.md", "app.ts", "notes.log", "package-lock.json", "package.json"],
    );
  });

  test("uses the class's health endpoint, port and startup timeout", async () => {
    const source = appSource(
      "Answer",
      "yes",
      `static override exposedPort = 9000; static override startupTimeout = 42;
       @endpoint("/well", { healthCheck: { timeoutSeconds: 2 } }) well(): void {}`,
    );
    const { dockerfile } = await plan(createProject({ ...FILES, "app.ts": source }));
    assert.match(dockerfile, /PORT=9000\nEXPOSE 9000\n/);
    assert.match(dockerfile, /--timeout=2s --start-period=42s --retries=3 .*\/well.*POST/);
  });

  test("shows the app's own Dockerfile, and only the files that it copies", async () => {
    const project = createProject(FILES);
    const image =
      'static override image = ContainerImage.fromDockerfile("Dockerfile", { cmd: ["node", "x"], ignore: [] });';
    writeFileSync(
      join(project, "app.ts"),
      appSource("Own", "yes", image).replace("App,", "App, ContainerImage,"),
    );
    writeFileSync(join(project, "Dockerfile"), "FROM node:22\nARG A=1\nCOPY lib ./lib\n");
    const { dockerfile, files } = await plan(project, ["--build-arg", "A=2"]);
    assert.equal(dockerfile, 'FROM node:22\nARG A=1\nCOPY lib ./lib\nCMD ["node","x"]\n');
    assert.deepEqual(copySources(parseDockerfile(dockerfile)), ["lib"]);
    assert.deepEqual(
      files.map(({ path }) => path),
      ["lib/part.ts"],
    );
  });
});

describe("servable build in a workspace", () => {
  const link = (folder: string): object => ({ resolved: folder, link: true });
  const ROOT = {
    "package.json": JSON.stringify({ workspaces: ["packages/*"] }),
    "package-lock.json": JSON.stringify({
      lockfileVersion: 3,
      packages: {
        "": {},
        "node_modules/@me/app": link("packages/app"),
        "node_modules/@me/lib": link("packages/lib"),
        "node_modules/other": link("packages/other"),
        "node_modules/servable": {},
        "packages/app": { dependencies: { servable: "*", "@me/lib": "*" } },
        "packages/lib": {},
        "packages/other": {},
      },
    }),
    "packages/app/package.json": MANIFEST,
    "packages/app/app.ts": appSource(
      "Answer",
      "yes",
      'static override appFiles = ["a.md"]; static override appFilesIgnore = ["/data"];',
    ),
    "packages/app/a.md": "",
    "packages/app/b.md": "",
    "packages/app/data/x": "",
    "packages/app/.dockerignore": "*.log\n",
    "packages/app/x.log": "",
    "packages/lib/package.json": '{"name":"@me/lib","exports":"./index.ts"}',
    "packages/lib/index.ts": "export const one: number = 1;\n",
    "packages/lib/data/y": "",
    "packages/lib/x.log": "",
    "packages/other/package.json": "{}",
    "tsconfig.json": "{}",
    ".dockerignore": "*.md\n",
  };

  test("includes the app's package and the packages it uses, from any working directory", async () => {
    const project = createProject(ROOT);
    for (const [folder, file] of [
      [".", "packages/app/app.ts"],
      ["packages/app", "app.ts"],
      ["packages/lib", "../app/app.ts"],
    ] as const) {
      const args = ["build", file, "--dry-run", "--json"];
      const { exitCode, stdout, stderr } = await runCli(args, join(project, folder));
      assert.equal(exitCode, 0, stderr);
      const { directory, files } = JSON.parse(stdout) as Plan;
      assert.equal(directory, project);
      assert.deepEqual(
        files.map(({ path }) => path),
        [
          "package-lock.json",
          "package.json",
          "packages/app/.dockerignore",
          "packages/app/a.md",
          "packages/app/app.ts",
          "packages/app/package.json",
          "packages/lib/data/y",
          "packages/lib/index.ts",
          "packages/lib/package.json",
          "packages/lib/x.log",
          "tsconfig.json",
        ],
      );
    }
  });

  test("names the root once, and reports a workspace of another package manager", async () => {
    const { "package-lock.json": _, ...files } = ROOT;
    const project = createProject(files);
    const build = (): Promise<Ended> => runCli(["build", "app.ts"], join(project, "packages/app"));
    assertOneLine(
      await build(),
      /\S+, the root of the workspace of packages\/app, has no package-lock\.json: run/,
    );
    writeFileSync(join(project, "yarn.lock"), "");
    assertOneLine(await build(), /the workspace of packages\/app, has the lockfile of Yarn .*fromDockerfile/);
  });
});

describe("servable build without secrets", () => {
  const own = (dockerfile: string, options = ""): string =>
    appSource(
      "Own",
      "yes",
      `static override image = ContainerImage.fromDockerfileString("FROM a\\n${dockerfile}"${options});`,
    ).replace("App,", "App, ContainerImage,");
  const SECRETS = { ...FILES, ".npmrc": "a=b", "src/.env.production": "A=1", ".aws/credentials": "" };

  test("names the secrets that it leaves out, with any Dockerfile and with a .dockerignore", async () => {
    const project = createProject({
      ...SECRETS,
      "app.ts": own("COPY . ."),
      ".dockerignore": "node_modules\n",
    });
    const { files, leftOut } = await plan(project);
    assert.deepEqual(leftOut, [".aws/", ".env", ".npmrc", "src/.env.production"]);
    assert.ok(!files.some(({ path }) => /env|npmrc|aws/.test(path)));
    const { stdout } = await runCli(["build", "app.ts", "--dry-run"], project);
    assert.match(
      stdout,
      /\n# Excluded because they may contain secrets: \.aws\/, \.env, \.npmrc, src\/\.env\.production\. /,
    );
    writeFileSync(join(project, "app.ts"), appSource("Answer", "yes"));
    const generated = await plan(project);
    assert.deepEqual(generated.leftOut, [".aws/", ".env", "src/.env.production"]);
    assert.match(generated.dockerfile, /--mount=type=secret,id=npmrc,/);
    assert.ok(!generated.files.some(({ path }) => /env|npmrc|aws/.test(path)));
  });

  test("includes a secret that an exception names, and says how to add one when the Dockerfile copies a secret", async () => {
    const project = createProject({ ...SECRETS, "app.ts": own("COPY .npmrc ./") });
    const { exitCode, stderr } = await runCli(["build", "app.ts", "--dry-run"], project);
    assert.equal(exitCode, 1);
    assert.match(
      stderr,
      /copies "\.npmrc", which is excluded because it may contain secrets: .*add "!\.npmrc" to/,
    );
    writeFileSync(join(project, ".dockerignore"), "*\n!app.ts\n!.npmrc\n");
    assert.deepEqual(
      (await plan(project)).files.map(({ path }) => path),
      [".npmrc"],
    );
    writeFileSync(join(project, "app.ts"), own("COPY .env src ./", ', { ignore: ["!.env*"] }'));
    assert.deepEqual(
      (await plan(project)).files.map(({ path }) => path),
      [".env", "src/.env.production"],
    );
  });
});

describe("servable build reports in one line", () => {
  const build = (project: string, ...args: readonly string[]): Promise<Ended> =>
    runCli(["build", "app.ts", ...args], project);

  test("a missing lockfile, and a package.json without this package", async () => {
    const project = createProject(FILES);
    rmSync(join(project, "package-lock.json"));
    assertOneLine(await build(project), / has no package-lock\.json: run "npm install" there\./);
    writeFileSync(join(project, "pnpm-lock.yaml"), "");
    assertOneLine(await build(project), /lockfile of pnpm .*ContainerImage\.fromDockerfile/);
    writeFileSync(join(project, "package.json"), '{"type":"module"}');
    assertOneLine(await build(project), /does not have servable among its dependencies/);
  });

  test("an invalid tag or build argument, with the likely one", async () => {
    const project = createProject(FILES);
    assertOneLine(
      await build(project, "--tag", "My App"),
      /"My App" is not a valid image name; write one like/,
    );
    assertOneLine(await build(project, "--build-arg", "=1"), /--build-arg takes NAME=value, not "=1"/);
    assertOneLine(await build(project, "--build-arg", "UNSET_HERE"), /UNSET_HERE has no value: write/);
    assertOneLine(
      await build(project, "--build-arg", "BASE_IMGE=x"),
      /The Dockerfile has no ARG BASE_IMGE; did you mean "BASE_IMAGE"\?/,
    );
  });

  test("an invalid platform, and --push without a registry", async () => {
    const project = createProject(FILES);
    const wrong = (platform: string, ...args: string[]): Promise<Ended> =>
      build(project, "--platform", platform, ...args);
    assertOneLine(
      await wrong("arm64"),
      /"arm64" is not a valid platform of an image; did you mean "linux\/arm64"\?/,
    );
    assertOneLine(await wrong("linux/amd64,linux/arm64"), /--platform takes one platform, not "linux/);
    assertOneLine(await build(project, "--push"), /--push needs .* --tag ghcr\.io\/me\/answer:0\.1\.0, for/);
  });

  test("an image that needs no build, and a Dockerfile that can't be built", async () => {
    const own = (image: string): string =>
      appSource("Own", "yes", `static override image = ${image};`).replace("App,", "App, ContainerImage,");
    const project = createProject({ ...FILES, "app.ts": own('ContainerImage.fromImage("node:22")') });
    assertOneLine(await build(project), /Own has the image node:22, which is there already/);
    writeFileSync(join(project, "app.ts"), own('ContainerImage.fromDockerfile("Dokerfile")'));
    assertOneLine(await build(project), /The file Dokerfile does not exist/);
    writeFileSync(
      join(project, "app.ts"),
      own('ContainerImage.fromDockerfileString("FROM a\\nCOPY none ./")'),
    );
    assertOneLine(await build(project), /copies "none", which is not in /);
  });

  test("a missing builder, followed by the output of each program tried", async () => {
    const ended = await runCli(["build", "app.ts"], createProject(FILES), {
      SERVABLE_CONTAINER_ENGINE: "/no/such/builder",
    });
    assert.equal(ended.exitCode, 1);
    assert.match(
      ended.stderr,
      /error: Docker, Podman or Buildah is needed .*\n {2}\/no\/such\/builder: not found\n$/,
    );
  });
});

/** A project with a script as its Docker, which logs its steps and continues when `goOn` is called. */
function projectWithDocker(): {
  readonly project: string;
  readonly temporary: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly goOn: () => void;
  readonly did: () => readonly string[];
} {
  const project = createProject({
    ...FILES,
    "bin/docker": `#!/bin/sh
case $1 in
info) echo '{"ServerVersion":"28.0.0"}' ;;
build)
  while [ "$1" != --iidfile ]; do shift; done
  cat > /dev/null
  trap 'echo cleared >> log; exit 1' INT
  echo started
  while [ ! -e go ]; do sleep 0.02; done
  for line in 1 2 3; do echo "step $line"; done
  echo sha256:${"ab12".repeat(16)} > "$2" ;;
tag) echo tagged >> log ;;
esac
`,
  });
  const temporary = join(project, "temporary");
  mkdirSync(temporary);
  chmodSync(join(project, "bin/docker"), 0o755);
  return {
    project,
    temporary,
    environment: { SERVABLE_CONTAINER_ENGINE: join(project, "bin/docker"), TMPDIR: temporary },
    goOn: () => writeFileSync(join(project, "go"), ""),
    did: () => readFileSync(join(project, "log"), "utf8").trimEnd().split("\n"),
  };
}

const isOfBuild = (name: string): boolean => name.startsWith("servable-build-");

describe("servable build", { skip: isPosix ? false : "the builder here is a shell script" }, () => {
  test("ends when its terminal closes, and leaves no temporary files", async () => {
    const { project, temporary, environment, did } = projectWithDocker();
    const running = startCli(["build", "app.ts"], project, environment);
    await running.complained(/^started$/m);
    running.kill("SIGHUP");
    const { exitCode, stdout, stderr } = await running.ended;
    assert.deepEqual([exitCode, stdout], [130, ""], stderr);
    assert.deepEqual(did(), ["cleared"]);
    assert.deepEqual(readdirSync(temporary).filter(isOfBuild), []);
  });

  test("completes after the readers of its output have closed", async () => {
    const { project, temporary, environment, goOn, did } = projectWithDocker();
    const [program = "", ...first] = cliCommand();
    const child = spawn(program, [...first, "build", "app.ts"], {
      cwd: project,
      env: cleanEnvironment(environment),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const exited = once(child, "exit");
    let said = "";
    for await (const chunk of child.stderr) if (/^started$/m.test((said += String(chunk)))) break;
    child.stdout.destroy();
    assert.ok(child.stderr.destroyed, "and so is standard error");
    goOn();
    assert.deepEqual(await exited, [0, null], said);
    assert.deepEqual(did(), ["tagged"]);
    assert.deepEqual(readdirSync(temporary).filter(isOfBuild), []);
  });
});
