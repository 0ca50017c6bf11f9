import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { prepareContainers, withoutContainers } from "../helpers/container-base.ts";
import { ContainerLauncher } from "../helpers/container-launcher.ts";
import { FunctionPlatform } from "../helpers/function-platform.ts";
import { createBuildBase } from "../helpers/image-project.ts";
import { describeSurroundings, lines } from "../helpers/serverless-container.ts";

describe("the image of a function", { skip: withoutContainers }, () => {
  const folder = mkdtempSync(join(tmpdir(), "servable-function-image-"));
  let launcher: ContainerLauncher;
  let platform: FunctionPlatform;

  before(async () => {
    const engine = await prepareContainers();
    await createBuildBase(engine, folder);
    launcher = new ContainerLauncher(engine, `localhost/servable-test-function:${process.pid}`);
    platform = await FunctionPlatform.start({}, launcher);
    platform.useEnvironment();
  });
  after(async () => {
    await platform[Symbol.asyncDispose]();
    await launcher.removeImages();
    rmSync(folder, { recursive: true, force: true });
  });

  test("is built from the upload, has its packages, and answers calls without privileges", async () => {
    const { isOdd, user, program } = await describeSurroundings(3);
    assert.equal(isOdd, true);
    assert.equal(user, 1000);
    assert.deepEqual(program, ["node", "/srv/servable/server/server.mjs"]);
    assert.ok(lines.includes("USER printed inside"));
    await platform.empty();
  });
});
