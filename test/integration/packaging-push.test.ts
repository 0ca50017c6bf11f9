import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import type { ContainerEngine } from "../../src/packaging/container-engine.ts";
import { runEngineProgram } from "../helpers/engine-program.ts";
import { appSource, createProject, runCli, type Ended } from "../helpers/cli.ts";
import { prepareContainers, withoutContainers } from "../helpers/container-base.ts";
import { ImageRegistry } from "../helpers/image-registry.ts";

const IMAGE = 'static override image = ContainerImage.fromDockerfileString("FROM scratch\\nCOPY app.ts /");';

describe("servable build --push", { skip: withoutContainers }, () => {
  const source = appSource("Pushed", "yes", IMAGE).replace("App,", "App, ContainerImage,");
  const project = createProject({ "app.ts": source });
  const tags = new Set<string>();
  let engine: ContainerEngine;
  let registry: ImageRegistry;

  before(async () => {
    engine = await prepareContainers();
    registry = await ImageRegistry.start();
  });

  after(async () => {
    await runEngineProgram(engine.command, ["rmi", "--force", ...tags]);
    await registry[Symbol.asyncDispose]();
  });

  function push(name: string, builder: string, environment: NodeJS.ProcessEnv): Promise<Ended> {
    const tag = `${registry.host}/tests/${name}:1`;
    tags.add(tag);
    const settings = { SERVABLE_CONTAINER_ENGINE: builder, ...environment };
    return runCli(["build", "app.ts", "--push", "--json", "--tag", tag], project, settings);
  }

  const hasBuildah = spawnSync("buildah", ["--version"]).status === 0;
  for (const builder of ["engine", ...(hasBuildah ? ["buildah"] : [])]) {
    test(`through the ${builder} uses the builder's own registry settings and login`, async () => {
      const command = builder === "engine" ? engine.command : builder;
      const { exitCode, stdout, stderr } = await push(builder, command, {
        ...registry.trust(),
        ...registry.login(),
      });
      assert.equal(exitCode, 0, stderr);
      const result = JSON.parse(stdout) as { id: string; pushed: boolean };
      assert.equal(result.pushed, true);
      assert.equal(await registry.idOf(`tests/${builder}`, "1"), result.id);
    });
  }

  test("without a login, or to a registry without TLS, ends with a one-line error after the builder's", async () => {
    const lastLine = ({ stderr }: Ended): string => stderr.trimEnd().split("\n").at(-1) ?? "";
    const refused = await push("refused", engine.command, registry.trust());
    assert.deepEqual([refused.exitCode, refused.stdout], [1, ""]);
    assert.match(
      lastLine(refused),
      /error: \S+\/refused:1 is built, but \w+ can't push it: .*\. Log in with "\w+ login 127\.0\.0\.1:\d+"/,
    );
    assert.equal(await registry.idOf("tests/refused", "1"), undefined);
    // Docker itself does not require TLS for this machine's own addresses.
    if (engine.flavor === "docker") return;
    const plain = await push("refused", engine.command, registry.login());
    assert.deepEqual([plain.exitCode, plain.stdout], [1, ""]);
    assert.match(lastLine(plain), /HTTP response to HTTPS client\. If the registry has no TLS, add a file/);
  });
});
