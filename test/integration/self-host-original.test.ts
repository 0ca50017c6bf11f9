import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { prepareContainers, withoutContainers } from "../helpers/container-base.ts";
import { TEST_IMAGE } from "../helpers/container-image.ts";
import { runEngineProgram } from "../helpers/engine-program.ts";
import { pythonEnvironment } from "../helpers/python-packages.ts";
import { TestPlatform } from "../helpers/self-host.ts";

const python = withoutContainers === false ? await pythonEnvironment("fal-1.83.0", "fal==1.83.0") : undefined;
const missing = python !== undefined && "missing" in python ? python.missing : false;

const PROJECT = `
[tool.fal.apps.web]
exposed_port = 8000
image = { dockerfile = "Dockerfile" }
health_check = { path = "/health" }
machine_type = "XS"
auth = "private"
`;
const DOCKERFILE = `
FROM ${TEST_IMAGE}
COPY server.mjs /server.mjs
CMD ["node", "/server.mjs"]
`;
const SERVER = `
import { createServer } from "node:http";
createServer((request, response) => response.end(JSON.stringify({ path: request.url }))).listen(8000, "0.0.0.0");
`;
const FUNCTION = `
import fal
from fal.container import ContainerImage

class Pickled(fal.App, image=ContainerImage.from_dockerfile_str("FROM ${TEST_IMAGE}")):
    @fal.endpoint("/")
    def run(self) -> str:
        return "never"
`;

describe(
  "the original's command line deploys",
  { skip: withoutContainers === false ? missing : withoutContainers },
  () => {
    const folder = python !== undefined && "folder" in python ? python.folder : "";
    let host: TestPlatform;
    let project: string;
    before(async () => {
      await prepareContainers();
      project = mkdtempSync(join(tmpdir(), "servable-original-"));
      writeFileSync(join(project, "pyproject.toml"), PROJECT);
      writeFileSync(join(project, "Dockerfile"), DOCKERFILE);
      writeFileSync(join(project, "server.mjs"), SERVER);
      writeFileSync(join(project, "pickled.py"), FUNCTION);
      host = await TestPlatform.start();
    });
    after(async () => {
      await host?.[Symbol.asyncDispose]();
      if (project !== undefined) rmSync(project, { recursive: true, force: true });
      const engine = await prepareContainers();
      const { stdout } = await runEngineProgram(engine.command, [
        "images",
        "--format",
        "{{.Repository}}:{{.Tag}}",
      ]);
      const ours = stdout.split("\n").filter((name) => /^localhost\/servable-(?:revision|image):/.test(name));
      if (ours.length > 0) await runEngineProgram(engine.command, ["rmi", "--force", ...ours]);
    });

    async function fal(...args: string[]): Promise<{ readonly code: number; readonly output: string }> {
      const at = new URL(host.url).host;
      const env = {
        ...{ PATH: process.env["PATH"], HOME: project, COLUMNS: "400", ISOLATE_TEST_MODE: "1" },
        ...{ FAL_GRPC_HOST: at, FAL_REST_HOST: at, FAL_RUN_HOST: at, FAL_KEY: host.key },
      };
      return promisify(execFile)(join(folder, "bin/fal"), args, { cwd: project, env }).then(
        ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
        (error: { code: number; stdout: string; stderr: string }) => ({
          code: error.code,
          output: error.stdout + error.stderr,
        }),
      );
    }

    test("a Dockerfile of its project, which then answers, is listed and stopped", async () => {
      const deployed = await fal("deploy", "web");
      assert.equal(deployed.code, 0, deployed.output);
      const answer = await fetch(`${host.url}/me/web/hello`, { headers: host.headers });
      assert.deepEqual(await answer.json(), { path: "/hello" });
      const listed = await fal("apps", "runners", "web");
      assert.match(listed.output, /Runners: 1/);
      const id = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(listed.output)?.[0] ?? "";
      assert.equal((await fal("runners", "stop", id)).code, 0);
    });

    test("and says that a function of Python needs an agent", async () => {
      const { code, output } = await fal("deploy", "pickled.py::Pickled", "--app-name", "pickled");
      assert.equal(code, 1);
      assert.match(output, /functions of Python/);
    });
  },
);
